"""Selects the modules of a model's layers that can carry an adapter, as mlx-lm loads one."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import mlx.core as mx
import mlx.nn as nn

from app.core.system.interruption import interruptible
from app.engine.model.language_model import CalledModule, LanguageModel
from app.engine.model.model_structure import evaluating, reclassed, training
from app.engine.runtime.named_arrays import ModuleClass

Modules = Mapping[str, Sequence[CalledModule]]
"""Path within a layer → the modules there, of several layers."""


def adaptable(layers: Sequence[CalledModule]) -> dict[str, list[CalledModule]]:
    """The modules that mlx-lm gives an adapter."""
    from mlx_lm.models.switch_layers import QuantizedSwitchLinear, SwitchLinear

    kinds = (
        nn.Linear, nn.QuantizedLinear, nn.Embedding, nn.QuantizedEmbedding,
        SwitchLinear, QuantizedSwitchLinear,
    )  # fmt: skip
    found: dict[str, list[CalledModule]] = {}
    for layer in layers:
        for path, module in reversed(layer.named_modules()):
            if isinstance(module, kinds) or hasattr(module, "to_lora"):
                found.setdefault(path, []).append(module)
    return found


def unfit(model: LanguageModel, there: Modules) -> list[str]:
    """Paths of those modules that must stay as they are.

    A model's code may read a module's weights itself, which an adapted one no longer has at that
    place; and a module may have an adapter of its own, of parts that mlx-lm does not load.
    """
    read = _read_by_the_model(model, [module for modules in there.values() for module in modules])
    return [
        path
        for path, modules in there.items()
        if any(id(module) in read or not _has_plain_adapter(module) for module in modules)
    ]


def _has_plain_adapter(module: CalledModule) -> bool:
    if not hasattr(module, "to_lora"):
        return True
    adapted = module.to_lora(r=1)
    return all(isinstance(adapted.get(name), mx.array) for name in ("lora_a", "lora_b"))


def _read_by_the_model(model: LanguageModel, modules: Sequence[CalledModule]) -> set[int]:
    """By id, the modules with an array that is read outside their own call.

    Nothing is computed, and no weights are read from disk. The model is called in both modes: one
    may keep in evaluation what it made of its weights (kimi_k3), or read them in one mode alone.
    """
    read: set[int] = set()
    with _watched(modules, read):
        try:
            for mode in (training, evaluating):
                with mode(model), interruptible:
                    model(mx.zeros((1, 4), mx.int32))
        except Exception:  # an architecture's own code; whether it trains is tried later
            return set()
    return read


@contextmanager
def _watched(modules: Sequence[CalledModule], read: set[int]) -> Iterator[None]:
    seen = _Seen(read)
    with reclassed(modules, _watching):
        for module in modules:
            vars(module)["_seen"] = seen
        try:
            yield
        finally:
            for module in modules:
                vars(module).pop("_seen", None)


class _Seen:
    def __init__(self, read: set[int]) -> None:
        self.read = read
        self.in_call: set[int] = set()


@cache
def _watching(kind: ModuleClass) -> ModuleClass:
    """A subclass of a module's own class; one for each, as a class goes by the collector alone."""

    class Watching(kind):  # type: ignore[misc]
        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            seen = vars(self)["_seen"]
            seen.in_call.add(id(self))
            try:
                return super().__call__(*args, **kwargs)
            finally:
                seen.in_call.discard(id(self))

        def __getattr__(self, name: str) -> Any:
            value = super().__getattr__(name)
            seen = vars(self).get("_seen")
            if isinstance(value, mx.array) and seen and id(self) not in seen.in_call:
                seen.read.add(id(self))
            return value

    return Watching
