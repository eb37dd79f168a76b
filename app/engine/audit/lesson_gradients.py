"""Audits gradients of the slow clock: those of some lessons are computed a second time.

An uncompiled function computes them from the model's own weights. Without it, a lesson with the
gradients of other weights, or with scaled or negated ones, would pass every other audit.
"""

import math
from collections.abc import Mapping
from functools import partial

import mlx.core as mx

from app.engine.adapter.adapter import BareModel
from app.engine.adapter.flat_adapter import FlatAdapter
from app.engine.audit.verification import fault
from app.engine.batches.batches import Batch
from app.engine.clocks.divergence import summed_divergence
from app.engine.clocks.slow_clock import Lesson
from app.engine.execution.losses import loss_inputs
from app.engine.execution.model_execution import Execution, FastPaths
from app.engine.model.adapter_parameters import read_parameters
from app.engine.model.language_model import LanguageModel
from app.engine.model.model_structure import has_dropout, parameters, trainable_parameters
from app.engine.runtime.named_arrays import number
from app.engine.runtime.tolerances import GRADIENTS
from app.engine.tiers.plan import TierPlan

EARLY, EVERY = (1, 2, 5, 20), 100
"""The lessons that are audited: these, and then every hundredth."""
_TOLERANCE = 0.01
"""Of the gradient, at least: compiled functions round differently."""
_LEAST = 0.02
"""In nats per token. In half precision, rounding is a large part of a smaller divergence."""
_LEAST_IN_FLOAT32 = 1e-4


class LessonGradients:
    """Computes lessons a second time, unless dropout makes each computation differ."""

    def __init__(self, model: LanguageModel, plan: TierPlan, fast: FastPaths) -> None:
        self._model, self._plan = model, plan
        self._paths = tuple(trainable_parameters(model))
        self._adapter = FlatAdapter(model, plan)
        self._execution = Execution(model, fast.for_divergence())
        self._divergence = partial(summed_divergence, BareModel(model))
        dtypes = {array.dtype for array in parameters(model).values()}
        self._tolerance = max(_TOLERANCE, *map(GRADIENTS.for_dtype, dtypes))
        self._least = _LEAST_IN_FLOAT32 if self._tolerance == _TOLERANCE else _LEAST
        self._is_random = has_dropout(model)

    def expected(self, batch: Batch, lesson: int, tiers: tuple[int, ...]) -> Lesson | None:
        """Lesson number `lesson` (1-based) before its step; None where it is not audited."""
        if self._is_random or (lesson not in EARLY and lesson % EVERY):
            return None
        return self._measured(batch, tiers)

    def divergence_after(self, lesson: Lesson | None) -> float:
        """The mean divergence of an audited lesson after its step's update, in nats per token.

        NaN if it is not audited, or was close to its rounding before.
        """
        if lesson is None or not lesson.mean() > self._least:
            return math.nan
        return self._measured(lesson.batch, ()).mean()

    def _measured(self, batch: Batch, tiers: tuple[int, ...]) -> Lesson:
        of_model = read_parameters(self._model, self._paths)
        vectors = [self._plan.flatten(tier, of_model) for tier in range(len(self._plan.tiers))]
        paths = [path for tier in tiers for path in self._plan.paths(tier)]
        function = self._execution.gradient_function(
            self._adapter, paths, batch.input_lengths, self._divergence
        )
        divergence, found = function(vectors, *loss_inputs(batch, self._execution.fast.head))
        gradients = {tier: self._adapter.gradient(tier, found) for tier in tiers}
        mx.eval(divergence, gradients)
        return Lesson(divergence, gradients, batch)

    def check(self, expected: Lesson | None, taken: Lesson | None, step: int) -> None:
        """Raise VerificationError unless a lesson's divergence and gradients are as expected."""
        if expected is None or taken is None or not expected.mean() > self._least:
            return
        # Not finite: the step is void.
        if abs(taken.mean() - expected.mean()) > self._tolerance * expected.mean():
            raise fault(
                step,
                f"the lesson's divergence from the base was {taken.mean():.4g}, but that of the "
                f"model's own weights is {expected.mean():.4g}",
            )
        if self._distance(taken.gradients, expected.gradients) > self._tolerance:
            raise fault(
                step, "the lesson's gradients are not those of the weights that the model has"
            )

    def _distance(self, some: Mapping[int, mx.array], own: Mapping[int, mx.array]) -> float:
        """Between gradients of the same tiers, over the size of the `own`."""
        away = sum(mx.sum(mx.square(some[tier] - own[tier])) for tier in own)
        size = sum(mx.sum(mx.square(array)) for array in own.values())
        return number(mx.sqrt(away / size))  # type: ignore[arg-type]
