"""Tolerances between two right ways of computing the same, by the device's precision."""

import operator
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import mlx.core as mx
import numpy as np

_SIZE = 256
_EXACT = 1e-5
"""Of a product: float32 is off by some 1e-7, TF32 by some 3e-4."""


@dataclass(frozen=True)
class Tolerance:
    """By type of number, relative to a size that the user of the tolerance chooses."""

    float32: float
    float16: float
    bfloat16: float

    def for_dtype(self, dtype: mx.Dtype) -> float:
        """For numbers of this MLX type; 0 where there is none.

        That for float16 holds for float32 where the device rounds factors to as many bits.
        """
        name = str(dtype).rpartition(".")[2]
        is_rounded = name == "float32" and product_error() > _EXACT
        return float(getattr(self, "float16" if is_rounded else name, 0.0))


LOGITS = Tolerance(float32=1e-4, float16=1e-2, bfloat16=5e-2)
"""Of the largest logit: products of other row counts add up in another order."""
HIDDEN_STATES = Tolerance(float32=1e-3, float16=1e-2, bfloat16=5e-2)
"""Of a token's hidden state, on average: positions are rounded, and products of other row counts
add up in another order."""
GRADIENTS = Tolerance(float32=1e-3, float16=3e-2, bfloat16=2e-1)
"""Of a tensor's gradient, or of a loss."""

LOSSES = Tolerance(float32=1e-3, float16=1e-2, bfloat16=3e-2)
"""Of a mean loss over some hundred tokens, where the rounding of single logits averages out."""


@cache
def product_error(product: Callable[[mx.array, mx.array], mx.array] = operator.matmul) -> float:
    """The relative error of float32 products, [n, n], on this device.

    CUDA and Apple's M5 round the factors to TF32, 11 significant bits, unless MLX_ENABLE_TF32 is 0.
    """
    random = np.random.default_rng(0)
    one, other = (random.normal(size=(_SIZE, _SIZE)).astype(np.float32) for _ in range(2))
    exact = one.astype(np.float64) @ other.astype(np.float64)
    error = np.array(product(mx.array(one), mx.array(other))) - exact
    return float(np.linalg.norm(error) / np.linalg.norm(exact))
