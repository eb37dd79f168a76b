"""A model's layers while a step is traced: sorted by kind, skipped, or written down.

Knows nothing of losses and batches.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import mlx.core as mx
import mlx.nn as nn

from app.engine.model.language_model import CalledModule, LanguageModel
from app.engine.model.model_structure import (
    ModuleProxy,
    get_module,
    parameters,
    put,
    trainable_parameters,
)
from app.engine.runtime.named_arrays import Arrays, LayerOutput

MAX_DIMENSIONS = 2
"""The most dimensions of an array that holds no experts."""


def layer_kinds(model: LanguageModel, path: str) -> list[list[int]]:
    """Indexes of the layers that are built alike and train alike."""
    kinds: dict[object, list[int]] = {}
    for index, layer in enumerate(get_module(model, path)):
        arrays = parameters(layer).items()
        shapes = tuple((name, array.shape, str(array.dtype)) for name, array in arrays)
        trained = frozenset(trainable_parameters(layer))
        kinds.setdefault((type(layer), shapes, trained), []).append(index)
    return list(kinds.values())


def traced_parameters(module: nn.Module) -> Arrays:
    """The trained arrays without those of experts, whose gradients MLX can't export."""
    return {path: a for path, a in trainable_parameters(module).items() if a.ndim <= MAX_DIMENSIONS}


@contextmanager
def replaced_layers(
    model: LanguageModel, path: str, instead: Mapping[int, ModuleProxy]
) -> Iterator[None]:
    """Inside, layers of the list at `path` give way to those `instead`, by index."""
    layers = get_module(model, path)
    originals = list(layers)
    for index, layer in instead.items():
        layers[index] = layer
    try:
        yield
    finally:
        layers[:] = originals


@dataclass(frozen=True)
class Call:
    layer: CalledModule
    hidden: mx.array
    args: tuple[object, ...]
    kwargs: Mapping[str, object]
    output: LayerOutput

    @property
    def hidden_output(self) -> mx.array:
        """The layer's hidden states, [rows, tokens, width]."""
        return hidden_of(self.output)

    @property
    def gives_more(self) -> bool:
        """Beside its hidden states, for the layers after it."""
        return isinstance(self.output, tuple | list)

    def gradients(self, cotangent: mx.array) -> list[mx.array]:
        """The gradients of the layer's input, then of its parameters, each with its array's shape
        and dtype. `cotangent` has the shape of the layer's output; the layer is computed again."""
        parameters_before = traced_parameters(self.layer)

        def again(hidden: mx.array, *values: mx.array) -> mx.array:
            put(self.layer, dict(zip(parameters_before, values, strict=True)))
            return hidden_of(self.layer(hidden, *self.args, **self.kwargs))

        hidden = mx.depends([self.hidden], [cotangent])[0]
        _, gradients = mx.vjp(again, [hidden, *parameters_before.values()], [cotangent])
        put(self.layer, parameters_before)
        below, *own = gradients
        return [mx.depends([below], own)[0] if own else below, *own]


def identity_layer(layer: CalledModule) -> ModuleProxy:
    """A layer without parameters that hands its input on; answers for `layer` in everything else.

    What `layer` gives beside its hidden states, for the layers after it, it still gives.
    """
    gives_more: list[bool] = []

    def call(layer: CalledModule, hidden: mx.array, *args: object, **kwargs: object) -> LayerOutput:
        if gives_more == [False]:
            return hidden
        output = layer(hidden, *args, **kwargs)  # computed only as far as it is used
        gives_more[:] = [isinstance(output, tuple | list)]
        return (hidden, *output[1:]) if gives_more[0] else hidden

    return ModuleProxy(layer, call)


def hidden_of(output: LayerOutput) -> mx.array:
    """The hidden states, [rows, tokens, width], in a layer's output."""
    return output[0] if isinstance(output, tuple | list) else output


def trace_layer_calls(model: LanguageModel, path: str) -> list[Call]:
    """The calls by which `model` runs the layers at `path`; nothing is computed. Empty if it runs
    parts of the layers instead."""
    calls: list[Call] = []
    written = {i: recording_layer(layer, calls) for i, layer in enumerate(get_module(model, path))}
    with replaced_layers(model, path, written):
        model(mx.zeros((1, 4), mx.int32))
    return calls


def recording_layer(layer: CalledModule, calls: list[Call]) -> ModuleProxy:
    """`layer` with its calls written down."""

    def call(layer: CalledModule, hidden: mx.array, *args: object, **kwargs: object) -> LayerOutput:
        output = layer(hidden, *args, **kwargs)
        calls.append(Call(layer, hidden, args, kwargs, output))
        return output

    return ModuleProxy(layer, call)
