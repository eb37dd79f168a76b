"""Finds the peak memory of a graph by simulating MLX's evaluation (mlx/transforms.cpp, eval_impl).

Operations run in MLX's order. A value is freed after its last use, or donates its buffer to the
result. A dispatched operation keeps its inputs until the device has run it, some operations later.
"""

from collections import Counter, deque

from app.engine.memory.computation_graph import Graph, Operation

MAX_WIDTH = 8
"""MLX uses 20. With 8, the chunks of attention run one after the other, as they do with the custom
gradient, which is not traced."""
IN_FLIGHT = 66
"""Dispatches by which the device lags behind. MLX allows 100; 66 fits the measurements."""

_VIEWS = {
    "AsStrided", "Broadcast", "BroadcastAxes", "Copy", "Depends", "ExpandDims", "Flatten",
    "Reshape", "Slice", "Split", "Squeeze", "StopGradient", "Transpose", "Unflatten", "View",
}  # fmt: skip
_RESHAPES = frozenset({"Reshape", "Flatten", "Unflatten"})
_PARTS = frozenset({"Slice", "Split", "Broadcast", "BroadcastAxes", "AsStrided"})
_IN_PLACE = {
    "Abs", "Add", "AsType", "Cos", "Divide", "Erf", "Exp", "Log", "Maximum", "Minimum", "Multiply",
    "Negative", "Power", "Scatter", "ScatterAxis", "Select", "Sigmoid", "Sin", "SliceUpdate",
    "Softmax", "Sqrt", "Square", "Subtract", "Tanh",
}  # fmt: skip
"""Operations that can write their result into an input's buffer."""


def peak_bytes(graph: Graph, in_flight: int = IN_FLIGHT) -> int:
    """The peak memory in bytes beyond the inputs; outputs are kept to the end."""
    return _Replay(graph, in_flight).run()


def evaluation_order(graph: Graph) -> list[Operation]:
    """MLX's order of the operations: breadth first from the outputs, with bounded width."""
    producer = {name: op for op in graph.operations for name in op.outputs}
    ends = [producer[name] for name in graph.outputs if name in producer]
    before = {
        id(op): [producer[name] for name in op.inputs if name in producer]
        for op in graph.operations
    }
    waiting = _uses(ends, before)
    tape: list[Operation] = []
    paused: list[tuple[list[Operation], int]] = [(ends, 0)]
    at = 0
    while at < len(tape) or paused:
        # The tape comes first. Then the inputs that were paused at MAX_WIDTH, the last ones first.
        if at < len(tape):
            inputs, start = before[id(tape[at])], 0
            at += 1
        else:
            inputs, start = paused.pop()
        for index in range(start, len(inputs)):
            if len(tape) - at >= MAX_WIDTH:
                paused.append((inputs, index))
                break
            op = inputs[index]
            waiting[id(op)] -= 1
            if waiting[id(op)] == 0:
                tape.append(op)
    return tape[::-1]


def _uses(ends: list[Operation], before: dict[int, list[Operation]]) -> Counter[int]:
    """Id of each needed operation → how often it is an input or output of the graph."""
    uses: Counter[int] = Counter()
    stack, seen = list(ends), set[int]()
    uses.update(id(op) for op in ends)
    while stack:
        op = stack.pop()
        if id(op) not in seen:
            seen.add(id(op))
            uses.update(id(earlier) for earlier in before[id(op)])
            stack += before[id(op)]
    return uses


class _Buffer:
    """Memory that one or more values share."""

    __slots__ = ("holders", "size_bytes")

    def __init__(self, size_bytes: int) -> None:
        self.size_bytes = size_bytes
        self.holders = 0


