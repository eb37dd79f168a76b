"""Groups a model's layers by kind, and replaces them during a trace to skip them or record their
calls.

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
"""Arrays with more dimensions hold experts."""


def layer_kinds(model: LanguageModel, path: str) -> list[list[int]]:
    """Indexes of the layers, grouped by class, array shapes and dtypes, and trained parameters."""
    kinds: dict[object, list[int]] = {}
    for index, layer in enumerate(get_module(model, path)):
        arrays = parameters(layer).items()
        shapes = tuple((name, array.shape, str(array.dtype)) for name, array in arrays)
        trained = frozenset(trainable_parameters(layer))
        kinds.setdefault((type(layer), shapes, trained), []).append(index)
    return list(kinds.values())


def traced_parameters(module: nn.Module) -> Arrays:
    """The trained arrays, except those of experts, whose gradients MLX can't export."""
    return {path: a for path, a in trainable_parameters(module).items() if a.ndim <= MAX_DIMENSIONS}


@contextmanager
def replaced_layers(
    model: LanguageModel, path: str, instead: Mapping[int, ModuleProxy]
) -> Iterator[None]:
    """Inside, the layers at `path` are replaced by those of `instead`, by index."""
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
        """Whether the layer's output has more than hidden states, for later layers."""
        return isinstance(self.output, tuple | list)

    def gradients(self, cotangent: mx.array) -> list[mx.array]:
        """The gradients of the layer's input, then of its parameters, with their arrays' shapes and
        dtypes. `cotangent` has the shape of the hidden output. Computes the layer again."""
        parameters_before = traced_parameters(self.layer)

        def again(hidden: mx.array, *values: mx.array) -> mx.array:
            put(self.layer, dict(zip(parameters_before, values, strict=True)))
            return hidden_of(self.layer(hidden, *self.args, **self.kwargs))

        hidden = mx.depends([self.hidden], [cotangent])[0]
        _, gradients = mx.vjp(again, [hidden, *parameters_before.values()], [cotangent])
        put(self.layer, parameters_before)
        input_gradient, *others = gradients
        return [mx.depends([input_gradient], others)[0] if others else input_gradient, *others]


def identity_layer(layer: CalledModule) -> ModuleProxy:
    """A proxy for `layer` that returns its input; it has no parameters.

    If `layer` outputs more than hidden states, for later layers, the proxy outputs that too.
    """
    gives_more: list[bool] = []

    def call(layer: CalledModule, hidden: mx.array, *args: object, **kwargs: object) -> LayerOutput:
        if gives_more == [False]:
            return hidden
        output = layer(hidden, *args, **kwargs)  # lazy: computes only the used parts
        gives_more[:] = [isinstance(output, tuple | list)]
        return (hidden, *output[1:]) if gives_more[0] else hidden

    return ModuleProxy(layer, call)


def hidden_of(output: LayerOutput) -> mx.array:
    """The hidden states, [rows, tokens, width], in a layer's output."""
    return output[0] if isinstance(output, tuple | list) else output


def trace_layer_calls(model: LanguageModel, path: str) -> list[Call]:
    """The calls of the layers at `path` in a forward pass; computes nothing. Empty if `model` calls
    parts of the layers instead."""
    calls: list[Call] = []
    layers = enumerate(get_module(model, path))
    recording = {index: recording_layer(layer, calls) for index, layer in layers}
    with replaced_layers(model, path, recording):
        model(mx.zeros((1, 4), mx.int32))
    return calls


def recording_layer(layer: CalledModule, calls: list[Call]) -> ModuleProxy:
    """A proxy for `layer` that appends its calls to `calls`."""

    def call(layer: CalledModule, hidden: mx.array, *args: object, **kwargs: object) -> LayerOutput:
        output = layer(hidden, *args, **kwargs)
        calls.append(Call(layer, hidden, args, kwargs, output))
        return output

    return ModuleProxy(layer, call)
