"""The most memory one batch's loss and gradients take, found by tracing the model's own code.

Weights are not read and nothing is computed. Layers of one kind cost the same, so only a few of
each kind are traced, and the others counted. The loss's gradient is the same computation as
`app.engine.execution.losses`, whose gradient of its own can't be traced.
"""

import hashlib

import mlx.core as mx

from app.engine.batches.batches import BatchShape
from app.engine.execution.losses import chunk_rows, row_functions
from app.engine.execution.model_execution import Execution
from app.engine.memory.computation_graph import Graph, traced
from app.engine.memory.graph_memory import peak_bytes
from app.engine.model.language_model import LanguageModel
from app.engine.model.layer_tracing import (
    Call,
    identity_layer,
    layer_kinds,
    recording_layer,
    replaced_layers,
    trace_layer_calls,
    traced_parameters,
)
from app.engine.model.lm_head import SplitModel, split_by_shapes
from app.engine.model.model_structure import (
    find_layers_path,
    get_module,
    parameters,
    put,
    trainable_parameters,
)
from app.engine.runtime.mlx_runtime import HEADROOM, uses_compile
from app.engine.runtime.named_arrays import Arrays

TRACED_OF_A_KIND = 2
"""From here on each further layer of a kind adds the same."""
MAX_KNOWN = 256
MAX_OPERATIONS = 15_000
"""Of one trace. A model that goes through a row token by token has some for each, and a long row
would take minutes."""
_SHORT = (32, 64)
"""Tokens of the rows from which that is seen. In shorter ones the loss's chunks grow in number."""

_known: dict[object, int] = {}
"""Results so far: a run asks again for those of the window, and a resumed run for its own."""


def step_bytes(model: LanguageModel, shape: BatchShape, *, recompute: bool) -> int:
    """Bytes beyond weights and optimizer state; gradients included.

    `model` carries its adapter. Raises ValueError or RuntimeError where its code can't be traced.
    """
    like = trace_key(model)
    if like is None:
        return _found(model, shape, recompute)
    key = (like, shape, recompute)
    if key not in _known:
        found = _found(model, shape, recompute)
        if len(_known) >= MAX_KNOWN:
            _known.clear()
        _known[key] = found
    return _known[key]


def _found(model: LanguageModel, shape: BatchShape, recompute: bool) -> int:
    path = find_layers_path(model)
    if path is None:
        raise ValueError("The model's layers were not found.")
    calls = trace_layer_calls(model, path)
    gives_more = any(call.gives_more for call in calls)
    if gives_more and recompute:
        raise ValueError("What a layer gives to several after it is not all computed again.")
    # A layer that is never called as a whole can be neither skipped nor computed again.
    trace = _Trace(model, path, shape, recompute and bool(calls))
    kinds = layer_kinds(model, path)
    if gives_more or not calls:
        kinds = [[index] for index in range(len(get_module(model, path)))]
    if shape.longest > max(_SHORT):
        _check_operations(model, path, {layers[-1] for layers in kinds}, shape)
    # Where few layers are traced the loss may hide what each further one adds.
    return max(_counted(trace, kinds, with_loss=True), _counted(trace, kinds, with_loss=False))


def _check_operations(
    model: LanguageModel, path: str, traced_layers: set[int], shape: BatchShape
) -> None:
    """Raise ValueError where the operations grow with the tokens, to more than can be traced."""
    short, longer = (
        len(_Trace(model, path, BatchShape((length,)), False).graph(traced_layers).operations)
        for length in _SHORT
    )
    a_token = (longer - short) / (_SHORT[1] - _SHORT[0])
    if longer + a_token * (shape.read_size[1] - _SHORT[1]) > MAX_OPERATIONS:
        raise ValueError("The model computes token by token, and the row is long.")


def _counted(trace: "_Trace", kinds: list[list[int]], *, with_loss: bool) -> int:
    """The peak with all layers, from that of a few of each kind and what one more adds."""
    traced = {index for layers in kinds for index in layers[-TRACED_OF_A_KIND:]}
    total = base = trace.peak(traced, with_loss)
    for layers in kinds:
        if rest := layers[:-TRACED_OF_A_KIND]:
            more = trace.peak(traced | {rest[-1]}, with_loss)
            total += len(rest) * (more - base)
    return total


