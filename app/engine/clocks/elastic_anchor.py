"""The lasting clock: an adapter's weights are pulled back to where earlier runs left them.

Each number as hard as those runs depend on it. The pull is decoupled from the gradient and taken
after AdamW's update: θ ← θ⁰ + (θ − θ⁰) / (1 + η·λ·s), which never overshoots θ⁰.
"""

from dataclasses import dataclass

import mlx.core as mx

from app.engine.runtime.named_arrays import ArrayMap, Arrays
from app.engine.tiers.optimizer import OptimizerState
from app.engine.tiers.plan import TierPlan

_BETA_2 = 0.999


@dataclass(frozen=True)
class Anchor:
    """Where earlier runs left the adapter, and how stiffly each number is tied to it."""

    center: list[mx.array]
    """θ⁰, per tier: a float32 vector in the order of `TierPlan.flatten`."""
    stiffness: list[mx.array]
    """s ≥ 0, likewise; its mean is 1 for each earlier run."""
    strength: float
    """λ: the setting `lasting_pull`."""

    def pulled(self, tier: int, values: mx.array, rate: mx.array) -> mx.array:
        """`values` of a tier, after its update at learning rate `rate`, once they are pulled."""
        center = self.center[tier]
        firmness = rate * self.strength * self.stiffness[tier]
        return center + (values - center) / (1 + firmness)


def anchor_of(
    plan: TierPlan,
    start: ArrayMap,
    stiffness: ArrayMap | None,
    strength: float,
) -> Anchor | None:
    """The anchor of a run whose adapter starts as `start`; None where nothing pulls.

    `stiffness`, by path like `start`, is that of the adapter that the run starts from.
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
    """How stiffly the next run is to be tied to `parameters`: memory·s + v / mean(v), by path,
    bfloat16.

    v is AdamW's own second moment, without its bias: the mean of the squared gradients, and so an
    estimate of the Fisher information (Kirkpatrick et al., 2017, "Overcoming catastrophic
    forgetting in neural networks"). `before` is the stiffness that this run began with.
    """
    moments = {
        tier: v / mx.maximum(1 - _BETA_2 ** state.fired_counts[tier].astype(mx.float32), 1e-30)
        for tier, v in enumerate(state.v)
    }
    total = sum(mx.sum(v) for v in moments.values())
    mean = total / sum(v.size for v in moments.values())
    # A run that has learned nothing ties nothing.
    shares = {t: mx.where(mean > 0, v / mx.maximum(mean, 1e-37), 0.0) for t, v in moments.items()}
    wide = {path: mx.zeros(array.shape) for path, array in parameters.items()}
    found = plan.unflatten(shares, wide)
    if before:
        found = {
            path: array + memory * before[path].astype(mx.float32) for path, array in found.items()
        }
    narrow = {path: array.astype(mx.bfloat16) for path, array in found.items()}
    mx.eval(narrow)
    return narrow
