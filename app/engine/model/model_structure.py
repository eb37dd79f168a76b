"""A model's structure and mode: modules and arrays by dotted path, the list of layers, dropout on
or off, and a proxy that replaces a module.

Works for any architecture. Checks nothing: a run's updates go through
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
    """Dotted path of the list of the model's layers, for example "model.layers"; None if it is not
    found."""
    first = model.layers[0]
    for path, module in model.named_modules():
        for name, child in module.items():
            if isinstance(child, list) and any(item is first for item in child):
                return f"{path}.{name}" if path else str(name)
    return None


def get_module(module: nn.Module, path: str) -> Any:
    """The module, list of modules or array at a dotted path."""
    item: Any = module
    for part in path.split(".") if path else ():
        item = item[int(part)] if isinstance(item, list) else item[part]
    return item


def evaluating(model: LanguageModel) -> AbstractContextManager[None]:
    """Inside, dropout is off; the mode is restored afterwards."""
    return _in_mode(model, is_training=False)


def training(model: LanguageModel) -> AbstractContextManager[None]:
    """Inside, dropout is on; the mode is restored afterwards."""
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
    """Inside, each module has the class `change(its class)`."""
    # By id, because a module can occur at two paths.
    originals = {id(module): (module, type(module)) for module in modules}
    try:
        for module, kind in originals.values():
            module.__class__ = change(kind)
        yield
    finally:
        for module, kind in originals.values():
            module.__class__ = kind


class ModuleProxy:
    """Replaces `module` in a model: a call runs `call(module, …)` instead.

    If the model passes all arguments by name, `call` gets them by position where the module's own
    signature allows it.

    `isinstance` and attribute access behave as for the module, since a model's code may choose its
    mask by them. A walk over the model's modules finds no parameters here.
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
        """Empty, so that walks of `nn.Module` find nothing."""
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
    """Replace the arrays at these paths, if any. Shapes are not checked."""
    if arrays:
        module.update(tree_unflatten(list(arrays.items())))


def has_dropout(model: LanguageModel) -> bool:
    """Whether the model has a dropout layer with a probability above 0."""
    modules = (module for _, module in model.named_modules())
    return any(isinstance(module, nn.Dropout) and module._p_1 < 1 for module in modules)
