"""The forgetting meter: the KL divergence from the base model on text that no lesson contains, and
the loss on rows that the model should keep.

It changes no weights and draws no random numbers, so a run has the same result without it.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import partial

from app.core.config.training_config import TrainingConfig
from app.core.errors import AppError
from app.core.events import DatasetLoss, Event, LogMessage, RetentionMeasured
from app.core.progress import scaled_progress
from app.engine.adapter.adapter import BareModel
from app.engine.batches.batches import BatchLoader, BatchShape
from app.engine.clocks.divergence import summed_divergence_alone
from app.engine.clocks.general_text import open_general_text
from app.engine.evaluation.evaluation import Evaluator
from app.engine.evaluation.validation_sample import first_of_draw
from app.engine.execution.model_execution import FastPaths
from app.engine.model.language_model import LanguageModel
from app.engine.model.loading import BaseModel
from app.engine.runtime.distributed import Machines

SHARE = 0.02
"""Texts read per row trained between two measurements. A text takes two forward passes."""
MIN_ROWS = 4
_ROWS = 4
"""Rows of a batch."""


class RetentionTexts:
    """The meter's texts: `each` for every measurement, and the larger sample `last` at the end."""

    def __init__(self, each: BatchLoader, last: BatchLoader, counts: tuple[int, int]) -> None:
        self.each, self.last, self.counts = each, last, counts

    @property
    def shapes(self) -> tuple[BatchShape, ...]:
        return tuple(dict.fromkeys((*self.each.shapes, *self.last.shapes)))


def open_retention_texts(
    config: TrainingConfig, base: BaseModel, vocabulary: int
) -> Generator[Event, None, RetentionTexts | None]:
    """The meter's texts; None if forgetting is not measured.

    If the model can't read the texts, yields a warning and returns None.
    """
    if not config.measure_forgetting:
        return None
    try:
        view = yield from open_general_text(base, "meter")
    except AppError as error:
        yield LogMessage(f"Forgetting is not measured: {error.message}", is_warning=True)
        return None
    a_step = config.batch_size * config.grad_accumulation_steps
    affordable = (SHARE * a_step * steps for steps in (config.steps_per_eval, config.steps))
    counts = [min(len(view), max(MIN_ROWS, round(rows))) for rows in affordable]
    each, last = (
        BatchLoader(first_of_draw(view, n, seed=0), _ROWS, vocabulary=vocabulary, most_shapes=2)
        for n in (counts[0], max(counts))
    )
    return RetentionTexts(each, last, (counts[0], max(counts)))


@dataclass(frozen=True)
class KeptRows:
    """A set of rows that the model should keep; every measurement reads the same rows."""

    name: str
    batches: BatchLoader
    sha256: str
    """Digest of the rows' tokens, from `tokens_digest`."""


class RetentionMeter:
    """Measures one model with its adapter. Lives on the MLX thread."""

    def __init__(
        self,
        model: LanguageModel,
        fast: FastPaths,
        texts: RetentionTexts,
        kept: Sequence[KeptRows],
        machines: Machines,
    ) -> None:
        self._texts, self._kept = texts, kept
        self._losses = Evaluator(model, fast, machines)
        divergence = partial(summed_divergence_alone, BareModel(model))
        self._divergence = Evaluator(model, fast, machines, divergence)

    def measure(
        self, step: int, *, is_last: bool = False, reads_all: bool = False
    ) -> Generator[float, None, RetentionMeasured]:
        """KL divergence from the base, and the losses, after `step`.

        `reads_all` selects the texts of the run's end. Yields the share done after each batch.
        """
        reads_all = reads_all or is_last
        batches = self._texts.last if reads_all else self._texts.each
        whole = len(batches) + sum(len(one.batches) for one in self._kept)
        measuring = self._divergence.mean_loss(batches)
        divergence = yield from scaled_progress(measuring, 0, len(batches), whole)
        losses, done = [], len(batches)
        for one in self._kept:
            size, measuring = len(one.batches), self._losses.mean_loss(one.batches)
            loss = yield from scaled_progress(measuring, done, size, whole)
            losses.append(DatasetLoss(one.name, loss))
            done += size
        count = self._texts.counts[reads_all]
        # For a model equal to its base, rounding can give slightly less than 0.
        return RetentionMeasured(step, max(0.0, divergence), count, is_last, tuple(losses))
