"""The most memory one batch's loss and gradients take, found by tracing the model's own code.

Weights are not read and nothing is computed. Layers of one kind cost the same, so only a few of
each kind are traced, and the others counted.
"""

STEP
@dataclass(frozen=True)
class Batch:
    """What of a batch decides its memory."""

    rows: int
    length: int
    trained_share: float


def step_bytes(model: Any, batch: Batch, *, recompute: bool) -> int:
    """Bytes beyond weights and optimizer state; gradients included.

    `model` carries its adapter. Raises ValueError or RuntimeError where its code can't be traced.
    """
    path = layers_of(model) or ""
    kinds = _kinds(model, path)
    few = {index for layers in kinds for index in layers[-TRACED_OF_A_KIND:]}

    def bytes_with(kept: set[int]) -> int:
        return peak_bytes(_Trace(model, path, kept).graph(batch, recompute))

    total = base = bytes_with(few)
    for layers in kinds:
        if rest := layers[:-TRACED_OF_A_KIND]:
            total += len(rest) * (bytes_with(few | {rest[-1]}) - base)
    return total


class _Trace:
    """Traces the step of `model` with only the `kept` ones of the layers at `path`."""

    def __init__(self, model: Any, path: str, kept: set[int]) -> None:
        self._model, self._path, self._kept = model, path, kept

    def graph(self, batch: Batch, recompute: bool) -> Graph:
        mx = import_mlx()
        from mlx.utils import tree_flatten, tree_unflatten

        model = self._model
        weights = dict(tree_flatten(model.parameters()))
        head = likely_head(model)
        forward: Pull = head.hidden if head else model
        pull = pull_of_hidden(head) if head else pull_of_logits
        gradients = self._recomputed if recompute else self._kept_whole

        def step(tokens: Any, *values: Any) -> list[Any]:
            model.update(tree_unflatten(list(zip(weights, values, strict=True))))
            return gradients(lambda: forward(tokens[:, :-1]), pull)

        tokens = mx.zeros((batch.rows, batch.length), mx.int32)
        try:
            return traced(step, tokens, *weights.values())
        finally:
            model.update(tree_unflatten(list(weights.items())))

    def _kept_whole(self, forward: Callable[[], Any], pull: Pull) -> list[Any]:
        """The gradients, all activations being kept."""
        mx = import_mlx()
        from mlx.utils import tree_unflatten

        def loss(parameters: dict[str, Any]) -> Any:
            self._model.update(tree_unflatten(list(parameters.items())))
            with self._layers({}):
                given = forward()
            return (given * mx.stop_gradient(pull(given))).sum()

        taught = {
            path: array
            for path, array in _taught(self._model).items()
            if layer_index(path) in {*self._kept, None}
        }
        return list(mx.grad(loss)(taught).values())

    def _recomputed(self, forward: Callable[[], Any], pull: Pull) -> list[Any]:
        """The gradients, each layer being computed again in the backward pass.

        By hand, as `mx.checkpoint` itself can't be traced.
        """
        mx = import_mlx()
        calls: list[_Call] = []
        layers = module_at(self._model, self._path)
        recorded = {index: _Recorded(layers[index], calls) for index in self._kept}
        with self._layers(recorded):
            given = forward()
        lowest = next((i for i, call in enumerate(calls) if call.trains), len(calls))
        gradient = mx.depends([mx.zeros_like(calls[-1].output)], [pull(given)])[0]
        found: list[Any] = []
        for call in reversed(calls[lowest:]):
            gradient, *more = call.gradients(gradient)
            found += more
        return found

    @contextmanager
    def _layers(self, instead: Mapping[int, Any]) -> Iterator[None]:
        """Inside, layers give way to those `instead`, and those not kept pass on their input."""
        layers = module_at(self._model, self._path)
        originals = list(layers)
        for index, layer in enumerate(originals):
            if index not in self._kept:
                layers[index] = _PassedThrough(layer)
        for index, layer in instead.items():
            layers[index] = layer
        try:
            yield
        finally:
            layers[:] = originals


