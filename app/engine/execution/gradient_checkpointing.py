"""Gradient checkpointing of one model's layers, in effect while its loss is traced.

mlx-lm patches the layers' class permanently, so that several runs in one process add up. Here
proxies replace the entries of the model's list of layers, and the layers are restored afterwards.
Parameters keep their paths.
"""

from collections.abc import Iterator, Sequence, Set
from contextlib import contextmanager

import mlx.core as mx
import mlx.nn as nn

from app.core.errors import InputError
from app.engine.model.language_model import CalledModule, LanguageModel
from app.engine.model.model_structure import (
    ModuleProxy,
    find_layers_path,
    get_module,
    put,
    trainable_parameters,
)
from app.engine.runtime.custom_gradients import custom_function
from app.engine.runtime.named_arrays import Arrays, LayerOutput


@contextmanager
def checkpointed_layers(model: LanguageModel, is_on: bool, trained: Set[str]) -> Iterator[None]:
    """Inside, a call of `model` keeps only the layers' inputs for the backward pass.

    `trained` are the paths of the parameters that take a gradient; others are constants. Raises
    InputError if the list of layers is not found.
    """
    if not is_on:
        yield
        return
    path = find_layers_path(model)
    if path is None:
        raise InputError("The layers of this model can't be recomputed; turn that setting off.")
    layers = get_module(model, path)
    originals = list(layers)
    for index, layer in enumerate(originals):
        start = f"{path}.{index}."
        names = {name.removeprefix(start) for name in trained if name.startswith(start)}
        layers[index] = _checkpointed(layer, names)
    try:
        yield
    finally:
        layers[:] = originals


def _checkpointed(layer: CalledModule, trained: Set[str]) -> ModuleProxy:
    """A proxy for `layer` whose call is a gradient checkpoint."""

    def checkpointed(
        layer: CalledModule, hidden: mx.array, *args: object, **kwargs: object
    ) -> LayerOutput:
        parameters = trainable_parameters(layer)
        dropouts = _dropouts(layer)
        # Drawn outside the checkpoint, so that the recomputation has the same dropout.
        keys = _keys(len(dropouts))

        def call(parameters: Arrays, *args: object, **kwargs: object) -> LayerOutput:
            put(layer, parameters)
            with _keyed(dropouts, keys):
                return layer(*args, **kwargs)

        with_gradient = {name: value for name, value in parameters.items() if name in trained}
        try:
            hidden, *values = _gradients_before_input(hidden, *with_gradient.values())
            tied = dict(zip(with_gradient, values, strict=True))
            return mx.checkpoint(call)(tied, hidden, *args, **kwargs)
        finally:
            put(layer, parameters)

    return ModuleProxy(layer, checkpointed)


def _gradients_before_input(hidden: mx.array, *parameters: mx.array) -> Sequence[mx.array]:
    """Returns its arguments; makes the backward pass compute the gradients of `parameters` before
    it continues with the layer below.

    Otherwise MLX computes them last, and keeps every layer's recomputed activations until then.
    """

    @custom_function
    def tied(*arrays: mx.array) -> tuple[mx.array, ...]:
        return arrays

    @tied.vjp
    def _(_: mx.array, cotangents: mx.array, __: mx.array) -> tuple[mx.array, ...]:
        input_gradient, *others = cotangents
        return (mx.depends([input_gradient], others)[0], *others)

    return tied(hidden, *parameters) if parameters else [hidden]


def _dropouts(layer: CalledModule) -> list[tuple[nn.Module, str]]:
    """The layer's active dropouts, each as its parent module and its name there."""
    return [
        (module, name)
        for _, module in layer.named_modules()
        for name, child in module.items()
        if isinstance(child, nn.Dropout) and child.training and child._p_1 < 1
    ]


def _keys(count: int) -> Sequence[mx.array]:
    """`count` random keys; for 0, draws nothing, to save the GPU an operation."""
    return list(mx.random.randint(0, 2**31 - 1, (count, 2)).astype(mx.uint32)) if count else []


@contextmanager
def _keyed(dropouts: list[tuple[nn.Module, str]], keys: Sequence[mx.array]) -> Iterator[None]:
    originals = [owner[name] for owner, name in dropouts]
    for index, (owner, name) in enumerate(dropouts):
        owner[name] = _KeyedDropout(originals[index]._p_1, keys[index])
    try:
        yield
    finally:
        for (owner, name), original in zip(dropouts, originals, strict=True):
            owner[name] = original


class _KeyedDropout:
    """`nn.Dropout` with its own random key."""

    def __init__(self, kept_share: float, key: mx.array) -> None:
        self._kept_share = kept_share
        self._key = key

    def __call__(self, x: mx.array) -> mx.array:
        mask = mx.random.bernoulli(self._kept_share, x.shape, key=self._key)
        return (mask * x) * (1 / self._kept_share)
