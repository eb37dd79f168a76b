"""The tolerance of a comparison follows from how exactly the device multiplies."""

from typing import Any

import mlx.core as mx
import pytest

from app.engine.runtime import tolerances
from app.engine.runtime.tolerances import Tolerance, product_error

TOLERANCE = Tolerance(float32=1e-3, float16=3e-2, bfloat16=2e-1)


def product_in_tf32(one: Any, other: Any) -> Any:
    """Factors of 11 significant bits, sums in float32: CUDA's and the M5's float32 product."""

    def rounded(array: Any) -> Any:
        bits = array.view(mx.uint32)
        return ((bits + 0x1000) & 0xFFFFE000).view(mx.float32)

    return rounded(one) @ rounded(other)


def test_float32_products_of_this_processor_are_exact() -> None:
    assert product_error() < 1e-6
    assert TOLERANCE.for_dtype(mx.float32) == TOLERANCE.float32


def test_a_device_that_rounds_factors_is_noticed() -> None:
    assert 1e-4 < product_error(product_in_tf32) < 1e-3


def test_where_factors_are_rounded_float32_is_compared_as_float16_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    error = product_error(product_in_tf32)
    monkeypatch.setattr(tolerances, "product_error", lambda: error)
    allowed = {dtype: TOLERANCE.for_dtype(dtype) for dtype in (mx.float32, mx.float16, mx.bfloat16)}
    assert allowed == {mx.float32: 3e-2, mx.float16: 3e-2, mx.bfloat16: 2e-1}


def test_a_type_without_an_entry_has_no_tolerance() -> None:
    assert TOLERANCE.for_dtype(mx.int32) == 0.0
