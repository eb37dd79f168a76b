"""Names for values that MLX, mlx-lm and JSON give without types."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

JsonObject = Mapping[str, Any]
"""A manifest, a config.json or an adapter's configuration, as it was read."""
ArrayFunction = Callable[..., Any]
"""A function of arrays, and of lists and dicts of them, which MLX differentiates or compiles."""
TokenizerWrapper: TypeAlias = Any
"""mlx-lm's, around a tokenizer of transformers."""
ModuleClass = type[Any]
"""The class of a module, of any architecture."""
LayerOutput: TypeAlias = Any
"""Hidden states, or a tuple or list that begins with them."""
