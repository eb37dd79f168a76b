"""The quicker exponential gives the numbers that MLX's own gives, where those are right."""

import math
import platform
from typing import Any

import numpy as np
import pytest

from app.engine.runtime import exponential as module
from app.engine.runtime.exponential import exponential, softmax_in_parts
from app.engine.runtime.mlx_gateway import import_mlx

mx = import_mlx()


@pytest.fixture(params=[True, False], ids=["power", "MLX's own"])
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_is_x86", lambda: request.param)


@pytest.mark.usefixtures("_way")
def test_the_exponential_is_right_to_the_last_digits() -> None:
    numbers = np.random.default_rng(0).uniform(-80, 5, 20_000).astype(np.float32)
    true = np.exp(numbers.astype(np.float64))
    found = np.array(exponential(mx.array(numbers)), np.float64)
    # What x is off in its last digit, e^x is off as much; beside it a few roundings.
    assert (np.abs(found / true - 1) <= 2**-23 * (np.abs(numbers) + 3)).all()


@pytest.mark.usefixtures("_way")
def test_what_is_no_ordinary_number_stays_so() -> None:
    found = exponential(mx.array([-math.inf, -200.0, 0.0, math.inf, math.nan])).tolist()
    assert found[:4] == [0.0, 0.0, 1.0, math.inf]
    assert math.isnan(found[4])


@pytest.mark.usefixtures("_way")
@pytest.mark.parametrize("dtype", [mx.float32, mx.float16, mx.bfloat16], ids=str)
def test_softmax_is_that_of_mlx(dtype: Any) -> None:
    scores = (10 * mx.random.normal((3, 40, 70), key=mx.random.key(1))).astype(dtype)
    scores[0, :, 30:] = mx.finfo(dtype).min
    scores[1, :, 5:] = -math.inf
    weights, totals = softmax_in_parts(scores)
    assert weights.dtype == dtype
    found, true = weights / totals, mx.softmax(scores, axis=-1, precise=True)
    rounding = {mx.float32: 1e-6, mx.float16: 2**-10, mx.bfloat16: 2**-7}[dtype]
    assert mx.allclose(found.astype(mx.float32), true.astype(mx.float32), rounding, 1e-7).item()


@pytest.mark.usefixtures("_way")
def test_many_equal_scores_overflow_nothing_in_float16() -> None:
    weights, totals = softmax_in_parts(mx.zeros((1, 4096), mx.float16))
    values = mx.full((4096, 2), 50.0, mx.float16)
    assert mx.allclose(weights @ values / totals, values[:1], rtol=2**-9).item()


def test_a_row_without_any_score_is_void_as_with_mlx() -> None:
    weights, totals = softmax_in_parts(mx.full((2, 8), -math.inf))
    assert mx.isnan(weights / totals).all().item()


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="it is not used here")
def test_on_x86_it_is_nearer_to_the_truth() -> None:
    numbers = np.random.default_rng(1).uniform(-20, 0, 100_000).astype(np.float32)
    true = np.exp(numbers.astype(np.float64))
    far, near = (
        np.abs(np.array(way(mx.array(numbers)), np.float64) / true - 1).max()
        for way in (mx.exp, exponential)
    )
    assert near < far
