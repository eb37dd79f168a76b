"""A model's layers while a step is traced: sorted by kind, skipped, or written down.

Knows nothing of losses and batches.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from app.engine.lora import trainable
from app.engine.mlx_gateway import import_mlx
from app.engine.module_paths import module_at
from app.engine.module_proxy import ModuleProxy

MOST_DIMENSIONS = 2
"""Of what is no array of experts."""


def layer_kinds(model: Any, path: str) -> list[list[int]]:
    """Indexes of the layers that are built alike and train alike."""
    from mlx.utils import tree_flatten

    kinds: dict[object, list[int]] = {}
    for index, layer in enumerate(module_at(model, path)):
        held = tree_flatten(layer.parameters())
        shapes = tuple((name, array.shape, str(array.dtype)) for name, array in held)
        taught = frozenset(name for name, _ in tree_flatten(layer.trainable_parameters()))
        kinds.setdefault((type(layer), shapes, taught), []).append(index)
    return list(kinds.values())


def taught(module: Any) -> dict[str, Any]:
    """What takes a gradient, but for experts: how MLX computes theirs can't be traced."""
    return {path: a for path, a in trainable(module).items() if a.ndim <= MOST_DIMENSIONS}


@contextmanager
def layers_replaced(model: Any, path: str, instead: Mapping[int, Any]) -> Iterator[None]:
    """Inside, layers of the list at `path` give way to those `instead`, by index."""
    layers = module_at(model, path)
    originals = list(layers)
    for index, layer in instead.items():
        layers[index] = layer
    try:
        yield
    finally:
        layers[:] = originals


@dataclass(frozen=True)
class Call:
    layer: Any
    hidden: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    output: Any

    def gradients(self, cotangent: Any) -> list[Any]:
        """Of the layer's input, then of its parameters; the layer is computed again for them."""
        mx = import_mlx()
        from mlx.utils import tree_unflatten

        held = taught(self.layer)

        def again(hidden: Any, *values: Any) -> Any:
            self.layer.update(tree_unflatten(list(zip(held, values, strict=True))))
            return self.layer(hidden, *self.args, **self.kwargs)

        hidden = mx.depends([self.hidden], [cotangent])[0]
        _, gradients = mx.vjp(again, [hidden, *held.values()], [cotangent])
        self.layer.update(tree_unflatten(list(held.items())))
        below, *own = gradients
        return [mx.depends([below], own)[0] if own else below, *own]


def passed_through(layer: Any) -> Any:
    """A layer without parameters that does nothing; answers for `layer` in everything else."""
    return ModuleProxy(layer, lambda _, hidden, *__, **___: hidden)


def recorded(layer: Any, calls: list[Call]) -> Any:
    """`layer` with its calls written down."""

    def call(layer: Any, hidden: Any, *args: Any, **kwargs: Any) -> Any:
        output = layer(hidden, *args, **kwargs)
        calls.append(Call(layer, hidden, args, kwargs, output))
        return output

    return ModuleProxy(layer, call)
