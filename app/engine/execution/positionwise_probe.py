"""What of a model's last layer is position-wise, found without knowing the architecture.

Given some positions only, such a module must give those what it gave them among all; and what it
gives must be read nowhere but above.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from app.engine.execution.positionwise import Positions, computed_only_at
from app.engine.model.module_paths import layers_of, module_at
from app.engine.runtime.mlx_gateway import import_mlx

_MOST_ERROR = 0.1
"""Of fewer rows' other rounding, to what the module does at all: in bfloat16 some 0.01."""
_MOST_MIXED = 1e-3
"""Of what other positions change, with as many rows, to the same: 0 of a position-wise module."""


def positionwise_paths(model: Any, hidden_of: Callable[[Any], Any], tokens: Any) -> tuple[str, ...]:
    """Dotted paths of the last layer's children for which `computed_only_at` changes nothing.

    `hidden_of` tokens, [rows, length], are the hidden states that logits are made of.
    """
    path = layers_of(model)
    if path is None:
        return ()
    probe = _Probe(hidden_of, tokens)
    last = f"{path}.{len(module_at(model, path)) - 1}"
    paths = [f"{last}.{name}" for name in _children(module_at(model, last))]
    return tuple(path for path in paths if probe.finds_positionwise(module_at(model, path)))


class _Probe:
    """Every second token's hidden states, with a module computed at some positions or at all."""

    def __init__(self, hidden_of: Callable[[Any], Any], tokens: Any) -> None:
        self._hidden_of, self._tokens = hidden_of, tokens
        self._odd, self._even = (_every_second(tokens.size, first) for first in (1, 0))

    def finds_positionwise(self, child: Any) -> bool:
        every, only_odd = _Watched(self._odd, hides=False), _Watched(self._odd, hides=True)
        try:
            whole, alone, picked, silent = (
                self._odd_hidden(child, positions)
                for positions in (every, only_odd, self._odd, self._even)
            )
        except Exception:  # an architecture's own code, called as it was not written to be
            return False
        # Called again, as where a model passes its layers twice, others would read what it gives.
        if every.calls != 1:
            return False
        effect = _distance(silent, whole)
        # One that does nothing yet, its weights being 0, can't be judged. False, too, for NaN.
        return (
            effect > 0
            and _distance(alone, whole) <= _MOST_MIXED * effect
            and _distance(picked, whole) <= _MOST_ERROR * effect
        )

    def _odd_hidden(self, child: Any, positions: Any) -> Any:
        with computed_only_at(positions, [child]):
            hidden = self._hidden_of(self._tokens)
        return hidden.reshape(self._tokens.size, -1)[self._odd.picked]


class _Watched:
    """In the place of `Positions`: all of them, of which those not picked may be hidden as 0.

    So products have the same shape, and round the same, whatever stands elsewhere.
    """

    def __init__(self, positions: Positions, hides: bool) -> None:
        self.places = positions.places
        self._is_seen = (positions.places < positions.picked.size)[:, None] | (not hides)
        self.calls = 0

    def of(self, flat: Any) -> Any:
        self.calls += 1
        return self.back(flat)

    def back(self, rows: Any) -> Any:
        return import_mlx().where(self._is_seen, rows, 0)


def _distance(some: Any, others: Any) -> float:
    mx = import_mlx()
    wide = some.astype(mx.float32) - others.astype(mx.float32)
    return float(mx.linalg.norm(wide).item())


def _children(layer: Any) -> list[str]:
    """Those with matrices: others, norms, cost too little to pick anything for."""
    from mlx.utils import tree_flatten

    return [
        name
        for name, child in layer.children().items()
        if hasattr(child, "parameters")
        and any(array.ndim > 1 for _, array in tree_flatten(child.parameters()))
    ]


def _every_second(count: int, first: int) -> Positions:
    mx = import_mlx()
    picked = np.arange(first, count, 2, dtype=np.int32)
    places = np.full(count, len(picked), np.int32)
    places[picked] = np.arange(len(picked))
    return Positions(mx.array(picked), mx.ones(len(picked)), mx.array(places))
