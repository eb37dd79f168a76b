"""How far two right ways of computing the same may lie apart, by the precision of the device."""

import operator
from collections.abc import Callable, Mapping
from functools import cache

import mlx.core as mx
import numpy as np

_SIZE = 256
_EXACT = 1e-5
"""Of a product: float32 is off by some 1e-7, TF32 by some 3e-4."""


def tolerance(by_type: Mapping[str, float], dtype: mx.Dtype) -> float:
    """The entry of `by_type` for numbers of this MLX type; 0 where there is none.

    The one for float16 holds for float32 where the device rounds factors to as many bits.
    """
    name = str(dtype).rpartition(".")[2]
    is_rounded = name == "float32" and product_error() > _EXACT
    return by_type.get("float16" if is_rounded else name, 0.0)


@cache
def product_error(product: Callable[[mx.array, mx.array], mx.array] = operator.matmul) -> float:
    """Of float32 products on this device, relative to their size.

    CUDA and Apple's M5 round the factors to TF32, 11 significant bits, unless MLX_ENABLE_TF32 is 0.
    """
    random = np.random.default_rng(0)
    one, other = (random.normal(size=(_SIZE, _SIZE)).astype(np.float32) for _ in range(2))
    exact = one.astype(np.float64) @ other.astype(np.float64)
    error = np.array(product(mx.array(one), mx.array(other))) - exact
    return float(np.linalg.norm(error) / np.linalg.norm(exact))
