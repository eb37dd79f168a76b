"""Audits the lessons of the slow clock: each is taken when it is due, with the configured weight.

The weight is measured on the gradients of the numbers that an UpdateAudit samples.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import mlx.core as mx
import numpy as np

from app.engine.audit.verification import StepMeasurement, fault
from app.engine.clocks.slow_clock import Lesson
from app.engine.runtime.named_arrays import number
from app.engine.tiers.optimizer import Gradients
from app.engine.tiers.update_rules import Array, UpdateRules

_LEAST = 1e-4
"""In nats per token: rounding alone makes a model that equals its base differ by less."""


class LessonParts(NamedTuple):
    """The input of a lesson's check, as arrays on the device."""

    sampled: mx.array
    """[3, samples]: gradients of the task, gradients of the lesson, and AdamW's input."""
    squares: mx.array
    """The sum of squares of the lesson's whole gradient, a scalar array."""
    divergence: mx.array
    """In nats, summed over the lesson's `tokens`: a scalar array."""
    tokens: int
    tiers: tuple[int, ...]
    """The tiers with gradients of the lesson, in the order of the samples."""


class LessonAudit:
    """Follows a run's lessons."""

    def __init__(self, rules: UpdateRules, positions: Sequence[mx.array]) -> None:
        """`positions` has the indices of each tier's samples in its vector."""
        self._rules, self._positions = rules, positions
        self._has_lesson = self._has_difference = False

    def observe(
        self, task: Gradients, lesson: Lesson | None, taken: Gradients
    ) -> LessonParts | None:
        """The input of `check` from a step's gradients, unevaluated; None without a lesson."""
        if lesson is None:
            return None
        tiers = tuple(lesson.gradients)
        sampled = [
            mx.concatenate([part[k][self._positions[k]] for k in tiers])
            for part in (task, lesson.gradients, taken)
        ]
        squares: mx.array = sum(mx.sum(mx.square(g)) for g in lesson.gradients.values())  # type: ignore[assignment]
        return LessonParts(mx.stack(sampled), squares, lesson.divergence, lesson.tokens, tiers)

    def clipped_means(self, parts: LessonParts | None) -> dict[int, Array]:
        """Tier → the input of the slow clock's own AdamW for the sampled numbers; NaN if the
        gradient is not finite, empty if the slow clock has no AdamW of its own."""
        if parts is None or not self._rules.slow_rate:
            return {}
        norm = math.sqrt(number(parts.squares)) / parts.tokens
        scale = self._rules.clipping(norm) / parts.tokens if math.isfinite(norm) else math.nan
        ends = np.cumsum([self._positions[k].size for k in parts.tiers])[:-1]
        samples = np.split(np.array(parts.sampled[1], np.float64), ends)
        return {k: scale * found for k, found in zip(parts.tiers, samples, strict=True)}

    def check(self, parts: LessonParts | None, step: int, reported: StepMeasurement) -> None:
        """Raise VerificationError if a lesson was missed or came out of turn, counted with another
        weight, or is reported with another divergence."""
        if self._rules.has_lesson(step) != (parts is not None):
            event = "left out" if parts is None else "given out of turn"
            raise fault(step, f"a lesson of the slow clock was {event}")
        if parts is not None and parts.tiers != self._rules.lesson_tiers(step):
            raise fault(step, "gradients of the lesson were computed of the wrong tiers")
        if parts is None or reported.is_void:
            return
        mean = number(parts.divergence) / parts.tokens
        self._has_lesson, self._has_difference = True, self._has_difference or mean != 0
        if mean < -_LEAST:
            raise fault(step, f"the divergence from the base model was {mean:.3g}, below 0")
        if not math.isclose(reported.base_kl, mean, rel_tol=1e-3, abs_tol=1e-9):
            shown = f"{reported.base_kl:.3g} is reported of what was measured as {mean:.3g}"
            raise fault(step, f"a divergence of {shown}")
        if mean > _LEAST and not number(parts.squares) > 0:
            raise fault(step, "the slow clock's lesson gave no gradient")
        task, lesson, taken = np.array(parts.sampled, np.float64)
        weight = 0.0 if self._rules.slow_rate else self._rules.slow_weight
        weighted = weight * reported.trained_tokens / parts.tokens * lesson
        allowed = 1e-5 * (np.abs(task) + np.abs(weighted)) + 1e-30
        if np.any(np.abs(taken - task - weighted) > allowed):
            raise fault(step, "the slow clock's lesson was not taken by its weight")

    def remark(self) -> str:
        """A sentence for the run's end, after a space, if no lesson had an effect; else empty."""
        if not self._has_lesson or self._has_difference:
            return ""
        return " The slow clock changed nothing: no lesson found a difference from the base model."
