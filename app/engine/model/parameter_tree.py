"""A module's arrays by their dotted paths, and back into the module as MLX nests them.

Checks nothing: a run's updates go through `adapter_parameters.write_parameters`.
"""

from collections.abc import Iterable

import mlx.nn as nn
from mlx.utils import tree_flatten, tree_unflatten

from app.engine.runtime.named_arrays import ArrayMap, Arrays


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


def module_tree(modules: Iterable[tuple[str, nn.Module]]) -> dict[str, object]:
    """Modules by path, as `nn.Module.update_modules` takes them."""
    return dict(tree_unflatten(list(modules)))
