"""A model with its adapter off: the base itself, module by module.

Not an adapter scaled to nothing, which for DoRA and quantised bases computes something else.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import mlx.nn as nn

from app.engine.model.language_model import LanguageModel

_Place = tuple[Any, str | int, Any]
"""A module or list, a name or index in it, and the module there."""
_INNER = ("linear", "embedding")
"""By what mlx-lm's adapters call the module that they wrap."""


class BareModel:
    """Takes a model's adapters off and puts them back."""

    def __init__(self, model: LanguageModel) -> None:
        self._places = [
            (owner, key, module, _inner(module)) for owner, key, module in _adapters(model)
        ]

    @contextmanager
    def bare(self) -> Iterator[None]:
        """Inside, the model is its base."""
        try:
            for owner, key, _, inner in self._places:
                owner[key] = inner
            yield
        finally:
            for owner, key, adapter, _ in self._places:
                owner[key] = adapter


def _adapters(model: LanguageModel) -> list[_Place]:
    """Each adapted module, with the module or list that holds it and its name there."""
    found: list[_Place] = []
    for _, owner in model.named_modules():
        for name, child in owner.items():
            if isinstance(child, list):
                found += [(child, i, member) for i, member in enumerate(child) if _is_one(member)]
            elif _is_one(child):
                found.append((owner, name, child))
    return found


def _is_one(module: object) -> bool:
    return isinstance(module, dict) and "lora_a" in module


def _inner(adapter: nn.Module) -> Any:
    return next(adapter[name] for name in _INNER if name in adapter)
