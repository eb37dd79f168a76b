"""The update that a run's configuration asks for, as plain numbers and float64 arithmetic.

Shares no code with the tier plan, the learning rate schedules and the optimizer, so a fault in one
of them shows as a difference from the update computed here.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.core.config.training_config import TrainingConfig

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8
Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class UpdateRules:
    """When each tier is due, and the learning rate, weight decay and clipping of its update."""

    periods: tuple[int, ...]
    factors: tuple[float, ...]
    """Each tier's learning-rate factor."""
    skips: tuple[bool, ...]
    """Whether a tier drops the gradients of steps at which it is not due."""
    weight_decay: float
    max_grad_norm: float
    pull: float = 0.0
    """The lasting clock's strength; 0 without an anchor."""
    slow_every: int = 0
    """Steps from one lesson of the slow clock to the next; 0 without lessons."""
    slow_weight: float = 0.0
    slow_rate: float = 0.0
    """Learning rate of the slow clock's own AdamW, as a factor on the task's; 0 without one."""
    rate: Callable[[int], float] | None = None
    """The learning rate of a step (1-based), before the tiers' factors; None if the caller sets
    it."""
    rate_tolerance: float = 0.0

    @classmethod
    def from_config(cls, config: TrainingConfig, *, has_anchor: bool = False) -> "UpdateRules":
        return cls(
            periods=tuple(tier.period for tier in config.tiers),
            factors=tuple(tier.learning_rate_factor for tier in config.tiers),
            skips=tuple((tier.pending or config.pending) == "skip" for tier in config.tiers),
            weight_decay=config.weight_decay,
            max_grad_norm=config.max_grad_norm,
            pull=config.lasting_pull if has_anchor else 0.0,
            slow_every=config.slow_every,
            slow_weight=config.slow_weight,
            slow_rate=config.slow_adamw_rate,
            rate=lambda step: _scheduled_rate(config, step),
            rate_tolerance=1e-6 * config.learning_rate,
        )

    def due(self, step: int) -> tuple[int, ...]:
        """The tiers whose period divides `step`."""
        return tuple(k for k, period in enumerate(self.periods) if not step % period)

    def with_gradients(self, step: int) -> tuple[int, ...]:
        """The tiers that take a gradient at `step`: the due ones and those that accumulate."""
        return tuple(
            k for k, skip in enumerate(self.skips) if not (skip and step % self.periods[k])
        )

    def has_lesson(self, step: int) -> bool:
        """Whether `step` has a lesson. A lesson that gives no tier a gradient is skipped."""
        is_due = bool(self.slow_every) and not step % self.slow_every
        return is_due and bool(self.lesson_tiers(step))

    def lesson_tiers(self, step: int) -> tuple[int, ...]:
        """The tiers that a lesson at `step` gives a gradient."""
        return self.due(step) if self.slow_rate else self.with_gradients(step)

    def clipping(self, norm: float) -> float:
        """The clipping factor for gradients whose L2 norm over all tiers is `norm`."""
        return min(1.0, self.max_grad_norm / (norm + 1e-6)) if self.max_grad_norm else 1.0


@dataclass
class AdamWState:
    """One tier's optimizer state for some of its numbers, in float64."""

    m: Array
    v: Array
    pending: Array
    """Mean of the gradients not yet applied."""
    fired: int = 0
    pending_count: int = 0

    @classmethod
    def zeros(cls, size: int) -> "AdamWState":
        return cls(np.zeros(size), np.zeros(size), np.zeros(size))

    def accumulate(self, gradient: Array) -> None:
        self.pending_count += 1
        self.pending = self.pending + (gradient - self.pending) / self.pending_count

    def fire(self, values: Array, rate: float, weight_decay: float) -> Array:
        """`values` after an AdamW step with bias correction (Loshchilov and Hutter, 2019)."""
        self.fired += 1
        self.m = BETA_1 * self.m + (1 - BETA_1) * self.pending
        self.v = BETA_2 * self.v + (1 - BETA_2) * self.pending**2
        self.pending, self.pending_count = np.zeros_like(self.pending), 0
        mean = self.m / (1 - BETA_1**self.fired)
        deviation = np.sqrt(self.v / (1 - BETA_2**self.fired))
        return values - rate * weight_decay * values - rate * mean / (deviation + EPSILON)

    def learn(self, values: Array, gradient: Array, rate: float) -> Array:
        """`values` after an Adam step on this gradient, without weight decay."""
        self.accumulate(gradient)
        return self.fire(values, rate, 0.0)


@dataclass(frozen=True)
class SampledAnchor:
    """The anchor of a tier's sampled numbers: center and stiffness, in float64."""

    center: Array
    stiffness: Array

    def pull(self, values: Array, firmness: float) -> Array:
        """How far each of `values` is pulled; `firmness` is the pull at stiffness 1."""
        share: Array = firmness * self.stiffness / (1 + firmness * self.stiffness)
        return share * (self.center - values)


def largest_update(fired: int) -> float:
    """The most that AdamW's `fired`-th update can move a number, relative to the learning rate.

    By the Cauchy-Schwarz inequality, with r = β1²/β2: |m| = (1 − β1) |Σ β1ⁱ gᵢ| is at most
    (1 − β1) √(Σ β2ⁱ gᵢ²) √(Σ rⁱ) = (1 − β1) √(v / (1 − β2)) √((1 − rᵗ) / (1 − r)). Both bias
    corrections follow. The bound is 1 at the first update and 7.3 in the long run.
    """
    ratio = BETA_1**2 / BETA_2
    most = (1 - BETA_1) * math.sqrt((1 - ratio**fired) / (1 - ratio) / (1 - BETA_2))
    return most * math.sqrt(1 - BETA_2**fired) / (1 - BETA_1**fired)


def _scheduled_rate(config: TrainingConfig, step: int) -> float:
    peak, warmup = config.learning_rate, config.warmup_steps
    if step <= warmup:
        return peak * step / warmup
    share = min(1.0, (step - 1 - warmup) / max(1, config.steps - warmup))
    falls_to = {"constant": 1.0, "linear": 1 - share, "cosine": math.cos(math.pi / 2 * share) ** 2}
    return peak * falls_to[config.lr_schedule]
