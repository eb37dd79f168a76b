"""What tells whether two models would be traced alike."""

import hashlib
from typing import Any

from app.engine.model.adapter_parameters import trainable


def likeness(model: Any) -> object | None:
    """Equal for models of one architecture with the same settings, adapter and kinds of numbers,
    whatever their values; None where a model does not tell its settings."""
    from mlx.utils import tree_flatten

    settings = getattr(model, "args", None)
    if settings is None:
        return None
    parameters = tree_flatten(model.parameters())
    held = [(name, array.shape, str(array.dtype)) for name, array in parameters]
    built = (repr(model), repr(settings), held, sorted(trainable(model)), model.training)
    return type(model), hashlib.sha256(repr(built).encode()).digest()
