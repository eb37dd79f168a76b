"""The forgetting meter: how far a model is from its base on text that no lesson holds, and the
loss of rows that it should keep.

It changes no weight and draws no random number: a run is the same with and without it.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass

import mlx.core as mx

from app.core.config.training_config import TrainingConfig
from app.core.errors import AppError
from app.core.events import DatasetLoss, Event, LogMessage, RetentionMeasured
from app.core.work_in_steps import scaled_progress
from app.engine.adapter.adapter import BareModel
from app.engine.batches.batches import Batch, BatchLoader, BatchShape
from app.engine.clocks.divergence import summed_divergence_alone
from app.engine.clocks.general_text import open_general_text
from app.engine.evaluation.evaluation import Evaluator
from app.engine.evaluation.validation_sample import first_of_draw
from app.engine.execution.losses import loss_inputs
from app.engine.execution.model_execution import Execution
from app.engine.model.language_model import LanguageModel
from app.engine.model.lm_head import SplitModel
from app.engine.model.loading import BaseModel
from app.engine.runtime.distributed import Machines
from app.engine.runtime.mlx_runtime import maybe_compile
from app.engine.runtime.named_arrays import ArrayFunction, number

SHARE = 0.02
"""Of the rows trained between two measurements: a text is read twice, but never backwards."""
FEWEST = 4
_ROWS = 4
"""Of a batch."""


class RetentionTexts:
    """The texts of one model's meter: some for each measurement, all of them for the last."""

    def __init__(self, each: BatchLoader, last: BatchLoader, counts: tuple[int, int]) -> None:
        self.each, self.last, self.counts = each, last, counts

    @property
    def shapes(self) -> tuple[BatchShape, ...]:
        return tuple(dict.fromkeys((*self.each.shapes, *self.last.shapes)))


def open_retention_texts(
    config: TrainingConfig, base: BaseModel, vocabulary: int
) -> Generator[Event, None, RetentionTexts | None]:
    """None where forgetting is not measured, or this model can't read the texts; then a message
    says so."""
    if not config.measure_forgetting:
        return None
    try:
        view = yield from open_general_text(base, "meter")
    except AppError as error:
        yield LogMessage(f"Forgetting is not measured: {error.message}", is_warning=True)
        return None
    a_step = config.batch_size * config.grad_accumulation_steps
    affordable = (SHARE * a_step * steps for steps in (config.steps_per_eval, config.steps))
    counts = [min(len(view), max(FEWEST, round(rows))) for rows in affordable]
    each, last = (
        BatchLoader(first_of_draw(view, n, seed=0), _ROWS, vocabulary=vocabulary, most_shapes=2)
        for n in (counts[0], max(counts))
    )
    return RetentionTexts(each, last, (counts[0], max(counts)))


@dataclass(frozen=True)
class KeptRows:
    """Rows that the model should keep, the same ones at each measurement."""

    name: str
    batches: BatchLoader
    sha256: str
    """As of `view.tokens_digest`."""


class RetentionMeter:
    """Of one model with its adapter. Lives on the MLX thread."""

    def __init__(
        self,
        model: LanguageModel,
        head: SplitModel | None,
        texts: RetentionTexts,
        kept: Sequence[KeptRows],
        machines: Machines,
    ) -> None:
        self._model, self._head, self._texts, self._machines = model, head, texts, machines
        self._kept, self._evaluator = kept, Evaluator(model, head, machines)
        self._bare = BareModel(model)
        self._function: ArrayFunction | None = None

    def measure(
        self, step: int, *, is_last: bool = False, reads_all: bool = False
    ) -> Generator[float, None, RetentionMeasured]:
        """Divergence from the base, and losses, after `step`; yields the share done after each
        batch. With `reads_all` it reads the texts of the run's end."""
        reads_all = reads_all or is_last
        batches = self._texts.last if reads_all else self._texts.each
        whole = len(batches) + sum(len(one.batches) for one in self._kept)
        divergence = yield from scaled_progress(self._divergence(batches), 0, len(batches), whole)
        losses, done = [], len(batches)
        for one in self._kept:
            size, measuring = len(one.batches), self._evaluator.mean_loss(one.batches)
            loss = yield from scaled_progress(measuring, done, size, whole)
            losses.append(DatasetLoss(one.name, loss))
            done += size
        count = self._texts.counts[reads_all]
        # Rounding can give a model that is its base a little less than 0.
        return RetentionMeasured(step, max(0.0, divergence), count, is_last, tuple(losses))

    def _divergence(self, batches: BatchLoader) -> Generator[float, None, float]:
        """Of all batches, in nats per token."""
        divergence, tokens = 0.0, 0.0
        with Execution(self._model).evaluating():
            for batch, share in self._machines.round_robin(batches.once(), len(batches)):
                if batch is not None:
                    divergence += number(self._summed(batch))
                    tokens += batch.trained_tokens
                yield share
        divergence, tokens = self._machines.total(divergence, tokens)
        return divergence / tokens

    def _summed(self, batch: Batch) -> mx.array:
        if self._function is None:
            bare, model, head = self._bare, self._model, self._head  # not `self`: see Evaluator
            self._function = maybe_compile(
                lambda *inputs: summed_divergence_alone(bare, model, head, *inputs),
                inputs=[self._model.state],
            )
        return self._function(*loss_inputs(batch, self._head))