class _Trace:
    """Traces the gradients of one batch through some of a model's layers."""

    def __init__(self, model: LanguageModel, path: str, shape: BatchShape, recompute: bool) -> None:
        self._model, self._path, self._shape, self._recompute = model, path, shape, recompute
        self._skipped = dict(enumerate(map(identity_layer, get_module(model, path))))
        self._with_loss = True
        with replaced_layers(model, path, self._skipped):
            self._head = split_by_shapes(model)

    def peak(self, traced_layers: set[int], with_loss: bool) -> int:
        graph = self.graph(traced_layers, with_loss)
        if self._recompute and uses_compile():  # then RunAheadLimit lets nothing run ahead
            return int(HEADROOM * peak_bytes(graph, in_flight=0))
        return peak_bytes(graph)

    def graph(self, traced_layers: set[int], with_loss: bool = True) -> Graph:
        """With the `traced_layers` ones of the layers, the others doing nothing."""
        self._with_loss = with_loss

        model = self._model
        gradients = self._checkpointed if self._recompute else self._kept_whole
        tokens = mx.zeros(self._shape.read_size, mx.int32)
        skipped = {
            index: layer for index, layer in self._skipped.items() if index not in traced_layers
        }
        with replaced_layers(model, self._path, skipped):
            weights = parameters(model)

            def step(tokens: mx.array, *values: mx.array) -> list[mx.array]:
                put(model, dict(zip(weights, values, strict=True)))
                with Execution(model).tracing(self._shape.input_lengths):
                    return gradients(tokens, traced_layers)

            try:
                return traced(step, tokens, *weights.values())
            finally:
                put(model, weights)

    def _kept_whole(self, tokens: mx.array, _: set[int]) -> list[mx.array]:
        """The gradients, all activations being kept for the backward pass."""

        def loss(adapter: Arrays) -> mx.array:
            put(self._model, adapter)
            forward_output = self._forward(tokens)
            return (forward_output * mx.stop_gradient(self._pull(forward_output))).sum()

        return list(mx.grad(loss)(traced_parameters(self._model)).values())

    def _checkpointed(self, tokens: mx.array, traced_layers: set[int]) -> list[mx.array]:
        """The gradients, each layer being computed again in the backward pass.

        By hand, as `mx.checkpoint` itself can't be traced.
        """
        calls: list[Call] = []
        layers = get_module(self._model, self._path)
        written = {index: recording_layer(layers[index], calls) for index in traced_layers}
        with replaced_layers(self._model, self._path, written):
            forward_output = self._forward(tokens)
        pulled = self._pull(forward_output)
        gradient = mx.depends([mx.zeros_like(calls[-1].hidden_output)], [pulled])[0]
        lowest = next(
            (i for i, call in enumerate(calls) if traced_parameters(call.layer)), len(calls)
        )
        found: list[mx.array] = []
        for call in reversed(calls[lowest:]):
            gradient, *more = call.gradients(gradient)
            found += more
        return found

    def _forward(self, tokens: mx.array) -> mx.array:
        return self._head.hidden(tokens) if self._head else self._model(tokens)

    def _pull(self, forward_output: mx.array) -> mx.array:
        """The loss's gradient with respect to the output of the forward pass."""
        if not self._with_loss:
            return mx.depends([mx.zeros_like(forward_output)], [forward_output])[0]
        return (
            hidden_gradient(self._head, forward_output)
            if self._head
            else logits_gradient(forward_output)
        )


def trace_key(model: LanguageModel) -> object | None:
    """Equal for models of one architecture with the same settings, adapter and kinds of numbers,
    whatever their values; None where a model does not tell its settings."""
    settings = getattr(model, "args", None)
    if settings is None:
        return None
    arrays = parameters(model).items()
    shapes = [(name, array.shape, str(array.dtype)) for name, array in arrays]
    built = (
        repr(model),
        repr(settings),
        shapes,
        sorted(trainable_parameters(model)),
        model.training,
    )
    return type(model), hashlib.sha256(repr(built).encode()).digest()


MAX_CHUNKS_TRACED = 32
"""Far more than are in flight at once."""


def hidden_gradient(head: SplitModel, hidden: mx.array) -> mx.array:
    """The gradient of `hidden`, [rows, tokens, width], computed like that of the fused loss, if
    every token is trained. It has the same shape and dtype."""
    flat = hidden.reshape(-1, hidden.shape[-1])
    count = flat.shape[0]
    every = mx.arange(count)
    picked, found = flat[every], list[mx.array]()
    size = chunk_rows(head.vocabulary)
    for start in range(0, min(count, MAX_CHUNKS_TRACED * size), size):
        chunk = mx.depends([picked[start : start + size]], found[-1:])[0]
        found.append(_pull_of_rows(head, chunk))
    if (done := sum(part.shape[0] for part in found)) < count:
        found.append(mx.zeros((count - done, flat.shape[1]), flat.dtype))
    return mx.concatenate(found)[every].reshape(hidden.shape)


def logits_gradient(logits: mx.array) -> mx.array:
    """The gradient of a loss over all of `logits`, [..., vocabulary], of the same shape
    and dtype."""
    wide = logits.reshape(-1, logits.shape[-1]).astype(mx.float32)
    places = (mx.arange(wide.shape[0]) % wide.shape[-1])[:, None]
    loss_of, gradient_of = row_functions()
    _, *kept = loss_of(wide, places)
    errors = gradient_of(wide, places, mx.ones((wide.shape[0], 1)), *kept)
    return errors.astype(logits.dtype).reshape(logits.shape)


def _pull_of_rows(head: SplitModel, rows: mx.array) -> mx.array:
    def logits_of(rows: mx.array) -> mx.array:
        return head.logits(rows).astype(mx.float32)

    _, (gradient,) = mx.vjp(logits_of, [rows], [logits_gradient(logits_of(rows))])
    return gradient
