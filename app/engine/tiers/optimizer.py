"""TieredAdamW: AdamW in which every tier accumulates its gradients and fires at its own period.

After the Continuum Memory System in Behrouz et al., "Nested Learning" (NeurIPS 2025): every C(l)
steps, level l applies the gradients accumulated since its last update. With all periods 1 it equals
MLX's `AdamW(bias_correction=True)` bit for bit.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields

import mlx.core as mx

from app.core.config.training_config import TierConfig
from app.engine.runtime.mlx_runtime import uses_compile
from app.engine.runtime.named_arrays import ArrayMap, Arrays
from app.engine.tiers.plan import TierPlan
from app.engine.tiers.update_rules import UpdateRules

Gradients = dict[int, mx.array]
"""Tier → the gradient of all its numbers, a float32 vector in the order of `TierPlan.flatten`."""

Pull = Callable[[int, mx.array, mx.array], mx.array]
"""(tier, its numbers after AdamW, its learning rate) → the numbers pulled back to an anchor."""


@dataclass(frozen=True)
class OptimizerState:
    """TieredAdamW's state between steps, as arrays on the device, by tier."""

    m: list[mx.array]
    """Per tier: the first moment, a float32 vector in the order of `TierPlan.flatten`."""
    v: list[mx.array]
    """Second moment, likewise."""
    pending: list[mx.array]
    """Running mean of the gradients a tier has not applied yet, likewise."""
    fired_counts: list[mx.array]
    """Per tier: how often it fired, a scalar array."""
    pending_counts: list[mx.array]
    """Per tier: how many gradients its running mean holds, a scalar array."""
    slow_m: list[mx.array] = field(default_factory=list)
    """First moment of the slow clock's own AdamW; empty if lessons share the task's."""
    slow_v: list[mx.array] = field(default_factory=list)
    slow_counts: list[mx.array] = field(default_factory=list)
    """Per tier: how many lessons moved it."""

    def tree(self) -> list[list[mx.array]]:
        """All arrays in a fixed nesting, [fields][tiers], for `mx.compile` and `mx.eval`."""
        return [getattr(self, kind.name) for kind in fields(self)]

    def named(self) -> Arrays:
        """The arrays by kind and tier, as a checkpoint names them."""
        return {
            f"{kind.name}/{tier}": array
            for kind in fields(self)
            for tier, array in enumerate(getattr(self, kind.name))
        }

    def copy(self) -> "OptimizerState":
        """A copy with new lists; the arrays are shared."""
        return OptimizerState(*map(list, self.tree()))


@dataclass(frozen=True)
class OptimizerStep:
    """The result of one step."""

    updated: Arrays
    """Path → the whole parameter, for each parameter with a slot in a tier that was due."""
    vectors: dict[int, mx.array]
    """Tier that was due → its numbers after the step: `updated` as float32 vectors."""
    state: OptimizerState
    norm: mx.array
    """The gradient's L2 norm over all tiers, before clipping."""
    is_finite: mx.array
    """False if the step is void."""
    pulls: dict[int, mx.array]
    """Tier that was due → the L2 norm of the anchor's pull; empty without an anchor."""


