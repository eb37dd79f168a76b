"""The most memory one batch's loss and gradients take, found by tracing the model's own code.

Weights are not read and nothing is computed. Layers of one kind cost the same, so only a few of
each kind are traced, and the others counted.
"""

import mlx.core as mx

from app.engine.batches.batches import BatchShape
from app.engine.execution.execution import Execution
from app.engine.memory.eval_simulator import peak_bytes
from app.engine.memory.graph import Graph, traced
from app.engine.memory.loss_gradient import pull_of_hidden, pull_of_logits
from app.engine.memory.trace_key import likeness
from app.engine.model.language_model import LanguageModel
from app.engine.model.lm_head import likely_head
from app.engine.model.module_paths import layers_of, module_at
from app.engine.model.parameter_tree import parameters, put
from app.engine.model.traced_layers import (
    Call,
    calls_of_layers,
    layer_kinds,
    layers_replaced,
    passed_through,
    recorded,
    taught,
)
from app.engine.runtime.arrays import Arrays
from app.engine.runtime.mlx_runtime import uses_compile
from app.engine.runtime.run_ahead_limit import ROOM

TRACED_OF_A_KIND = 2
"""From here on each further layer of a kind adds the same."""
MOST_KNOWN = 256
MOST_OPERATIONS = 15_000
"""Of one trace. A model that goes through a row token by token has some for each, and a long row
would take minutes."""
_SHORT = (32, 64)
"""Tokens of the rows from which that is seen. In shorter ones the loss's chunks grow in number."""

_known: dict[object, int] = {}
"""What was found: a run asks for what the window has shown, and a run that goes on for the same."""


def step_bytes(model: LanguageModel, shape: BatchShape, *, recompute: bool) -> int:
    """Bytes beyond weights and optimizer state; gradients included.

    `model` carries its adapter. Raises ValueError or RuntimeError where its code can't be traced.
    """
    like = likeness(model)
    if like is None:
        return _found(model, shape, recompute)
    asked = (like, shape, recompute)
    if asked not in _known:
        found = _found(model, shape, recompute)
        if len(_known) >= MOST_KNOWN:
            _known.clear()
        _known[asked] = found
    return _known[asked]


def _found(model: LanguageModel, shape: BatchShape, recompute: bool) -> int:
    path = layers_of(model)
    if path is None:
        raise ValueError("The model's layers were not found.")
    calls = calls_of_layers(model, path)
    gives_more = any(call.gives_more for call in calls)
    if gives_more and recompute:
        raise ValueError("What a layer gives to several after it is not all computed again.")
    # A layer that is never called as a whole can be neither skipped nor computed again.
    trace = _Trace(model, path, shape, recompute and bool(calls))
    kinds = layer_kinds(model, path)
    if gives_more or not calls:
        kinds = [[index] for index in range(len(module_at(model, path)))]
    if shape.longest > max(_SHORT):
        _check_operations(model, path, {layers[-1] for layers in kinds}, shape)
    # Where few layers are traced the loss may hide what each further one adds.
    return max(_counted(trace, kinds, with_loss=True), _counted(trace, kinds, with_loss=False))


def _check_operations(model: LanguageModel, path: str, kept: set[int], shape: BatchShape) -> None:
    """Raise ValueError where the operations grow with the tokens, to more than can be traced."""
    short, longer = (
        len(_Trace(model, path, BatchShape((length,)), False).graph(kept).operations)
        for length in _SHORT
    )
    a_token = (longer - short) / (_SHORT[1] - _SHORT[0])
    if longer + a_token * (shape.read_size[1] - _SHORT[1]) > MOST_OPERATIONS:
        raise ValueError("The model computes token by token, and the row is long.")


def _counted(trace: "_Trace", kinds: list[list[int]], *, with_loss: bool) -> int:
    """The peak with all layers, from that of a few of each kind and what one more adds."""
    few = {index for layers in kinds for index in layers[-TRACED_OF_A_KIND:]}
    total = base = trace.peak(few, with_loss)
    for layers in kinds:
        if rest := layers[:-TRACED_OF_A_KIND]:
            more = trace.peak(few | {rest[-1]}, with_loss)
            total += len(rest) * (more - base)
    return total


class _Trace:
    """Traces the gradients of one batch through some of a model's layers."""

    def __init__(self, model: LanguageModel, path: str, shape: BatchShape, recompute: bool) -> None:
        self._model, self._path, self._shape, self._recompute = model, path, shape, recompute
        self._skipped = dict(enumerate(map(passed_through, module_at(model, path))))
        self._with_loss = True
        with layers_replaced(model, path, self._skipped):
            self._head = likely_head(model)

    def peak(self, kept: set[int], with_loss: bool) -> int:
        graph = self.graph(kept, with_loss)
        if self._recompute and uses_compile():  # then run_ahead_limit.py lets nothing run ahead
            return int(ROOM * peak_bytes(graph, in_flight=0))
        return peak_bytes(graph)

    def graph(self, kept: set[int], with_loss: bool = True) -> Graph:
        """With the `kept` ones of the layers, the others doing nothing."""
        self._with_loss = with_loss

        model = self._model
        gradients = self._recomputed if self._recompute else self._kept_whole
        tokens = mx.zeros(self._shape.read_size, mx.int32)
        skipped = {index: layer for index, layer in self._skipped.items() if index not in kept}
        with layers_replaced(model, self._path, skipped):
            weights = parameters(model)

            def step(tokens: mx.array, *values: mx.array) -> list[mx.array]:
                put(model, dict(zip(weights, values, strict=True)))
                with Execution(model).tracing(self._shape.read_lengths):
                    return gradients(tokens, kept)

            try:
                return traced(step, tokens, *weights.values())
            finally:
                put(model, weights)

    def _kept_whole(self, tokens: mx.array, _: set[int]) -> list[mx.array]:
        """The gradients, all activations being kept for the backward pass."""

        def loss(adapter: Arrays) -> mx.array:
            put(self._model, adapter)
            given = self._forward(tokens)
            return (given * mx.stop_gradient(self._pull(given))).sum()

        return list(mx.grad(loss)(taught(self._model)).values())

    def _recomputed(self, tokens: mx.array, kept: set[int]) -> list[mx.array]:
        """The gradients, each layer being computed again in the backward pass.

        By hand, as `mx.checkpoint` itself can't be traced.
        """
        calls: list[Call] = []
        layers = module_at(self._model, self._path)
        written = {index: recorded(layers[index], calls) for index in kept}
        with layers_replaced(self._model, self._path, written):
            given = self._forward(tokens)
        pulled = self._pull(given)
        gradient = mx.depends([mx.zeros_like(calls[-1].hidden_output)], [pulled])[0]
        lowest = next((i for i, call in enumerate(calls) if taught(call.layer)), len(calls))
        found: list[mx.array] = []
        for call in reversed(calls[lowest:]):
            gradient, *more = call.gradients(gradient)
            found += more
        return found

    def _forward(self, tokens: mx.array) -> mx.array:
        return self._head.hidden(tokens) if self._head else self._model(tokens)

    def _pull(self, given: mx.array) -> mx.array:
        """The loss's gradient with respect to what the forward pass has given."""
        if not self._with_loss:
            return mx.depends([mx.zeros_like(given)], [given])[0]
        return pull_of_hidden(self._head, given) if self._head else pull_of_logits(given)
