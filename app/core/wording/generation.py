"""Sentences about measured answers, shared by window and terminal."""

import math

from app.core.generation_events import AnswerEnded, AnswersCompared, LogitsCompared


def answer_figures(ended: AnswerEnded) -> str:
    """The answer's length and speed, and whether it was cut off."""
    tokens = "1 token" if ended.tokens == 1 else f"{ended.tokens:,} tokens"
    rate = ended.tokens_per_second
    parts = [tokens, f"{_rate(rate)} tokens/s" if math.isfinite(rate) else "", _cut(ended)]
    return " · ".join(filter(None, parts))


def logits_sentence(comparison: LogitsCompared) -> str:
    """The difference of the two models' logits at the first token."""
    if comparison.are_equal:
        return "First token: the logits equal the base model's bit for bit."
    same = "same top token" if comparison.have_same_first else "different top token"
    return (
        f"First token: logits differ by up to {comparison.largest_difference:.3g}, "
        f"KL {comparison.kl_divergence:.3g} nats, {same}."
    )


def answers_sentence(comparison: AnswersCompared) -> str:
    """Whether the two answers are one."""
    if comparison.are_equal:
        return "Both answers are identical, token for token."
    return f"The answers differ from token {comparison.first_difference:,} on."


def _rate(per_second: float) -> str:
    return f"{per_second:,.0f}" if per_second >= 10 else f"{per_second:.1f}"


def _cut(ended: AnswerEnded) -> str:
    if ended.ending == "length":
        return "cut at max tokens"
    if ended.ending == "context":
        return "cut: the model's context is full"
    return "stopped" if ended.ending == "stopped" else ""
