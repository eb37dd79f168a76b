"""Types for arrays by name and for untyped values of MLX, mlx-lm and JSON; reads a safetensors
file, and a scalar array's value.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import mlx.core as mx

JsonObject = Mapping[str, Any]
"""A parsed manifest, config.json or adapter configuration."""
ArrayFunction = Callable[..., Any]
"""A function of arrays, or of lists and dicts of them, that MLX differentiates or compiles."""
TokenizerWrapper: TypeAlias = Any
"""mlx-lm's wrapper around a tokenizer of transformers."""
ModuleClass = type[Any]
"""The class of a module, in any architecture."""
LayerOutput: TypeAlias = Any
"""A layer's hidden states, or a tuple or list that begins with them."""


Arrays = dict[str, mx.array]
"""Dotted path of a parameter → its array."""
ArrayMap = Mapping[str, mx.array]
"""Read-only `Arrays`."""


def load_arrays(path: Path) -> Arrays:
    """The arrays of a safetensors file, loaded lazily.

    Raises MLX's errors, and ValueError if the file has no named arrays.
    """
    arrays = mx.load(str(path))
    if not isinstance(arrays, dict):
        raise ValueError(f"{path} has no named arrays.")
    return arrays


def number(scalar: mx.array) -> float:
    """The value of a scalar array; evaluates it."""
    return float(scalar.item())  # type: ignore[arg-type]
