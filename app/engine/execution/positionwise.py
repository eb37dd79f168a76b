"""The last layer's feed-forward part, computed where a token is trained and nowhere else.

Above the last layer's attention a position's numbers go into that position's logits alone: where
nothing is trained they are computed for nothing. In a chat that is most of them. Such modules
("position-wise", Vaswani et al. 2017, 3.3) are found by `app.engine.execution.positionwise_probe`.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from math import prod
from typing import Any

from app.engine.runtime.custom_gradients import custom_function
from app.engine.runtime.mlx_gateway import import_mlx

MOST_SHARE = 0.8
"""With more of the positions trained, picking them costs about what it saves."""


@dataclass(frozen=True)
class Positions:
    """Some of a batch's positions, as `losses.loss_inputs` gives them."""

    picked: Any
    """[n] indexes into the flat batch; those that fill up repeat another."""
    is_real: Any
    """[n] 1.0, or 0.0 for those that fill up."""
    places: Any
    """[rows · length]: where each stands in `picked`, or n where it is not among them."""

    def of(self, flat: Any) -> Any:
        """[n, width] of [rows · length, width]; back, each looks up its own gradient."""

        @custom_function
        def pick(flat: Any) -> Any:
            return flat[self.picked]

        @pick.vjp  # type: ignore[untyped-decorator]
        def _(_: Any, cotangent: Any, __: Any) -> Any:
            return spread(cotangent, self.places)

        return pick(flat)

    def back(self, rows: Any) -> Any:
        """[rows · length, width] of [n, width]; 0 where nothing was picked."""

        @custom_function
        def put_back(rows: Any) -> Any:
            return spread(rows, self.places)

        @put_back.vjp  # type: ignore[untyped-decorator]
        def _(_: Any, cotangent: Any, __: Any) -> Any:
            return cotangent[self.picked] * self.is_real[:, None].astype(cotangent.dtype)

        return put_back(rows)


def spread(rows: Any, places: Any) -> Any:
    """[positions, width]: row `places[i]` at position i, or 0 where that is the number of rows.

    Gathered, not scattered: each position looks up its own.
    """
    mx = import_mlx()
    return mx.concatenate([rows, mx.zeros_like(rows[:1])])[places]


@contextmanager
def computed_only_at(positions: Positions, modules: Sequence[Any]) -> Iterator[None]:
    """Inside, `modules` compute those positions of the batch; for others they give 0.

    Parameters keep their paths: only the modules' class is another for as long.
    """
    kinds: list[Any] = [type(module) for module in modules]
    for module, kind in zip(modules, kinds, strict=True):
        module.__class__, module.positions = _picking(kind), positions
    try:
        yield
    finally:
        for module, kind in zip(modules, kinds, strict=True):
            del module.positions
            module.__class__ = kind


@cache
def _picking(kind: Any) -> Any:
    """A subclass of a module's own class; one for each, as a class goes by the collector alone."""

    class Picking(kind):  # type: ignore[misc]
        def __call__(self, x: Any, *args: Any, **kwargs: Any) -> Any:
            rows, width = prod(x.shape[:-1]), x.shape[-1]
            if rows != self.positions.places.size:
                return super().__call__(x, *args, **kwargs)
            some = self.positions.of(x.reshape(rows, width))[None]
            some = super().__call__(some, *args, **kwargs).squeeze(0)
            return self.positions.back(some).reshape(*x.shape[:-1], some.shape[-1])

    return Picking
