"""Validates a run: the loss on held-out rows, by dataset, and whether it is the best yet.

Combines the losses of several datasets. Knows no schedule of validations.
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
    """Measures held-out rows, and tells `best` of each loss."""

    def __init__(self, prepared: TrainingSetup, best: BestValidation, machines: Machines) -> None:
        self._sets = prepared.valid
        self._names_each = bool(prepared.parts)
        self._best = best
        self._is_finite = True
        self._evaluator = Evaluator(prepared.base.model, prepared.fast, machines)

    def take(self, sets: Sequence[ValidationSet]) -> None:
        """Use these from here on; each validation reads the same rows as before."""
        self._sets = tuple(sets)

    @property
    def has_rows(self) -> bool:
        """Whether any are held out."""
        return bool(self._sets)

    @property
    def reads_more_at_the_end(self) -> bool:
        return any(one.last_rows > one.rows for one in self._sets)

    @property
    def can_read_the_last(self) -> bool:
        """Whether all rows of the last validation are tokens."""
        return all(one.is_last_there for one in self._sets)

    def measure(
        self, step: int, forgetting: float = 0.0
    ) -> Generator[float, None, EvaluationFinished]:
        """The validation after `step`. Yields the share done after each batch.

        One that is closed before its end counts for nothing. `forgetting` counts beside the loss.
        """
        loss, each = yield from self._losses([one.batches for one in self._sets])
        is_best = self._best.take(loss, step, forgetting)
        rows = sum(one.rows for one in self._sets)
        return EvaluationFinished(step, loss, is_best, each, rows, forgetting=forgetting)

    def loss(self) -> Generator[float, None, float]:
        """The loss now, of no step: it is no candidate for best."""
        loss, _ = yield from self._losses([one.batches for one in self._sets])
        return loss

    def measure_last(self, step: int) -> Generator[float, None, EvaluationFinished]:
        """The validation of a run that ends after `step`, likewise; it is no candidate for best."""
        loss, each = yield from self._losses([one.last_batches for one in self._sets])
        rows = sum(one.last_rows for one in self._sets)
        return EvaluationFinished(step, loss, False, each, rows, is_last=True)

    def _losses(
        self, sets: list[BatchLoader]
    ) -> Generator[float, None, tuple[float, tuple[DatasetLoss, ...]]]:
        """Over all datasets, and of each if there are several."""
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
        """For the end of the run's last sentence; empty if the last loss was a finite number."""
        return "" if self._is_finite else " The last validation loss is not a finite number."

    def _over_all(self, losses: list[float]) -> float:
        """The mean, each weighted by the tokens that an epoch trains of its dataset."""
        if len(losses) == 1:
            return losses[0]
        weights = [one.weight for one in self._sets]
        return fsum(map(mul, losses, weights)) / fsum(weights)
