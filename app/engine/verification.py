"""Whether the weights did what the tier plan says: measured from the model, not from a counter."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.core.errors import VerificationError
from app.engine.lora import layer_index
from app.engine.mlx_gateway import compiled, import_mlx
from app.engine.tiers import TierPlan, adapted_layers


@dataclass(frozen=True)
class Movement:
    """How far the weights moved in one step, per tier and per layer, as L2 norms."""

    deltas: tuple[float, ...]
    drifts: tuple[float, ...]
    layer_deltas: tuple[float, ...]
    fired: tuple[int, ...]
    """Tiers of which at least one number changed."""


class MovementMeter:
    """Compares what the model held before a step with what it holds after it, on the device."""

    def __init__(self, plan: TierPlan, start: Mapping[str, Any]) -> None:
        self._plan = plan
        self._start = plan.cut(start)
        self._layers = adapted_layers(start)
        self._measure = compiled(_squared_norms)

    def measure(self, before: Mapping[str, Any], after: Mapping[str, Any]) -> Any:
        """A lazy float32 array [3, slots]: squared delta, squared drift, 1.0 if changed."""
        parts = (self._plan.cut(before), self._plan.cut(after), self._start)
        return self._measure(*(list(part.values()) for part in parts))

    def movement(self, measured: Sequence[Sequence[float]]) -> Movement:
        """The movement per tier and layer, from `measure`'s array as lists."""
        deltas, drifts, changed = measured
        slots = self._plan.slots
        tiers = range(len(self._plan.tiers))

        def norm(squares: Sequence[float], belongs: Sequence[bool]) -> float:
            return math.sqrt(sum(s for s, yes in zip(squares, belongs, strict=True) if yes))

        of_tier = [[slot.tier == tier for slot in slots] for tier in tiers]
        of_layer = [[layer_index(slot.path) == layer for slot in slots] for layer in self._layers]
        return Movement(
            deltas=tuple(norm(deltas, of_tier[tier]) for tier in tiers),
            drifts=tuple(norm(drifts, of_tier[tier]) for tier in tiers),
            layer_deltas=tuple(norm(deltas, rows) for rows in of_layer),
            fired=tuple(
                k for k in tiers if any(c for c, o in zip(changed, of_tier[k], strict=True) if o)
            ),
        )


def verify(movement: Movement, due: Sequence[int], had_gradient: Sequence[bool], step: int) -> None:
    """Raise VerificationError if a tier that was not due moved, or a due one did not.

    `had_gradient[k]` says whether tier k had a non-zero gradient to apply.
    """
    for tier, has_gradient in enumerate(had_gradient):
        if tier in movement.fired and tier not in due:
            raise VerificationError(
                f"At step {step}, tier {tier} moved although it was not due: "
                f"its weights changed by {movement.deltas[tier]:.3g}."
            )
        if tier in due and has_gradient and tier not in movement.fired:
            raise VerificationError(
                f"At step {step}, tier {tier} was due but its weights did not move.",
                "The learning rate may be too small for the weights' precision.",
            )


def _squared_norms(before: list[Any], after: list[Any], start: list[Any]) -> Any:
    mx = import_mlx()

    def squares(a: list[Any], b: list[Any]) -> Any:
        return mx.stack(
            [mx.sum(mx.square((x - y).astype(mx.float32))) for x, y in zip(a, b, strict=True)]
        )

    changed = mx.stack([mx.any(x != y) for x, y in zip(before, after, strict=True)])
    return mx.stack([squares(after, before), squares(after, start), changed.astype(mx.float32)])
