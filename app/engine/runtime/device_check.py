"""Checks that MLX computes: device, shaders, and a product and a gradient as NumPy has them."""

import sys
from pathlib import Path

import mlx.core as mx
import numpy as np

from app.core.errors import RunError
from app.core.system.compute_libraries import SHADERS, shader_target
from app.engine.runtime.mlx_runtime import device_name, uses_compile

SIZE = 128
_TOLERANCE = 1e-3
"""Relative to the largest value of the product; GPUs sum in another order, some in TF32."""


def describe_device() -> str:
    """ "Apple M3 Max, mlx.metallib 146.9 MB for macOS 14.0"."""
    return f"{device_name()}{_shaders(sys.platform)}"


def _shaders(platform: str) -> str:
    if platform != "darwin":
        return ""
    path = Path(str(mx.__file__)).parent / "lib" / SHADERS
    if not path.is_file():
        raise RunError(f"{path}: MLX's shaders are missing.", "Install Nestling again.")
    size, target = path.stat().st_size / 1e6, shader_target(path)
    return f", {SHADERS} {size:.1f} MB for macOS {target}"


def check_product() -> str:
    """Multiply two matrices and differentiate the product's sum. Raises RunError."""
    left, right = map(_matrix, (1, 2))
    product = np.array(left @ right)
    error = _error(product, np.array(left) @ np.array(right))
    if not error <= _TOLERANCE:
        raise RunError(f"A product of two matrices is off by {error:.2g} of its largest value.")
    gradient = mx.grad(lambda x: mx.sum(x @ right))
    work = mx.compile(gradient) if uses_compile() else gradient
    wanted = np.broadcast_to(np.array(right).sum(axis=1), (SIZE, SIZE))
    off = _error(np.array(work(left)), wanted)
    if not off <= _TOLERANCE:
        raise RunError(f"A gradient is off by {off:.2g} of its largest value.")
    how = "compiled" if uses_compile() else "not compiled on the CPU"
    return f"{SIZE}×{SIZE} product off by {error:.1g}, gradient ({how}) by {off:.1g}"


def _matrix(seed: int) -> mx.array:
    random = np.random.default_rng(seed).standard_normal((SIZE, SIZE)).astype(np.float32)
    return mx.array(random)


def _error(found: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.abs(found - wanted).max() / np.abs(wanted).max())
