"""Sentences about a run's result: what it learned, and how far it moved from its base model."""

import math
from collections.abc import Sequence

from app.core.events import KNOWN_QUESTIONS, EvaluationFinished, RetentionMeasured
from app.core.text.numbers import format_loss
from app.core.text.sanitize import single_line

_DIGITS = 3
_MAX_NAME = 80


def learned_and_kept(
    evaluations: Sequence[EvaluationFinished], retention: Sequence[RetentionMeasured]
) -> str:
    """One sentence on both, as far as they were measured; empty where nothing was."""
    learned, kept = loss_sentence(evaluations), retention_sentence(retention)
    if not learned or not kept:
        return learned or kept
    ended = f"the model ended {_distance(retention[-1])} from its base on everyday text"
    return f"{learned.removesuffix('.')}; {ended}."


def loss_sentence(evaluations: Sequence[EvaluationFinished]) -> str:
    """The validation loss from the curve's first value to its last."""
    if not evaluations:
        return ""
    first, last = evaluations[0], evaluations[-1]
    if first.step == last.step:
        return f"Validation loss: {_loss(last)} at step {last.step:,}."
    values = _loss(first), _loss(last)
    if values[0] == values[1]:
        return f"Validation loss stayed at {values[0]}."
    verb = "fell" if last.val_loss < first.val_loss else "rose"
    since = "" if first.step == 0 else f" since step {first.step:,}"
    return f"Validation loss {verb} from {values[0]} to {values[1]}{since}."


def retention_sentence(retention: Sequence[RetentionMeasured]) -> str:
    """The run's final distance from its base model."""
    if not retention:
        return ""
    return f"Change from the base model: {_distance(retention[-1])} on everyday text."


def score_sentence(name: str, before: int | None, after: int, total: int) -> str:
    """A question set's right answers; `before` is None where that was not measured."""
    if name == KNOWN_QUESTIONS:
        return f"Still answers {after:,} of {total:,} general questions."
    shown = single_line(name.replace("_", " ").capitalize(), _MAX_NAME)
    than = "" if before is None else f", {before:,} before"
    return f"{shown}: {after:,} of {total:,} right{than}."


def _distance(measured: RetentionMeasured) -> str:
    return f"{measured.base_kl:.3g} nats per token"


def _loss(evaluation: EvaluationFinished) -> str:
    value = evaluation.val_loss
    return format_loss(value, _DIGITS) if math.isfinite(value) else "–"