class _Replay:
    def __init__(self, graph: Graph, in_flight: int) -> None:
        self._max_in_flight = in_flight
        self._values = graph.values
        self._order = evaluation_order(graph)
        self._uses = Counter(name for op in self._order for name in op.inputs)
        self._uses.update(graph.outputs)
        # The graph's inputs don't count and are never freed.
        self._buffers: dict[str, _Buffer | None] = dict.fromkeys(graph.inputs)
        self._layouts = dict.fromkeys(graph.inputs, "rows")
        self._in_flight: deque[tuple[int, _Buffer]] = deque()
        self._dispatched = 0
        self._live_bytes = self._peak = 0

    def run(self) -> int:
        for op in self._order:
            while self._in_flight and self._in_flight[0][0] <= self._dispatched:
                self._release(self._in_flight.popleft()[1])
            if self._is_view(op):
                self._view(op)
            else:
                self._compute(op)
            self._dispatch(op)
            self._peak = max(self._peak, self._live_bytes)
        return self._peak

    def _is_view(self, op: Operation) -> bool:
        is_spread = op.kind in _RESHAPES and self._layouts[op.inputs[0]] != "rows"
        return op.kind in _VIEWS and not is_spread

    def _view(self, op: Operation) -> None:
        self._dispatched += 1
        for index, name in enumerate(op.outputs):
            source = op.inputs[index if op.kind == "Depends" else 0]
            self._assign(name, self._buffers[source])
            self._layouts[name] = self._layout_of_view(op, source, name)

    def _layout_of_view(self, op: Operation, source: str, name: str) -> str:
        """ "rows", "columns" (the last two axes exchanged), or "spread"."""
        layout = self._layouts[source]
        if op.kind == "Transpose":
            last = self._values[name].dimensions - 1
            if op.axes == (*range(last - 1), last, last - 1):
                return {"rows": "columns", "columns": "rows"}.get(layout, "spread")
            return layout if op.axes == tuple(range(last + 1)) else "spread"
        is_part = self._values[name].size_bytes != self._values[source].size_bytes
        return "spread" if op.kind in _PARTS and is_part else layout

    def _compute(self, op: Operation) -> None:
        self._dispatched += 2
        donor = self._donor(op)
        for name in op.outputs:
            self._layouts[name] = self._layouts[donor] if donor else "rows"
            size = self._values[name].size_bytes
            self._assign(name, self._buffers[donor] if donor else self._allocated(size))
        if op.kind == "Matmul":
            for name in op.inputs:
                if self._layouts[name] == "spread":  # MLX copies it into rows first
                    self._retain(self._allocated(self._values[name].size_bytes))

    def _donor(self, op: Operation) -> str | None:
        """The input that can donate its buffer to the result: same size, and used here for the last
        time."""
        if op.kind not in _IN_PLACE:
            return None
        result = self._values[op.outputs[0]]
        for name in op.inputs:
            buffer, value = self._buffers[name], self._values[name]
            is_alike = (value.size_bytes, value.item_bytes) == (
                result.size_bytes,
                result.item_bytes,
            )
            is_last = self._uses[name] == op.inputs.count(name)
            is_alone = buffer is not None and buffer.holders == 1
            if (
                buffer
                and is_alike
                and is_last
                and is_alone
                and buffer.size_bytes == value.size_bytes
            ):
                return name
        return None

    def _dispatch(self, op: Operation) -> None:
        result = self._buffers[op.outputs[0]]
        for name in set(op.inputs):
            buffer = self._buffers[name]
            if buffer is not None and buffer is not result:
                self._retain(buffer)
        for name in (*op.inputs, *(name for name in op.outputs if not self._uses[name])):
            self._uses[name] -= 1
            buffer = self._buffers[name]
            if self._uses[name] <= 0 and buffer is not None:
                self._release(buffer)

    def _allocated(self, size_bytes: int) -> _Buffer:
        self._live_bytes += size_bytes
        return _Buffer(size_bytes)

    def _assign(self, name: str, buffer: _Buffer | None) -> None:
        self._buffers[name] = buffer
        if buffer is not None:
            buffer.holders += 1

    def _retain(self, buffer: _Buffer) -> None:
        """Keep a buffer until the device has run what was dispatched so far."""
        buffer.holders += 1
        self._in_flight.append((self._dispatched + self._max_in_flight, buffer))

    def _release(self, buffer: _Buffer) -> None:
        buffer.holders -= 1
        if buffer.holders == 0:
            self._live_bytes -= buffer.size_bytes
