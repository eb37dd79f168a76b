"""The lasting clock: pulls an adapter's weights back toward their values after earlier runs.

The pull on each number grows with the earlier runs' dependence on it, its stiffness s. It is
decoupled from the gradient and follows AdamW's update: θ ← θ⁰ + (θ − θ⁰) / (1 + η·λ·s), which never
overshoots θ⁰.
"""

from dataclasses import dataclass

import mlx.core as mx

from app.engine.runtime.named_arrays import ArrayMap, Arrays
from app.engine.tiers.optimizer import OptimizerState
from app.engine.tiers.plan import TierPlan

_BETA_2 = 0.999


@dataclass(frozen=True)
class Anchor:
    """The adapter's weights after earlier runs, and the stiffness of each number."""

    center: list[mx.array]
    """θ⁰, per tier: a float32 vector in the order of `TierPlan.flatten`."""
    stiffness: list[mx.array]
    """s ≥ 0, likewise; each earlier run adds a mean of 1."""
    strength: float
    """λ: the setting `lasting_pull`."""

    def pulled(self, tier: int, values: mx.array, rate: mx.array) -> mx.array:
        """A tier's `values` after its update at learning rate `rate`, pulled toward the center."""
        center = self.center[tier]
        firmness = rate * self.strength * self.stiffness[tier]
        return center + (values - center) / (1 + firmness)


def anchor_of(
    plan: TierPlan,
    start: ArrayMap,
    stiffness: ArrayMap | None,
    strength: float,
) -> Anchor | None:
    """The anchor of a run whose adapter starts as `start`; None without stiffness or strength.

    `stiffness` belongs to the adapter that the run starts from; both are by path.
    """
    if not stiffness or not strength:
        return None
    tiers = range(len(plan.tiers))
    center = [plan.flatten(tier, start) for tier in tiers]
    stiff = [plan.flatten(tier, stiffness) for tier in tiers]
    mx.eval(center, stiff)
    return Anchor(center, stiff, strength)


def stiffness_after(
    plan: TierPlan,
    state: OptimizerState,
    parameters: ArrayMap,
    before: ArrayMap | None,
    memory: float = 1.0,
) -> Arrays:
    """The stiffness for a run that starts from `parameters`: memory·s + v / mean(v), by path,
    bfloat16.

    v is AdamW's bias-corrected second moment: the mean of the squared gradients, which estimates
    the Fisher information (Kirkpatrick et al., 2017, "Overcoming catastrophic forgetting in neural
    networks"). `before` is s, the stiffness that this run began with.
    """
    moments = {
        tier: v / mx.maximum(1 - _BETA_2 ** state.fired_counts[tier].astype(mx.float32), 1e-30)
        for tier, v in enumerate(state.v)
    }
    total = sum(mx.sum(v) for v in moments.values())
    mean = total / sum(v.size for v in moments.values())
    # A run without gradients adds no stiffness.
    shares = {t: mx.where(mean > 0, v / mx.maximum(mean, 1e-37), 0.0) for t, v in moments.items()}
    wide = {path: mx.zeros(array.shape) for path, array in parameters.items()}
    stiffness = plan.unflatten(shares, wide)
    if before:
        stiffness = {
            path: array + memory * before[path].astype(mx.float32)
            for path, array in stiffness.items()
        }
    narrow = {path: array.astype(mx.bfloat16) for path, array in stiffness.items()}
    mx.eval(narrow)
    return narrow
