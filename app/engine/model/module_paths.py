"""Modules of a model by their dotted paths, and where its layers stand. Knows no architecture."""

from typing import Any

import mlx.nn as nn

from app.engine.model.language_model import LanguageModel


def layers_of(model: LanguageModel) -> str | None:
    """Dotted path of the list that holds the model's layers, for example "model.layers"."""
    first = model.layers[0]
    for path, module in model.named_modules():
        for name, child in module.items():
            if isinstance(child, list) and any(item is first for item in child):
                return f"{path}.{name}" if path else str(name)
    return None


def module_at(module: nn.Module, path: str) -> Any:
    """The module, list of modules or array at a dotted path."""
    found: Any = module
    for part in path.split(".") if path else ():
        found = found[int(part)] if isinstance(found, list) else found[part]
    return found
