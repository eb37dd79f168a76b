"""A model's structure and mode: modules by their dotted paths, its layers, dropout on or off.

Knows no architecture, and nothing of what is computed.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import mlx.nn as nn

from app.engine.model.language_model import LanguageModel


def find_layers_path(model: LanguageModel) -> str | None:
    """Dotted path of the list that holds the model's layers, for example "model.layers"."""
    first = model.layers[0]
    for path, module in model.named_modules():
        for name, child in module.items():
            if isinstance(child, list) and any(item is first for item in child):
                return f"{path}.{name}" if path else str(name)
    return None


def get_module(module: nn.Module, path: str) -> Any:
    """The module, list of modules or array at a dotted path."""
    found: Any = module
    for part in path.split(".") if path else ():
        found = found[int(part)] if isinstance(found, list) else found[part]
    return found


def evaluating(model: LanguageModel) -> AbstractContextManager[None]:
    """Dropout off inside, and the mode as it was after."""
    return _in_mode(model, is_training=False)


def training(model: LanguageModel) -> AbstractContextManager[None]:
    """Dropout on inside, and the mode as it was after."""
    return _in_mode(model, is_training=True)


@contextmanager
def _in_mode(model: LanguageModel, *, is_training: bool) -> Iterator[None]:
    was_training = model.training
    model.train(is_training)
    try:
        yield
    finally:
        model.train(was_training)
