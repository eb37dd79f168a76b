"""Sentences about measured answers, shared by window and terminal."""

import math

from app.core.generation_events import AnswerEnded, AnswersCompared, LogitsCompared
from app.core.text.translation import mark, tr, trn


def answer_figures(ended: AnswerEnded) -> str:
    """The answer's length and speed, and whether it was cut off."""
    tokens = trn("{n:,} token", "{n:,} tokens", ended.tokens)
    parts = [tokens, _rate(ended.tokens_per_second), _cut(ended)]
    return " · ".join(filter(None, parts))


def logits_sentence(comparison: LogitsCompared) -> str:
    """The difference of the two models' logits at the first token."""
    if comparison.are_equal:
        return tr("First token: the logits equal the base model's bit for bit.")
    sentence = (
        mark("First token: logits differ by up to {most:.3g}, KL {kl:.3g} nats, same top token.")
        if comparison.have_same_first
        else mark(
            "First token: logits differ by up to {most:.3g}, KL {kl:.3g} nats, different top token."
        )
    )
    return tr(sentence, most=comparison.largest_difference, kl=comparison.kl_divergence)


def answers_sentence(comparison: AnswersCompared) -> str:
    """Compares the two answers in a sentence."""
    if comparison.are_equal:
        return tr("Both answers are identical, token for token.")
    if comparison.first_difference == 1:
        return tr("The answers diverge at the first token.")
    return tr("The answers diverge at token {token:,}.", token=comparison.first_difference)


def _rate(per_second: float) -> str:
    if not math.isfinite(per_second):
        return ""
    if per_second >= 10:
        return tr("{rate:,.0f} tokens/s", rate=per_second)
    return tr("{rate:.1f} tokens/s", rate=per_second)


def _cut(ended: AnswerEnded) -> str:
    if ended.ending == "length":
        return tr("cut at max tokens")
    if ended.ending == "context":
        return tr("cut: the model's context is full")
    return tr("stopped") if ended.ending == "stopped" else ""
