"""Validates a run: the loss on held-out rows, by dataset and overall, and whether it is the best.

`loop` and `measurements` decide when to validate.
"""

from collections.abc import Generator, Sequence
from math import fsum, isfinite
from operator import mul

from app.core.events import DatasetLoss, EvaluationFinished
from app.core.progress import scaled_progress
from app.engine.batches.batches import BatchLoader
from app.engine.evaluation.evaluation import Evaluator
from app.engine.evaluation.validation_sample import ValidationSet
from app.engine.runtime.distributed import Machines
from app.engine.training.early_stopping import BestValidation
from app.engine.training.setup import TrainingSetup


class Validation:
    """Measures the loss on held-out rows and records it in `best`."""

    def __init__(self, prepared: TrainingSetup, best: BestValidation, machines: Machines) -> None:
        self._sets = prepared.valid
        self._names_each = bool(prepared.parts)
        self._best = best
        self._is_finite = True
        self._evaluator = Evaluator(prepared.base.model, prepared.fast, machines)

    def take(self, sets: Sequence[ValidationSet]) -> None:
        """Use `sets` from now on; validations still read the same rows as before."""
        self._sets = tuple(sets)

    @property
    def has_rows(self) -> bool:
        """Whether there are validation rows."""
        return bool(self._sets)

    @property
    def reads_more_at_the_end(self) -> bool:
        return any(one.last_rows > one.rows for one in self._sets)

    @property
    def can_read_the_last(self) -> bool:
        """Whether all rows of the last validation are tokenized."""
        return all(one.is_last_there for one in self._sets)

    def measure(
        self, step: int, forgetting: float = 0.0
    ) -> Generator[float, None, EvaluationFinished]:
        """The validation after `step`. Yields the share done after each batch.

        `forgetting` is added to the loss to find the best. Closing the generator early has no
        effect on the best.
        """
        loss, each = yield from self._losses([one.batches for one in self._sets])
        is_best = self._best.take(loss, step, forgetting)
        rows = sum(one.rows for one in self._sets)
        return EvaluationFinished(step, loss, is_best, each, rows, forgetting=forgetting)

    def loss(self) -> Generator[float, None, float]:
        """The current loss; it does not count as a candidate for the best."""
        loss, _ = yield from self._losses([one.batches for one in self._sets])
        return loss

    def measure_last(self, step: int) -> Generator[float, None, EvaluationFinished]:
        """The final validation after the last `step`, on more rows; not a candidate for best."""
        loss, each = yield from self._losses([one.last_batches for one in self._sets])
        rows = sum(one.last_rows for one in self._sets)
        return EvaluationFinished(step, loss, False, each, rows, is_last=True)

    def _losses(
        self, sets: list[BatchLoader]
    ) -> Generator[float, None, tuple[float, tuple[DatasetLoss, ...]]]:
        """The loss over all datasets, and the loss of each if there are several."""
        sizes = list(map(len, sets))
        losses = []
        for number, batches in enumerate(sets):
            measuring = self._evaluator.mean_loss(batches)
            before, whole = sum(sizes[:number]), sum(sizes)
            losses.append((yield from scaled_progress(measuring, before, sizes[number], whole)))
        loss = self._over_all(losses)
        self._is_finite = isfinite(loss)
        names = [one.name for one in self._sets]
        each = tuple(map(DatasetLoss, names, losses)) if self._names_each else ()
        return loss, each

    def remark(self) -> str:
        """A sentence for the run's final message, with a leading space; "" if the last loss was
        finite."""
        return "" if self._is_finite else " The last validation loss is not a finite number."

    def _over_all(self, losses: list[float]) -> float:
        """The mean, weighted by each dataset's trained tokens per epoch."""
        if len(losses) == 1:
            return losses[0]
        weights = [one.weight for one in self._sets]
        return fsum(map(mul, losses, weights)) / fsum(weights)