@dataclass(frozen=True)
class TieredAdamW:
    """A pure function from gradients, parameters and state to new parameters and state."""

    plan: TierPlan
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.01
    max_grad_norm: float = 1.0
    """Clip the gradient's L2 norm over all tiers, before the accumulators; 0 turns it off."""
    skip_pending: bool = False
    """Drop the gradients of tiers that are not due, instead of accumulating them.

    A tier's own `pending` setting takes precedence. `step` doesn't need gradients that it would
    drop; those left out don't count in the norm.
    """
    slow_rate: float = 0.0
    """Learning rate of the slow clock's own AdamW, as a factor on the task's; 0 without one."""

    def init(self, parameters: ArrayMap) -> OptimizerState:
        """The state before the first step: zeros, one for each number of `parameters`."""
        tiers = range(len(self.plan.tiers))
        sizes = [self.plan.flatten(tier, parameters).size for tier in tiers]
        slow = sizes if self.slow_rate else []
        return OptimizerState(
            m=[mx.zeros(size) for size in sizes],
            v=[mx.zeros(size) for size in sizes],
            pending=[mx.zeros(size) for size in sizes],
            fired_counts=[mx.array(0, mx.uint32) for _ in tiers],
            pending_counts=[mx.array(0, mx.uint32) for _ in tiers],
            slow_m=[mx.zeros(size) for size in slow],
            slow_v=[mx.zeros(size) for size in slow],
            slow_counts=[mx.array(0, mx.uint32) for _ in slow],
        )

    def step(
        self,
        gradients: Gradients,
        parameters: ArrayMap,
        tier_vectors: Sequence[mx.array],
        state: OptimizerState,
        due: Sequence[int],
        learning_rate: mx.array,
        loss: mx.array,
        tokens: mx.array | float = 1.0,
        pull: Pull | None = None,
        lesson: Gradients | None = None,
    ) -> OptimizerStep:
        """One optimizer step on `parameters`; `tier_vectors` holds the same numbers, by tier.

        `gradients` has a vector for each of `tiers_needing_gradients`, summed over `tokens`.
        `learning_rate` (before tier factors) and `loss` are scalar arrays. After the task's update,
        `lesson`, the mean gradients of the tiers that are due, updates them by a separate AdamW;
        `pull` comes last. If the loss or a gradient is not finite, the step is void: every array
        is returned unchanged.
        """
        means = {tier: gradient / tokens for tier, gradient in gradients.items()}
        norm = self._norm(means, parameters)
        is_finite = mx.isfinite(norm) & mx.isfinite(loss)
        if lesson:
            lesson_norm = self._norm(lesson, parameters)
            is_finite = is_finite & mx.isfinite(lesson_norm)
            lesson = {tier: self._clipped(mean, lesson_norm) for tier, mean in lesson.items()}

        def unless_void(new: mx.array | float, old: mx.array | float) -> mx.array:
            return mx.where(is_finite, new, old)

        after, vectors, pulls = state.copy(), dict[int, mx.array](), dict[int, mx.array]()
        for tier in self.tiers_needing_gradients(due):
            is_due = tier in due
            count, pending = state.pending_counts[tier], state.pending[tier]
            mean = pending + (self._clipped(means[tier], norm) - pending) / (count + 1)
            left, left_count = (mx.zeros_like(mean), 0) if is_due else (mean, count + 1)
            after.pending[tier] = unless_void(left, pending)
            after.pending_counts[tier] = unless_void(left_count, count).astype(count.dtype)
            if not is_due:
                continue
            fired = state.fired_counts[tier] + 1
            after.fired_counts[tier] = unless_void(fired, state.fired_counts[tier])
            rate = learning_rate * self.plan.tiers[tier].learning_rate_factor
            old, m, v = tier_vectors[tier], state.m[tier], state.v[tier]
            new, new_m, new_v = self._adamw(old, mean, m, v, fired, rate)
            if lesson:
                m, v, count = state.slow_m[tier], state.slow_v[tier], state.slow_counts[tier] + 1
                slow_rate = rate * self.slow_rate
                new, slow_m, slow_v = self._adam(new, lesson[tier], m, v, count, slow_rate)
                after.slow_m[tier] = unless_void(slow_m, m)
                after.slow_v[tier] = unless_void(slow_v, v)
                after.slow_counts[tier] = unless_void(count, state.slow_counts[tier])
            if pull is not None:
                before, new = new, pull(tier, new, rate)
                pulls[tier] = unless_void(mx.linalg.norm(new - before), 0.0)
            vectors[tier] = unless_void(new, old)
            after.m[tier] = unless_void(new_m, state.m[tier])
            after.v[tier] = unless_void(new_v, state.v[tier])
        updated = self.plan.unflatten(vectors, parameters)
        return OptimizerStep(updated, vectors, after, norm, is_finite, pulls)

    def rules(self) -> UpdateRules:
        """The update that these settings ask for, for an audit without a configuration."""
        tiers = self.plan.tiers
        return UpdateRules(
            periods=tuple(tier.period for tier in tiers),
            factors=tuple(tier.learning_rate_factor for tier in tiers),
            skips=tuple(map(self._skips, tiers)),
            weight_decay=self.weight_decay,
            max_grad_norm=self.max_grad_norm,
            slow_rate=self.slow_rate,
        )

    def tiers_needing_gradients(self, due: Sequence[int]) -> tuple[int, ...]:
        """The tiers whose gradients a step needs: all but those that would drop them."""
        return tuple(
            tier
            for tier, settings in enumerate(self.plan.tiers)
            if tier in due or not self._skips(settings)
        )

    def _skips(self, tier: TierConfig) -> bool:
        return self.skip_pending if tier.pending is None else tier.pending == "skip"

    def _norm(self, means: Mapping[int, mx.array], parameters: ArrayMap) -> mx.array:
        """The L2 norm over all tiers in `means`."""
        parts = list(means.values())
        if not uses_compile():
            # Sums parameter by parameter, as `mlx.optimizers.clip_grad_norm` does, so that equal
            # means bit-equal. On a GPU this would cost two kernels per parameter.
            nothing = {path: mx.zeros_like(array) for path, array in parameters.items()}
            whole = self.plan.unflatten(means, nothing)
            parts = [whole[path] for path in self.plan.slices_by_path if path in whole]
        return mx.sqrt(sum((mx.sum(mx.square(part)) for part in parts), start=mx.array(0.0)))

    def _clipped(self, mean: mx.array, norm: mx.array) -> mx.array:
        if self.max_grad_norm == 0:
            return mean
        return mean * mx.minimum(self.max_grad_norm / (norm + 1e-6), 1.0)

    def _adamw(
        self,
        parameter: mx.array,
        gradient: mx.array,
        m: mx.array,
        v: mx.array,
        fired: mx.array,
        rate: mx.array,
    ) -> tuple[mx.array, mx.array, mx.array]:
        """`_adam` with decoupled weight decay."""
        decayed = parameter * (1 - rate * self.weight_decay)
        return self._adam(decayed, gradient, m, v, fired, rate)

    def _adam(
        self,
        parameter: mx.array,
        gradient: mx.array,
        m: mx.array,
        v: mx.array,
        fired: mx.array,
        rate: mx.array,
    ) -> tuple[mx.array, mx.array, mx.array]:
        """The parameter, m and v after Adam, with bias correction by the count of firings.

        The order of operations is that of `mlx.optimizers.AdamW`, so results are bit-equal.
        """
        b1, b2 = self.betas
        m = b1 * m + (1 - b1) * gradient
        v = b2 * v + (1 - b2) * mx.square(gradient)
        numerator = (rate / (1 - b1**fired)) * m
        denominator = mx.sqrt(v) * mx.rsqrt(1 - b2**fired) + self.eps
        return parameter - numerator / denominator, m, v
