"""Finds the peak memory of one batch's loss and gradients by tracing the model's own code.

Reads no weights and computes nothing. Layers of one kind cost the same, so only a few of each kind
are traced, and the others are extrapolated. The custom gradient in `app.engine.execution.losses`
can't be traced; the same computation is repeated here without it.
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
"""From this number on, each further layer of a kind adds the same memory."""
MAX_KNOWN = 256
MAX_OPERATIONS = 15_000
"""The most operations of a trace. A model that processes a row token by token has operations for
each token, and tracing a long row would take minutes."""
_SHORT = (32, 64)
"""Two row lengths to measure the operations per token. For shorter rows, the number of the loss's
chunks grows."""

_known: dict[object, int] = {}
"""Cached results: a run repeats the window's estimate, and a resumed run its own."""


def step_bytes(model: LanguageModel, shape: BatchShape, *, recompute: bool) -> int:
    """The peak memory in bytes beyond weights and optimizer state, including gradients.

    `model` carries its adapter. `recompute` turns on gradient checkpointing. Raises ValueError or
    RuntimeError if the model's code can't be traced.
    """
    model_key = trace_key(model)
    if model_key is None:
        return _traced_bytes(model, shape, recompute)
    key = (model_key, shape, recompute)
    if key not in _known:
        size_bytes = _traced_bytes(model, shape, recompute)
        if len(_known) >= MAX_KNOWN:
            _known.clear()
        _known[key] = size_bytes
    return _known[key]


def _traced_bytes(model: LanguageModel, shape: BatchShape, recompute: bool) -> int:
    path = find_layers_path(model)
    if path is None:
        raise ValueError("The model's layers were not found.")
    calls = trace_layer_calls(model, path)
    gives_more = any(call.gives_more for call in calls)
    if gives_more and recompute:
        raise ValueError("A layer's output that several layers use can't be recomputed in a trace.")
    # A layer that is never called as a whole can be neither skipped nor recomputed.
    trace = _Trace(model, path, shape, recompute and bool(calls))
    kinds = layer_kinds(model, path)
    if gives_more or not calls:
        kinds = [[index] for index in range(len(get_module(model, path)))]
    if shape.longest > max(_SHORT):
        _check_operations(model, path, {layers[-1] for layers in kinds}, shape)
    # With few traced layers, the loss can set the peak and hide the memory of each further layer.
    return max(_counted(trace, kinds, with_loss=True), _counted(trace, kinds, with_loss=False))


def _check_operations(
    model: LanguageModel, path: str, traced_layers: set[int], shape: BatchShape
) -> None:
    """Raise ValueError if the operations grow with the tokens beyond MAX_OPERATIONS."""
    short, longer = (
        len(_Trace(model, path, BatchShape((length,)), False).graph(traced_layers).operations)
        for length in _SHORT
    )
    per_token = (longer - short) / (_SHORT[1] - _SHORT[0])
    if longer + per_token * (shape.read_size[1] - _SHORT[1]) > MAX_OPERATIONS:
        raise ValueError("The model computes token by token, and the row is long.")


def _counted(trace: "_Trace", kinds: list[list[int]], *, with_loss: bool) -> int:
    """The peak with all layers: that of a few of each kind, plus a constant per further one."""
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
        if self._recompute and uses_compile():  # RunAheadLimit then prevents running ahead
            return int(HEADROOM * peak_bytes(graph, in_flight=0))
        return peak_bytes(graph)

    def graph(self, traced_layers: set[int], with_loss: bool = True) -> Graph:
        """The graph of the gradients through `traced_layers`; the other layers are skipped."""
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
        """The gradients, with all activations kept for the backward pass."""

        def loss(adapter: Arrays) -> mx.array:
            put(self._model, adapter)
            forward_output = self._forward(tokens)
            return (forward_output * mx.stop_gradient(self._cotangent(forward_output))).sum()

        return list(mx.grad(loss)(traced_parameters(self._model)).values())

    def _checkpointed(self, tokens: mx.array, traced_layers: set[int]) -> list[mx.array]:
        """The gradients with gradient checkpointing: each layer is recomputed in the backward pass.

        Written out, because `mx.checkpoint` can't be traced.
        """
        calls: list[Call] = []
        layers = get_module(self._model, self._path)
        recording = {index: recording_layer(layers[index], calls) for index in traced_layers}
        with replaced_layers(self._model, self._path, recording):
            forward_output = self._forward(tokens)
        cotangent = self._cotangent(forward_output)
        gradient = mx.depends([mx.zeros_like(calls[-1].hidden_output)], [cotangent])[0]
        lowest = next(
            (i for i, call in enumerate(calls) if traced_parameters(call.layer)), len(calls)
        )
        gradients: list[mx.array] = []
        for call in reversed(calls[lowest:]):
            gradient, *of_parameters = call.gradients(gradient)
            gradients += of_parameters
        return gradients

    def _forward(self, tokens: mx.array) -> mx.array:
        return self._head.hidden(tokens) if self._head else self._model(tokens)

    def _cotangent(self, forward_output: mx.array) -> mx.array:
        """The loss's gradient with respect to the output of the forward pass."""
        if not self._with_loss:
            return mx.depends([mx.zeros_like(forward_output)], [forward_output])[0]
        return (
            hidden_gradient(self._head, forward_output)
            if self._head
            else logits_gradient(forward_output)
        )


def trace_key(model: LanguageModel) -> object | None:
    """A key that is equal for models with the same architecture, settings, adapter, shapes and
    dtypes, whatever their weights; None if a model has no `args`."""
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
"""Far more chunks than are in flight at once."""


def hidden_gradient(head: SplitModel, hidden: mx.array) -> mx.array:
    """The gradient of `hidden`, [rows, tokens, width], computed as in the fused loss with every
    token trained; same shape and dtype."""
    flat = hidden.reshape(-1, hidden.shape[-1])
    count = flat.shape[0]
    positions = mx.arange(count)
    trained, gradients = flat[positions], list[mx.array]()
    size = chunk_rows(head.vocabulary)
    for start in range(0, min(count, MAX_CHUNKS_TRACED * size), size):
        chunk = mx.depends([trained[start : start + size]], gradients[-1:])[0]
        gradients.append(_gradient_of_rows(head, chunk))
    if (done := sum(part.shape[0] for part in gradients)) < count:
        gradients.append(mx.zeros((count - done, flat.shape[1]), flat.dtype))
    return mx.concatenate(gradients)[positions].reshape(hidden.shape)


def logits_gradient(logits: mx.array) -> mx.array:
    """The gradient of cross-entropy over all `logits`, [..., vocabulary]; same shape and dtype."""
    wide = logits.reshape(-1, logits.shape[-1]).astype(mx.float32)
    places = (mx.arange(wide.shape[0]) % wide.shape[-1])[:, None]
    loss_of, gradient_of = row_functions()
    _, *kept = loss_of(wide, places)
    errors = gradient_of(wide, places, mx.ones((wide.shape[0], 1)), *kept)
    return errors.astype(logits.dtype).reshape(logits.shape)


def _gradient_of_rows(head: SplitModel, rows: mx.array) -> mx.array:
    def logits_of(rows: mx.array) -> mx.array:
        return head.logits(rows).astype(mx.float32)

    _, (gradient,) = mx.vjp(logits_of, [rows], [logits_gradient(logits_of(rows))])
    return gradient
