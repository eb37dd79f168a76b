"""Tolerances for comparing two correct computations of one result, by the device's precision."""

import operator
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import mlx.core as mx
import numpy as np

_SIZE = 256
_EXACT = 1e-5
"""Largest relative error of a float32 product; float32 is off by about 1e-7, TF32 by 3e-4."""


@dataclass(frozen=True)
class Tolerance:
    """A relative tolerance for each dtype; the caller chooses the scale."""

    float32: float
    float16: float
    bfloat16: float

    def for_dtype(self, dtype: mx.Dtype) -> float:
        """The tolerance for this dtype; 0 for any other dtype.

        If the device rounds float32 factors to as few bits as float16 has, float32 gets float16's.
        """
        name = str(dtype).rpartition(".")[2]
        is_rounded = name == "float32" and product_error() > _EXACT
        return float(getattr(self, "float16" if is_rounded else name, 0.0))


LOGITS = Tolerance(float32=1e-4, float16=1e-2, bfloat16=5e-2)
"""Relative to the largest logit. Products with a different number of rows sum in another order."""
HIDDEN_STATES = Tolerance(float32=1e-3, float16=1e-2, bfloat16=5e-2)
"""Relative to a token's hidden state, averaged over tokens. Positions are rounded, and products
with a different number of rows sum in another order."""
GRADIENTS = Tolerance(float32=1e-3, float16=3e-2, bfloat16=2e-1)
"""Relative to the norm of a tensor's gradient, or to a loss."""

LOSSES = Tolerance(float32=1e-3, float16=1e-2, bfloat16=3e-2)
"""Relative to a mean loss over hundreds of tokens, where rounding of single logits averages out."""


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
