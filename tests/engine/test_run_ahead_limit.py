"""Where layers are recomputed MLX does not run ahead: a step holds little more than it needs."""

from typing import Any

import mlx.core as mx
import numpy as np
import pytest

from app.engine.batches.batches import Batch
from app.engine.runtime.mlx_runtime import RunAheadLimit
from tests.engine.packed_models import training_step

WIDTH = 256


def _batch() -> Batch:
    tokens = np.random.default_rng(0).integers(3, 250, (4, 64)).astype(np.int32)
    return Batch(tokens, np.ones((4, 64), np.float32))


def _limit() -> int:
    before: int = mx.set_memory_limit(2**40)
    mx.set_memory_limit(before)
    return before


def _many_products(x: Any) -> Any:
    """Handed over at once, each keeps what it reads until it is computed."""
    for _ in range(60):
        x = mx.tanh(x @ x * 1e-3)
    return x


def _peak_of_products(bound: RunAheadLimit) -> int:
    x = mx.random.normal((WIDTH, WIDTH), key=mx.random.key(0))
    mx.eval(x)
    mx.synchronize()
    active_before = mx.get_active_memory()
    mx.reset_peak_memory()
    with bound.enforced():
        mx.async_eval(found := _many_products(x))
    mx.eval(found)
    return int(mx.get_peak_memory() - active_before)


def test_work_that_runs_ahead_is_bounded_by_the_measured_need() -> None:
    bound = RunAheadLimit()
    size = WIDTH * WIDTH * 4
    # On a busy machine MLX may get less far ahead.
    assert any(_peak_of_products(bound) > 6 * size for _ in range(20))
    x = mx.random.normal((WIDTH, WIDTH), key=mx.random.key(0))
    mx.eval(x)
    with bound.measure():
        mx.eval(_many_products(x))
    assert size <= bound.needed_bytes <= 4 * size
    assert _peak_of_products(bound) <= 6 * size


def test_the_limit_is_restored_even_after_an_error() -> None:
    bound, before = RunAheadLimit(), _limit()
    with pytest.raises(KeyError), bound.measure():
        mx.eval(mx.zeros(1000))
        raise KeyError
    assert _limit() == before
    with bound.measure():
        mx.eval(mx.zeros(1000))
    assert bound.needed_bytes > 0
    with pytest.raises(KeyError), bound.enforced():
        assert _limit() < before
        raise KeyError
    assert _limit() == before


def test_steps_are_bounded_once_one_was_measured() -> None:
    step = training_step(recompute=True)
    assert step._gradients._bound.needed_bytes == 0
    step.measure_memory(_batch())
    assert step._gradients._bound.needed_bytes > 0


def test_a_bounded_step_moves_the_weights_as_any_other() -> None:
    bounded, free = training_step(recompute=True), training_step(recompute=True)
    bounded.measure_memory(_batch())
    for number in (1, 2, 3):
        ours, theirs = (step.run([_batch()], number, 1e-2) for step in (bounded, free))
        assert ours == theirs
    for a, b in zip(bounded._vectors, free._vectors, strict=True):
        assert mx.array_equal(a, b).item()
