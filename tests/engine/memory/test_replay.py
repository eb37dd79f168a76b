"""The replay counts what MLX would hold, on graphs small enough to count by hand."""

from typing import Any

import mlx.core as mx
import pytest

from app.engine.memory.computation_graph import traced
from app.engine.memory.graph_memory import peak_bytes

ONE = 4 * 1000
"""Bytes of one array of 1000 numbers."""


def peak_of(function: Any, *shapes: tuple[int, ...]) -> int:
    return peak_bytes(traced(function, *(mx.zeros(shape) for shape in shapes)))


def test_outputs_are_counted_and_inputs_are_not() -> None:
    assert peak_of(lambda a, b: [a + b, a * b], (1000,), (1000,)) == 2 * ONE


def test_a_result_takes_the_buffer_of_an_array_no_longer_used() -> None:
    assert peak_of(lambda a: [mx.exp(mx.exp(mx.exp(a)))], (1000,)) == ONE


def test_an_array_used_later_is_kept() -> None:
    def function(a: Any) -> list[Any]:
        first = mx.exp(a)
        return [mx.sin(first) + first]

    assert peak_of(function, (1000,)) == 2 * ONE


def test_views_cost_nothing_and_their_copies_do() -> None:
    assert peak_of(lambda a: [mx.exp(a).reshape(20, 50).T], (1000,)) == ONE
    assert peak_of(lambda a: [mx.exp(a).reshape(20, 50).T.reshape(-1)], (1000,)) == 2 * ONE


def test_tracing_computes_nothing() -> None:
    huge = mx.zeros((1 << 20, 1 << 20))
    assert peak_bytes(traced(lambda a: [(a * 2).sum()], huge)) >= 4 << 40
    assert mx.get_active_memory() < 1 << 33


def test_an_opaque_operation_is_an_error_and_not_a_number() -> None:
    with pytest.raises(ValueError, match="CustomTransforms"):
        peak_of(lambda a: [mx.checkpoint(mx.exp)(a)], (10,))
