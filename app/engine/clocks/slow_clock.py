"""The slow clock: every few steps, a lesson on the base model's knowledge.

A lesson is a batch of general text on which the tuned model learns the base model's predictions,
after "Learning without Forgetting" (Li and Hoiem, 2017). It minimizes mean KL(base ‖ tuned) with
its own AdamW, or adds it to the task's loss: loss + β · mean KL.
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
"""Separates these random numbers from others of the same seed."""


@dataclass(frozen=True)
class SlowClock:
    """The rows of each step's lesson; the seed alone determines them."""

    batches: BatchLoader
    texts: int
    every: int
    weight: float
    """β, if lessons share the task's AdamW."""
    seed: int
    sha256: str
    """Digest of the texts' tokens."""

    @property
    def shapes(self) -> tuple[BatchShape, ...]:
        return tuple(self.batches.shapes)

    def lesson(self, step: int) -> Batch | None:
        """The lesson's rows at optimizer step `step` (1-based); None if the step has no lesson."""
        if step % self.every:
            return None
        return next(self.batches.infinite(self.seed + _STREAM, start=step // self.every - 1))


@dataclass(frozen=True)
class Lesson:
    """The KL divergence of one lesson and its gradients."""

    divergence: mx.array
    """The sum over trained tokens before the step's update, in nats; a scalar array."""
    gradients: Mapping[int, mx.array]
    """Gradients of that sum, by tier: float32 vectors in the order of `TierPlan.flatten`."""
    batch: Batch

    @property
    def tokens(self) -> int:
        """The number of trained tokens."""
        return self.batch.trained_tokens

    def added_to(self, gradients: Mapping[int, mx.array], weight: float) -> dict[int, mx.array]:
        """`gradients`, by tier, plus `weight` times the gradients of the mean divergence."""
        factor = weight / self.tokens
        return {tier: array + factor * self.gradients[tier] for tier, array in gradients.items()}

    def mean_gradients(self) -> dict[int, mx.array]:
        """Gradients of the mean divergence, by tier."""
        return {tier: array / self.tokens for tier, array in self.gradients.items()}

    def mean(self) -> float:
        """The mean divergence in nats per token."""
        return number(self.divergence) / self.tokens


def lesson_batch_size(config: TrainingConfig, texts: int) -> int:
    """Rows of a lesson: the setting, at most `texts`; by default half the rows of a step, at least
    one."""
    half = max(1, config.batch_size * config.grad_accumulation_steps // 2)
    return min(config.slow_rows, texts) or half


def open_slow_clock(
    config: TrainingConfig, base: BaseModel, vocabulary: int
) -> Generator[Event, None, SlowClock | None]:
    """The run's slow clock; None if it is off. Raises AppError if its text can't be used."""
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
"""The key of the text's digest in a run's manifest."""


def text_notes(saved: Mapping[str, object], slow: SlowClock | None) -> list[LogMessage]:
    """A warning for the log if a resumed run has other general text than before."""
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
