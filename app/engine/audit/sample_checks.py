"""Compares a step's update of one tier with the expected one.

Each check raises VerificationError that describes the difference.
"""

import math

import numpy as np

from app.core.errors import VerificationError
from app.engine.audit.update_samples import SampledTier
from app.engine.audit.verification import Movement, fault
from app.engine.tiers.update_rules import Array

TOLERANCE = 0.01
"""Relative to the learning rate. Devices round functions differently, and the reference is
float64."""
ROUNDING = 1e-5
"""Relative to the learning rate: the part of that error which can point along the weight decay in
every sample."""


def check_finite(movement: Movement, step: int) -> None:
    for tier, sizes in enumerate(zip(movement.deltas, movement.drifts, strict=True)):
        if not all(map(math.isfinite, sizes)):
            raise VerificationError(
                f"At step {step}, a weight of tier {tier} became infinite or not a number.",
                "Lower the learning rate.",
            )


def check_samples(step: int, tier: SampledTier, found: Array, expected: Array, rate: float) -> None:
    error = np.abs(found - expected)
    allowed = TOLERANCE * rate + 2 * tier.precision * np.abs(expected)
    worst = int(np.argmax(error - allowed))
    if error[worst] <= allowed[worst]:
        return
    moved, expected_change = (float(x[worst] - tier.values[worst]) for x in (found, expected))
    name = tier.name_at(int(tier.positions[worst]))
    raise fault(step, f"{name} moved by {moved:.3g}, where AdamW's update is {expected_change:.3g}")


def check_part(
    step: int, name: str, tier: SampledTier, error: Array, rate: float, part: Array
) -> None:
    """Raise VerificationError if `part` of the update, such as its weight decay, is missing or off
    by more than half.

    In a single number, the part is smaller than the tolerance. It shows in the projection of all
    samples' errors onto it. If rounding alone could cause such a projection, nothing is checked:
    that is the usual case for weight decay in bfloat16.
    """
    size = float(part @ part)
    rounding = tier.precision * np.abs(tier.values) * np.abs(part)
    noise = ROUNDING * rate * float(np.abs(part).sum()) + 3 * float(np.linalg.norm(rounding))
    if noise >= size / 4:
        return
    share = 1 + float(error @ part) / size
    if not 0.5 <= share <= 1.5:
        raise fault(step, f"{name} was {share:.2g} of that in the settings")


def check_bound(step: int, tier: int, excess: float, most: float) -> None:
    if excess > most * (1 + TOLERANCE):
        raise fault(
            step, f"tier {tier} moved by {excess:.3g}, where AdamW moves it by {most:.3g} at most"
        )


def check_pending(step: int, tier: int, counted: int, reported: int) -> None:
    if counted != reported:
        raise fault(step, f"tier {tier} reports {reported} pending gradients, but has {counted}")


def not_written(
    step: int, tier: SampledTier, expected_change: np.ndarray, found: np.ndarray
) -> VerificationError:
    differing = np.flatnonzero(expected_change != found)
    name = tier.name_at(int(differing[0]))
    count = f"{len(differing):,} of the tier's {len(found):,} numbers differ"
    return fault(step, f"the model does not hold the update of {name} ({count})")
