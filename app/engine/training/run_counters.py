"""A run's counters from step to step: void steps, throughput, best validation; and its learning
rate schedule.
"""

import math
from collections import deque
from collections.abc import Iterator

from app.core.config.training_config import TrainingConfig
from app.core.errors import RunError
from app.core.events import LogMessage
from app.engine.training.checkpoints import Progress
from app.engine.training.early_stopping import BestValidation

MAX_IN_A_ROW = 3


_OF_THE_UPDATES = "Lower the learning rate or the scale, or choose another base model."


_OF_THE_BASE = (
    "No step gave one, and a new adapter changes nothing: the base model's weights or config.json "
    "may be damaged. Download the model again, or choose another."
)


class NonFiniteSteps:
    """Counts void steps, those with a non-finite loss or gradient: in a row and in all."""

    def __init__(self, in_a_row: int, in_all: int) -> None:
        self.in_a_row, self.in_all = in_a_row, in_all

    def take(self, step: int, is_void: bool) -> Iterator[LogMessage]:
        """Record `step`. Raises RunError after `MAX_IN_A_ROW` void steps in a row."""
        if not is_void:
            self.in_a_row = 0
            return
        self.in_a_row, self.in_all = self.in_a_row + 1, self.in_all + 1
        yield LogMessage(f"Step {step} is void: the loss or its gradient is not a finite number.")
        if self.in_a_row == MAX_IN_A_ROW:
            raise RunError(
                f"The loss or its gradient was not a finite number {self.in_a_row} times in a row, "
                f"last at step {step}.",
                _OF_THE_BASE if self.in_all == step else _OF_THE_UPDATES,
            )

    def summary(self) -> str:
        """A sentence for the run's final message, with a leading space; "" without void steps."""
        if not self.in_all:
            return ""
        many = f"{self.in_all} steps were" if self.in_all > 1 else "1 step was"
        return f" {many} void: nothing was learned there."


WINDOW_STEPS = 20


class Throughput:
    """Trained tokens per second over the last steps, without the time for validation and saving."""

    def __init__(self) -> None:
        self._recent: deque[tuple[int, float]] = deque(maxlen=WINDOW_STEPS)

    def add(self, tokens: int, seconds: float) -> None:
        self._recent.append((tokens, seconds))

    @property
    def tokens_per_second(self) -> float:
        seconds = sum(duration for _, duration in self._recent)
        return sum(tokens for tokens, _ in self._recent) / seconds if seconds else 0.0


def learning_rate(config: TrainingConfig, step: int) -> float:
    """The learning rate of optimizer step `step` (1-based), before the tiers' factors.

    It rises linearly over `warmup_steps` and then follows the schedule, which would reach 0 one
    step after the last. No step has a rate of 0, so a due tier always moves.
    """
    if step <= config.warmup_steps:
        return config.learning_rate * step / config.warmup_steps
    remaining = max(1, config.steps - config.warmup_steps)
    progress = min(1.0, (step - 1 - config.warmup_steps) / remaining)
    match config.lr_schedule:
        case "constant":
            return config.learning_rate
        case "linear":
            return config.learning_rate * (1.0 - progress)
        case "cosine":
            return config.learning_rate * 0.5 * (1.0 + math.cos(math.pi * progress))


class RunCounters:
    """The counters that a checkpoint saves beside the weights and the optimizer state."""

    def __init__(self, done: Progress) -> None:
        """`done` comes from the checkpoint that the run resumes from; all zeros for a new run."""
        self.step, self.trained_tokens = done.step, done.trained_tokens
        self.interpolated = done.interpolated
        self.non_finite = NonFiniteSteps(done.void_steps, done.void_steps_in_all)
        self.best = BestValidation(
            done.best_val_loss, done.best_step, done.evals_since_best, done.best_forgetting
        )

    def progress(
        self,
        random_state: tuple[int, int],
        plan_digest: str,
        is_validation_due: bool,
        base_kl: float | None,
    ) -> Progress:
        return Progress(
            step=self.step,
            trained_tokens=self.trained_tokens,
            void_steps=self.non_finite.in_a_row,
            void_steps_in_all=self.non_finite.in_all,
            best_val_loss=self.best.loss,
            best_step=self.best.step,
            evals_since_best=self.best.evals_since,
            random_state=random_state,
            plan_digest=plan_digest,
            is_validation_due=is_validation_due,
            best_forgetting=self.best.forgetting,
            interpolated=self.interpolated,
            base_kl=base_kl,
        )
