"""Audits the loss of some steps.

A training step computes loss and gradients with a compiled function of the weights. If other
weights than the model's reached that function, each update would still follow from its gradients.
So the model itself computes the loss of these steps again.
"""

import math
from collections.abc import Sequence

from app.engine.audit.verification import fault
from app.engine.batches.batches import Batch
from app.engine.execution.losses import loss_inputs, sum_cross_entropy_eval
from app.engine.execution.model_execution import Execution, FastPaths
from app.engine.model.language_model import LanguageModel
from app.engine.model.lm_head import SplitModel
from app.engine.model.model_structure import has_dropout, parameters
from app.engine.runtime.named_arrays import number
from app.engine.runtime.tolerances import LOSSES

EARLY, EVERY = (5, 20), 100
"""The steps that are audited: these, and then every hundredth."""
_SMALL = 0.5
"""In nats: the tolerance of a smaller loss is relative to this."""
_MANY = 100
"""Trained tokens that the tolerance applies to; rounding averages out less over fewer tokens."""


class LossAudit:
    """Computes the loss of a step's batches a second time, in a forward pass."""

    def __init__(self, model: LanguageModel, head: SplitModel | None) -> None:
        self._execution = Execution(model, FastPaths(head))
        dtypes = {array.dtype for array in parameters(model).values()}
        self._tolerance = max(map(LOSSES.for_dtype, dtypes))
        self._is_random = has_dropout(model)

    def expected(self, batches: Sequence[Batch], step: int) -> float | None:
        """The mean loss of the batches before `step`, in nats per token; None if it is not
        audited."""
        if self._is_random or (step not in EARLY and step % EVERY):
            return None
        tokens = sum(batch.trained_tokens for batch in batches)
        return math.fsum(map(self._loss, batches)) / tokens

    def check(self, expected: float | None, step: int, loss: float, tokens: int) -> None:
        """Raise VerificationError if the step's mean `loss` over its trained `tokens` differs from
        `expected` by more than rounding."""
        if expected is None or not (math.isfinite(expected) and math.isfinite(loss)):
            return
        tolerance = self._tolerance * math.sqrt(max(1.0, _MANY / tokens))
        if abs(loss - expected) > tolerance * max(abs(expected), _SMALL):
            raise fault(
                step,
                f"the loss was {loss:.4g}, but the model's own is {expected:.4g}: "
                "the gradients are not of the weights that the model has",
            )

    def _loss(self, batch: Batch) -> float:
        model, head = self._execution.model, self._execution.fast.head
        with self._execution.evaluating(batch.input_lengths):
            return number(sum_cross_entropy_eval(model, head, *loss_inputs(batch, head)))
