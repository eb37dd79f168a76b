"""Audits gradients: those of some steps and lessons are computed a second time.

An uncompiled function computes them from the model's own weights. No other audit would notice
gradients of other weights, or scaled or negated ones.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import mlx.core as mx

from app.engine.adapter.adapter import BareModel
from app.engine.adapter.flat_adapter import FlatAdapter
from app.engine.audit.verification import fault
from app.engine.batches.batches import Batch
from app.engine.clocks.divergence import summed_divergence
from app.engine.clocks.slow_clock import Lesson
from app.engine.execution.losses import loss_inputs, sum_cross_entropy
from app.engine.execution.model_execution import Execution, FastPaths, Objective
from app.engine.model.adapter_parameters import read_parameters
from app.engine.model.language_model import LanguageModel
from app.engine.model.model_structure import has_dropout, parameters, trainable_parameters
from app.engine.runtime.named_arrays import number
from app.engine.runtime.tolerances import GRADIENTS
from app.engine.tiers.optimizer import Gradients
from app.engine.tiers.plan import TierPlan

STEP, EVERY_STEP = 5, 500
"""Audited steps: this one, and then every five hundredth. An audit takes about as long as a
step."""
LESSONS, EVERY_LESSON = (1, 2, 5, 20), 100
"""Audited lessons: these, and then every hundredth."""
_TOLERANCE = 0.01
"""The smallest tolerance, as a share of the gradient: compiled functions round differently."""
_SMALL = 0.05
"""As a share of the whole gradient: the tolerance of a smaller tier's gradient is relative to
this."""
_LEAST = 0.02
"""In nats per token. In half precision, rounding dominates smaller losses and divergences and
their gradients."""
_LEAST_IN_FLOAT32 = 1e-4


class Recomputed(NamedTuple):
    """A second computation of a step's or a lesson's gradients."""

    mean: float
    """Of the loss or the divergence, in nats per trained token."""
    gradients: Gradients
    """By tier, summed over the trained tokens: float32 vectors in the order of
    `TierPlan.flatten`."""


class GradientAudit:
    """Computes gradients a second time; not with dropout, which makes each computation differ."""

    def __init__(self, model: LanguageModel, plan: TierPlan, fast: FastPaths) -> None:
        self._model, self._plan, self._fast = model, plan, fast
        self._paths = tuple(trainable_parameters(model))
        self._divergence = partial(summed_divergence, BareModel(model))
        dtypes = {array.dtype for array in parameters(model).values()}
        self._tolerance = max(_TOLERANCE, *map(GRADIENTS.for_dtype, dtypes))
        self._least = _LEAST_IN_FLOAT32 if self._tolerance == _TOLERANCE else _LEAST
        self._is_random = has_dropout(model)

    def of_step(
        self, batches: Sequence[Batch], step: int, tiers: tuple[int, ...]
    ) -> Recomputed | None:
        """The task's gradients before `step` (1-based); None if they are not audited."""
        if self._is_random or (step != STEP and step % EVERY_STEP):
            return None
        # One example at a time needs no more memory than the step does.
        examples = (
            batch.part([i])
            for batch in batches
            for i in range(len(batch.places) or len(batch.tokens))
        )
        return self._recomputed(examples, tiers, sum_cross_entropy)

    def of_lesson(self, batch: Batch, lesson: int, tiers: tuple[int, ...]) -> Recomputed | None:
        """The gradients of lesson number `lesson` (1-based) before its step; None if they are not
        audited."""
        if self._is_random or (lesson not in LESSONS and lesson % EVERY_LESSON):
            return None
        return self._recomputed([batch], tiers, self._divergence)

    def divergence_after(self, before: Recomputed | None, lesson: Lesson | None) -> float:
        """The mean divergence of an audited lesson after its step's update, in nats per token.

        NaN if the lesson is not audited, or rounding dominated its divergence before.
        """
        if before is None or lesson is None or not before.mean > self._least:
            return math.nan
        return self._recomputed([lesson.batch], (), self._divergence).mean

    def check_step(self, expected: Recomputed | None, gradients: Gradients, step: int) -> None:
        """Raise VerificationError if the task's summed gradients differ from the expected ones."""
        if expected is not None and not self._is_near(gradients, expected):
            raise fault(step, "the gradients are not those of the weights that the model has")

    def check_lesson(self, expected: Recomputed | None, lesson: Lesson | None, step: int) -> None:
        """Raise VerificationError if a lesson's divergence or gradients differ from `expected`."""
        if expected is None or lesson is None or not expected.mean > self._least:
            return
        if abs(lesson.mean() - expected.mean) > self._tolerance * expected.mean:
            raise fault(
                step,
                f"the lesson's divergence from the base was {lesson.mean():.4g}, but that of the "
                f"model's own weights is {expected.mean:.4g}",
            )
        if not self._is_near(lesson.gradients, expected):
            raise fault(
                step, "the lesson's gradients are not those of the weights that the model has"
            )

    def _recomputed(
        self, batches: Iterable[Batch], tiers: tuple[int, ...], objective: Objective
    ) -> Recomputed:
        is_task = objective is sum_cross_entropy
        execution = Execution(self._model, self._fast if is_task else self._fast.for_divergence())
        adapter = FlatAdapter(self._model, self._plan)  # rarely needed, so it isn't kept
        weights = read_parameters(self._model, self._paths)
        vectors = [self._plan.flatten(tier, weights) for tier in range(len(self._plan.tiers))]
        paths = [path for tier in tiers for path in self._plan.paths(tier)]
        total, tokens, gradients = mx.array(0.0), 0, dict[int, mx.array]()
        for batch in batches:
            if not (trained := batch.trained_tokens):
                continue
            function = execution.gradient_function(adapter, paths, batch.input_lengths, objective)
            value, by_path = function(vectors, *loss_inputs(batch, execution.fast.head))
            total, tokens = total + value, tokens + trained
            for tier in tiers:
                gradient = adapter.gradient(tier, by_path)
                gradients[tier] = gradients[tier] + gradient if tier in gradients else gradient
            mx.eval(total, gradients)
        return Recomputed(number(total) / tokens, gradients)

    def _is_near(self, gradients: Mapping[int, mx.array], expected: Recomputed) -> bool:
        """Whether each tier's gradient is the expected one, within rounding."""
        if not expected.mean > self._least:
            return True
        sizes = {tier: _norm(array) for tier, array in expected.gradients.items()}
        floor = _SMALL * math.hypot(*sizes.values())
        for tier, array in expected.gradients.items():
            distance = _norm(gradients[tier] - array)
            # Numbers that are not finite make the step void.
            if math.isfinite(distance) and distance > self._tolerance * max(sizes[tier], floor):
                return False
        return True


def _norm(array: mx.array) -> float:
    return number(mx.linalg.norm(array))
