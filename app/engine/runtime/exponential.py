"""The exponential where it is most of the work: MLX's own, or on an x86 processor a quicker one.

There MLX computes `exp` one number at a time, 20–23 ns each; its `power` goes to the C library,
which takes 6 and is also nearer to the truth (tests/benchmarks/README.md). Apple's processors and
GPUs compute several at once.
"""

import math
import platform
from functools import cache
from typing import Any

from app.engine.runtime.custom_gradients import is_tracing
from app.engine.runtime.mlx_gateway import compiles, import_mlx


def exponential(array: Any) -> Any:
    """e to the power of each number, in the array's dtype."""
    mx = import_mlx()
    return mx.power(math.e, array) if _power_is_quicker() else mx.exp(array)


def softmax_in_parts(scores: Any) -> tuple[Any, Any]:
    """(weights, totals): softmax over the last axis is the one divided by the other.

    The weights are of the shape and dtype of `scores`; totals are in float32, one for each row, or
    a single 1 with float16 or where MLX's own softmax is the quickest. Computed in float32. A row
    that is -inf throughout gives NaN, as MLX's does.
    """
    mx = import_mlx()
    if not _power_is_quicker():
        return mx.softmax(scores, axis=-1, precise=True), mx.array(1, scores.dtype)
    wide = scores.astype(mx.float32)
    powers = exponential(wide - mx.max(wide, axis=-1, keepdims=True))
    total = mx.sum(powers, axis=-1, keepdims=True)
    if scores.dtype == mx.float16:  # it overflows where many weights of 1 are summed up
        return (powers / total).astype(scores.dtype), mx.array(1, scores.dtype)
    return powers.astype(scores.dtype), total


@cache
def _is_x86() -> bool:
    return platform.machine().lower() in ("x86_64", "amd64")


def _power_is_quicker() -> bool:
    # A trace is differentiated as it stands, and the gradient of a power asks for logarithms; ours,
    # written by hand, does not.
    return _is_x86() and not compiles() and not is_tracing()
