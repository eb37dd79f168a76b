"""Arrays by name: their types, the file that holds them, and one number of them."""

from collections.abc import Mapping
from pathlib import Path

import mlx.core as mx

Arrays = dict[str, mx.array]
"""Dotted path of a parameter → its array."""
ArrayMap = Mapping[str, mx.array]
"""Arrays, only read."""


def load_arrays(path: Path) -> Arrays:
    """The arrays of a safetensors file, not yet read. Raises what MLX raises."""
    found = mx.load(str(path))
    if not isinstance(found, dict):
        raise ValueError(f"{path} holds no arrays by name.")
    return found


def number(scalar: mx.array) -> float:
    """The value of a scalar array, which is computed for it."""
    return float(scalar.item())  # type: ignore[arg-type]


def is_true(scalar: mx.array) -> bool:
    """The value of a boolean scalar array, which is computed for it."""
    return bool(scalar.item())
