"""Traces a function of arrays as a graph of operations with sizes, without computing anything.

Knows nothing of training.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import prod

import mlx.core as mx

from app.engine.runtime.custom_gradients import tracing
from app.engine.runtime.named_arrays import JsonObject


@dataclass(frozen=True)
class Value:
    """Size and dimensions of an array in the graph."""

    size_bytes: int
    item_bytes: int
    dimensions: int


@dataclass(frozen=True)
class Operation:
    kind: str
    """MLX's name of the primitive, such as "Matmul"."""
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    axes: tuple[int, ...] = ()
    """Axes of a Transpose, otherwise empty."""


@dataclass
class Graph:
    """Operations in an order in which they could be computed."""

    values: dict[str, Value] = field(default_factory=dict)
    inputs: set[str] = field(default_factory=set)
    """Values that exist before: inputs and constants."""
    outputs: list[str] = field(default_factory=list)
    operations: list[Operation] = field(default_factory=list)

    def take(self, entry: JsonObject) -> None:
        """Add an entry that `mx.export_function` passes to its callback."""
        match entry["type"]:
            case "inputs":
                self.inputs.update(self._named(entry["inputs"]))
            case "constants":
                for name, array in entry["constants"]:
                    self.values[name] = Value(array.nbytes, array.itemsize, array.ndim)
                    self.inputs.add(name)
            case "outputs":
                self.outputs = [name for name, *_ in entry["outputs"]]
            case "primitive":
                self._add(entry)

    def _add(self, entry: JsonObject) -> None:
        inputs = tuple(name for name, *_ in entry["inputs"])
        arguments = entry["arguments"]
        axes = tuple(arguments[0]) if entry["name"] == "Transpose" and arguments else ()
        self.operations.append(
            Operation(entry["name"], inputs, self._named(entry["outputs"]), axes),
        )

    def _named(self, arrays: Sequence[tuple[str, Sequence[int], mx.Dtype]]) -> tuple[str, ...]:
        for name, shape, dtype in arrays:
            self.values[name] = Value(prod(shape) * dtype.size, dtype.size, len(shape))
        return tuple(name for name, *_ in arrays)


def traced(function: Callable[..., list[mx.array]], *inputs: mx.array) -> Graph:
    """The graph of `function(*inputs)`; only the inputs' shapes and dtypes matter.

    Pass every array that must not be computed as an input. Custom gradients are replaced by
    automatic ones, because MLX can't export them. Raises ValueError if MLX can't export an
    operation.
    """
    graph = Graph()
    with tracing():
        mx.export_function(graph.take, function, *inputs)
    return graph
