"""Audits the figures that a step reports against a second, independent measurement."""

import math
from collections.abc import Sequence

from app.engine.audit.verification import Movement, StepMeasurement, fault

TOLERANCE = 0.02
_SMALLEST = 1e-18
"""float32 rounds the sum of squares of a smaller norm to 0."""


class ReportAudit:
    """Follows a run's reports step by step."""

    def __init__(self, drifts: Sequence[float], *, is_all_in_layers: bool) -> None:
        """`drifts` are the tiers' distances from the run's start where it starts or resumes;
        `is_all_in_layers` says whether every adapted parameter belongs to a layer."""
        self._drifts = tuple(drifts)
        self._is_all_in_layers = is_all_in_layers

    def check(
        self, step: int, reported: StepMeasurement, norm: float, deltas: Sequence[float]
    ) -> None:
        """Raise VerificationError unless a step's report agrees with the audit's own measurements:
        the gradient's `norm` and the tiers' `deltas`."""
        moved = reported.movement
        _check_equal(step, "a gradient norm", reported.gradient_norm, norm)
        for k, (shown, measured) in enumerate(zip(moved.deltas, deltas, strict=True)):
            _check_equal(step, f"a change of tier {k}", shown, measured)
        self._check_layers(step, moved, math.hypot(*deltas))
        for k, (before, delta, now) in enumerate(
            zip(self._drifts, deltas, moved.drifts, strict=True)
        ):
            tolerance = TOLERANCE * (before + delta) + _SMALLEST
            if not abs(before - delta) - tolerance <= now <= before + delta + tolerance:
                raise fault(
                    step,
                    f"tier {k} is reported {now:.4g} from its start, but it was {before:.4g} away "
                    f"and moved by {delta:.4g}",
                )
        self._drifts = moved.drifts

    def check_drifts(self, step: int, measured: Sequence[float]) -> None:
        """Raise VerificationError unless the last report agrees with the `measured` distances."""
        for k, (shown, drift) in enumerate(zip(self._drifts, measured, strict=True)):
            _check_equal(step, f"a distance of tier {k} from its start", shown, drift)

    def _check_layers(self, step: int, moved: Movement, whole: float) -> None:
        """If only layers are adapted, the norm of all layers' changes equals that of all tiers."""
        layers = math.hypot(*moved.layer_deltas)
        if self._is_all_in_layers or layers > whole:
            _check_equal(step, "a change of all layers", layers, whole)


def _check_equal(step: int, name: str, shown: float, measured: float) -> None:
    is_close = math.isclose(shown, measured, rel_tol=TOLERANCE, abs_tol=_SMALLEST)
    if math.isfinite(measured) and not is_close:
        raise fault(step, f"{name} of {shown:.4g} is reported, but {measured:.4g} was measured")
