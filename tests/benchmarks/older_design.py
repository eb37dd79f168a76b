"""The design Nestling began from: deep copy of all weights, walk of the tree, eager Adam."""

from collections.abc import Sequence
from typing import Any

from app.engine.batches.batches import Batch
from app.engine.execution.losses import loss_inputs, sum_cross_entropy


class OlderDesign:
    def __init__(self, model: Any) -> None:
        import mlx.nn as nn

        self._model = model
        self._moments: dict[str, tuple[Any, Any]] = {}
        self._step = 0
        self._loss = nn.value_and_grad(
            model, lambda *inputs: sum_cross_entropy(model, None, *inputs)
        )

    def steps(self, batches: Sequence[Batch]) -> None:
        for batch in batches:
            self._run(batch)

    def _run(self, batch: Batch) -> None:
        import mlx.core as mx
        from mlx.utils import tree_flatten, tree_map, tree_map_with_path

        self._step += 1
        loss, tree = self._loss(*loss_inputs(batch, None))
        mx.eval(loss, tree)
        gradients = {p: g / batch.trained_tokens for p, g in tree_flatten(tree)}
        copies = tree_map(lambda array: array + 0, self._model.parameters())
        mx.eval(copies)

        def moved(path: str, old: Any) -> Any:
            if path not in gradients:
                return old
            g = gradients[path]
            m, v = self._moments.get(path, (mx.zeros_like(g), mx.zeros_like(g)))
            m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * mx.square(g)
            self._moments[path] = m, v
            rate = 1e-4 / (1 - 0.9**self._step)
            new = old - rate * m / (mx.sqrt(v / (1 - 0.999**self._step)) + 1e-8)
            mx.eval(new, m, v)
            return new

        self._model.update(tree_map_with_path(moved, copies))
        mx.eval(self._model.parameters())
