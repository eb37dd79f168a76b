"""A model's structure and mode: modules and arrays by their dotted paths, its layers, dropout on or
off, and a proxy for one of its modules.

Knows no architecture, and nothing of what is computed. Checks nothing: a run's updates go through
`adapter_parameters.write_parameters`.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from inspect import signature
from typing import Any

import mlx.nn as nn
from mlx.utils import tree_flatten, tree_unflatten

from app.engine.model.language_model import LanguageModel
from app.engine.runtime.named_arrays import ArrayFunction, ArrayMap, Arrays


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
    """Turn dropout off inside; the mode is restored afterwards."""
    return _in_mode(model, is_training=False)


def training(model: LanguageModel) -> AbstractContextManager[None]:
    """Turn dropout on inside; the mode is restored afterwards."""
    return _in_mode(model, is_training=True)


@contextmanager
def _in_mode(model: LanguageModel, *, is_training: bool) -> Iterator[None]:
    was_training = model.training
    model.train(is_training)
    try:
        yield
    finally:
        model.train(was_training)


@contextmanager
def reclassed(modules: Iterable[Any], change: Callable[[Any], Any]) -> Iterator[None]:
    """Give each module the class `change(its class)` inside."""
    own = {id(module): (module, type(module)) for module in modules}  # one may stand at two places
    try:
        for module, kind in own.values():
            module.__class__ = change(kind)
        yield
    finally:
        for module, kind in own.values():
            module.__class__ = kind


class ModuleProxy:
    """Stands for `module` where a model calls it: `call(module, …)` is called instead.

    `call` gets arguments by position, also those that the model passes by name, if the module's own
    call takes it so.

    `isinstance` and attributes are the module's own, since a model's code may choose its mask by
    them. A walk over the model's modules finds no parameters here.
    """

    def __init__(self, module: Any, call: ArrayFunction) -> None:
        self._module = module
        self._call = call

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return type(self._module)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not args:
            bound = signature(type(self._module).__call__).bind(self._module, **kwargs)
            (_, *args), kwargs = bound.args, bound.kwargs  # type: ignore[assignment]
        return self._call(self._module, *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)

    def __getitem__(self, name: str) -> Any:
        return self._module[name]

    def __contains__(self, name: str) -> bool:
        return name in self._module

    def items(self) -> tuple[()]:
        """Empty for the walks of `nn.Module`."""
        return ()

    def children(self) -> dict[str, Any]:
        return {}


def parameters(module: nn.Module) -> Arrays:
    """All arrays of `module`, by path."""
    return dict(tree_flatten(module.parameters()))


def trainable_parameters(module: nn.Module) -> Arrays:
    """The arrays that are not frozen."""
    return dict(tree_flatten(module.trainable_parameters()))


def put(module: nn.Module, arrays: ArrayMap) -> None:
    """Replace the arrays at these paths, some or none. A wrong shape passes."""
    if arrays:
        module.update(tree_unflatten(list(arrays.items())))
