"""Gradient checkpointing of one model's layers, for as long as its loss is traced.

mlx-lm patches the layers' class for good, so that runs in one process stack up. Here the entries of
the model's list of layers give way to thin stand-ins and come back: nothing is left to undo, and
parameters keep their paths.
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
    InputError if the model's layers can't be exchanged.
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
    """`layer`, whose call is a checkpoint."""

    def checkpointed(
        layer: CalledModule, hidden: mx.array, *args: object, **kwargs: object
    ) -> LayerOutput:
        parameters = trainable_parameters(layer)
        dropouts = _dropouts(layer)
        # Drawn outside, so that the second computation has the same dropout as the first.
        keys = _keys(len(dropouts))

        def call(parameters: Arrays, *args: object, **kwargs: object) -> LayerOutput:
            put(layer, parameters)
            with _keyed(dropouts, keys):
                return layer(*args, **kwargs)

        own = {name: value for name, value in parameters.items() if name in trained}
        try:
            hidden, *values = _gradients_before_input(hidden, *own.values())
            tied = dict(zip(own, values, strict=True))
            return mx.checkpoint(call)(tied, hidden, *args, **kwargs)
        finally:
            put(layer, parameters)

    return ModuleProxy(layer, checkpointed)


def _gradients_before_input(hidden: mx.array, *parameters: mx.array) -> Sequence[mx.array]:
    """Its arguments; in the backward pass the layer below waits for the gradients of `parameters`.

    Else MLX leaves them for the end, and every layer's recomputed activations stay alive for them.
    """

    @custom_function
    def tied(*arrays: mx.array) -> tuple[mx.array, ...]:
        return arrays

    @tied.vjp
    def _(_: mx.array, cotangents: mx.array, __: mx.array) -> tuple[mx.array, ...]:
        below, *own = cotangents
        return (mx.depends([below], own)[0], *own)

    return tied(hidden, *parameters) if parameters else [hidden]


def _dropouts(layer: CalledModule) -> list[tuple[nn.Module, str]]:
    """Every active dropout of a layer, as its owner and its name there."""
    return [
        (module, name)
        for _, module in layer.named_modules()
        for name, child in module.items()
        if isinstance(child, nn.Dropout) and child.training and child._p_1 < 1
    ]


def _keys(count: int) -> Sequence[mx.array]:
    """Random keys; where there are none, nothing is drawn, which a GPU would be asked to do."""
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
