"""What tells whether two models would be traced alike."""

import hashlib

from app.engine.model.language_model import LanguageModel
from app.engine.model.parameter_tree import parameters, trainable


def likeness(model: LanguageModel) -> object | None:
    """Equal for models of one architecture with the same settings, adapter and kinds of numbers,
    whatever their values; None where a model does not tell its settings."""
    settings = getattr(model, "args", None)
    if settings is None:
        return None
    arrays = parameters(model).items()
    held = [(name, array.shape, str(array.dtype)) for name, array in arrays]
    built = (repr(model), repr(settings), held, sorted(trainable(model)), model.training)
    return type(model), hashlib.sha256(repr(built).encode()).digest()
