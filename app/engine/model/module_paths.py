"""Modules of a model by their dotted paths, and where its layers stand. Knows no architecture."""

from typing import Any


def layers_of(model: Any) -> str | None:
    """Dotted path of the list that holds the model's layers, for example "model.layers"."""
    first = model.layers[0]
    for path, module in model.named_modules():
        for name, child in module.items():
            if isinstance(child, list) and any(item is first for item in child):
                return f"{path}.{name}" if path else str(name)
    return None


def module_at(model: Any, path: str) -> Any:
    for part in path.split(".") if path else ():
        model = model[int(part)] if isinstance(model, list) else model[part]
    return model
