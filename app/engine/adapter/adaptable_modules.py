"""Selects the modules of a model's layers that can carry an adapter that mlx-lm can load."""

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
    """The modules that mlx-lm can adapt, by path within a layer."""
    from mlx_lm.models.switch_layers import QuantizedSwitchLinear, SwitchLinear

    kinds = (
        nn.Linear, nn.QuantizedLinear, nn.Embedding, nn.QuantizedEmbedding,
        SwitchLinear, QuantizedSwitchLinear,
    )  # fmt: skip
    by_path: dict[str, list[CalledModule]] = {}
    for layer in layers:
        for path, module in reversed(layer.named_modules()):
            if isinstance(module, kinds) or hasattr(module, "to_lora"):
                by_path.setdefault(path, []).append(module)
    return by_path


def unfit(model: LanguageModel, candidates: Modules) -> list[str]:
    """Paths of the candidates that can't carry an adapter.

    There are two reasons: the model's code reads the module's weights directly, which an adapted
    module no longer has at that place; or the module's own adapter class has other parameters than
    `lora_a` and `lora_b`, which mlx-lm does not load.
    """
    modules = [module for at_path in candidates.values() for module in at_path]
    read = _read_by_the_model(model, modules)
    return [
        path
        for path, modules in candidates.items()
        if any(id(module) in read or not _has_plain_adapter(module) for module in modules)
    ]


def _has_plain_adapter(module: CalledModule) -> bool:
    if not hasattr(module, "to_lora"):
        return True
    adapted = module.to_lora(r=1)
    return all(isinstance(adapted.get(name), mx.array) for name in ("lora_a", "lora_b"))


def _read_by_the_model(model: LanguageModel, modules: Sequence[CalledModule]) -> set[int]:
    """Ids of the modules of which an array is read outside their own call.

    Computes nothing and reads no weights from disk. Calls the model in both modes, because a model
    may read weights in one mode only, or cache values made of them in evaluation (kimi_k3).
    """
    read: set[int] = set()
    with _recorded(modules, read):
        try:
            for mode in (training, evaluating):
                with mode(model), interruptible:
                    model(mx.zeros((1, 4), mx.int32))
        except Exception:  # an architecture's own code; a later probe tests whether it trains
            return set()
    return read


@contextmanager
def _recorded(modules: Sequence[CalledModule], read: set[int]) -> Iterator[None]:
    reads = _Reads(read)
    with reclassed(modules, _recording):
        for module in modules:
            vars(module)["_reads"] = reads
        try:
            yield
        finally:
            for module in modules:
                vars(module).pop("_reads", None)


class _Reads:
    """Ids of modules: those read from outside, and those whose call is running."""

    def __init__(self, read: set[int]) -> None:
        self.read = read
        self.in_call: set[int] = set()


@cache
def _recording(kind: ModuleClass) -> ModuleClass:
    """A subclass that records reads; cached, because only the garbage collector frees a class."""

    class Recording(kind):  # type: ignore[misc]
        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            reads = vars(self)["_reads"]
            reads.in_call.add(id(self))
            try:
                return super().__call__(*args, **kwargs)
            finally:
                reads.in_call.discard(id(self))

        def __getattr__(self, name: str) -> Any:
            value = super().__getattr__(name)
            reads = vars(self).get("_reads")
            if isinstance(value, mx.array) and reads and id(self) not in reads.in_call:
                reads.read.add(id(self))
            return value

    return Recording
