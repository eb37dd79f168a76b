"""Arrays by name: their types, the file that holds them, and one number of them; and names for
values that MLX, mlx-lm and JSON give without types.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import mlx.core as mx

JsonObject = Mapping[str, Any]
"""A parsed manifest, config.json or adapter configuration."""
ArrayFunction = Callable[..., Any]
"""A function of arrays, and of lists and dicts of them, which MLX differentiates or compiles."""
TokenizerWrapper: TypeAlias = Any
"""mlx-lm's, around a tokenizer of transformers."""
ModuleClass = type[Any]
"""The class of a module, of any architecture."""
LayerOutput: TypeAlias = Any
"""Hidden states, or a tuple or list that begins with them."""


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
