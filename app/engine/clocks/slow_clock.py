"""The slow clock: every few steps, a lesson in what the base model knows.

A lesson is some rows of general text. On them the tuned model is drawn to the base's own
predictions, after "Learning without Forgetting" (Li and Hoiem, 2017), with text of no task: by an
AdamW of its own on mean KL(base ‖ tuned), or beside the task's loss, as loss + β · mean KL.
"""

from collections.abc import Generator, Mapping
from dataclasses import dataclass

import mlx.core as mx

from app.core.config.training_config import TrainingConfig
from app.core.events import Event, LogMessage
from app.data.tokens.token_view import tokens_digest
from app.engine.batches.batches import Batch, BatchLoader, BatchShape
from app.engine.clocks.general_text import open_general_text
from app.engine.model.loading import BaseModel
from app.engine.runtime.named_arrays import number

_SHAPES = 2
_STREAM = 11
"""Apart from the random numbers that the seed gives elsewhere."""


@dataclass(frozen=True)
class SlowClock:
    """Which rows are the lesson of which step: a function of the seed alone."""

    batches: BatchLoader
    texts: int
    every: int
    weight: float
    """β, where lessons share the task's AdamW."""
    seed: int
    sha256: str
    """Of the texts' tokens."""

    @property
    def shapes(self) -> tuple[BatchShape, ...]:
        return tuple(self.batches.shapes)

    def lesson(self, step: int) -> Batch | None:
        """The rows of optimizer step `step` (1-based); None where it is no lesson's."""
        if step % self.every:
            return None
        return next(self.batches.infinite(self.seed + _STREAM, start=step // self.every - 1))


@dataclass(frozen=True)
class Lesson:
    """One lesson, computed."""

    divergence: mx.array
    """The sum over its trained tokens, in nats, before the step's update: a scalar array."""
    gradients: Mapping[int, mx.array]
    """Of that sum, by tier: float32 vectors in the order of `TierPlan.flatten`."""
    batch: Batch

    @property
    def tokens(self) -> int:
        """Trained ones."""
        return self.batch.trained_tokens

    def added_to(self, gradients: Mapping[int, mx.array], weight: float) -> dict[int, mx.array]:
        """Gradients by tier with `weight` times those of the mean divergence."""
        factor = weight / self.tokens
        return {tier: array + factor * self.gradients[tier] for tier, array in gradients.items()}

    def mean_gradients(self) -> dict[int, mx.array]:
        """Those of the mean divergence."""
        return {tier: array / self.tokens for tier, array in self.gradients.items()}

    def mean(self) -> float:
        """In nats per token."""
        return number(self.divergence) / self.tokens


def lesson_batch_size(config: TrainingConfig, texts: int) -> int:
    """As in the settings, of so many `texts`; by default half as many as a step trains on, at
    least one."""
    half = max(1, config.batch_size * config.grad_accumulation_steps // 2)
    return min(config.slow_rows, texts) or half


def open_slow_clock(
    config: TrainingConfig, base: BaseModel, vocabulary: int
) -> Generator[Event, None, SlowClock | None]:
    """None where it is off. Reports how far it is; raises AppError where the text can't be used."""
    if not config.slow_every:
        return None
    view = yield from open_general_text(base, "lessons", config.slow_text)
    batches = BatchLoader(
        view, lesson_batch_size(config, len(view)), vocabulary=vocabulary, most_shapes=_SHAPES
    )
    return SlowClock(
        batches, len(view), config.slow_every, config.slow_weight, config.seed, tokens_digest(view)
    )


TEXT_KEY = "general_text_sha256"
"""Its place in a run's manifest."""


def text_notes(saved: Mapping[str, object], slow: SlowClock | None) -> list[LogMessage]:
    """For the log of a run that resumes with other general text than it began with."""
    began = saved.get(TEXT_KEY) or None
    if slow is None or began in (None, slow.sha256):
        return []
    return [
        LogMessage(
            "The slow clock's text has changed since this run began, so its lessons differ from "
            "here on.",
            is_warning=True,
        )
    ]
