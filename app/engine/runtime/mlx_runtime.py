"""MLX's device, compilation, random state and caches; the import of mlx-lm; a limit on how far MLX
runs ahead of the GPU; and a check that MLX computes as NumPy does.

One thread uses MLX and ends with `close_thread()`.

MLX submits operations long before the GPU runs them, and keeps their inputs until then. At a step's
peak, that took twice the memory that the operations need one after the other
(tests/benchmarks/README.md). Above its memory limit, MLX waits instead. So a step's need is
measured once with a limit of 0, and later steps run with a limit slightly above that.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np

from app.core.errors import RunError
from app.core.system.child_processes import open_file_limit_kept
from app.core.system.compute_environment import ComputeEnvironment
from app.core.system.compute_libraries import SHADERS, shader_target
from app.core.system.memory import machine_bytes
from app.engine.runtime.mlx_import import load_mlx
from app.engine.runtime.named_arrays import ArrayFunction

CACHE_LIMIT_BYTES = 2 * 1024**3
"""Limit of MLX's cache of freed buffers; without it, the cache grows with every new shape."""

NUMERICS_VERSION = 3
"""Raised when the last bits of the same run change. Version 2 had custom exponentials on x86, and
computed the last layer's feed-forward part at trained tokens only; versions 1 and 3 do neither."""


def import_mlx_lm() -> Any:
    """Import `mlx_lm.utils` but keep the limit of open files, which mlx-lm lowers."""
    with open_file_limit_kept():
        import mlx_lm.utils
    return mlx_lm.utils


def has_mlx_lm() -> bool:
    """Whether mlx-lm is already imported."""
    return "mlx_lm.utils" in sys.modules


def device_name() -> str:
    """The device for the log: "Apple M3 Max" or "CPU with OpenBLAS 0.3.34"."""
    if mx.default_device().type == mx.DeviceType.cpu:
        return f"CPU with {load_mlx().name or 'the reference BLAS (slow)'}"
    return str(mx.device_info().get("device_name", "GPU"))


def current_computer() -> ComputeEnvironment:
    """The device and versions that determine the last bits of a run's numbers."""
    loaded, version = load_mlx(), str(mx.__version__)  # type: ignore[attr-defined]
    if mx.default_device().type != mx.DeviceType.cpu:
        mlx = f"{version}{_shaders(Path(str(mx.__file__)))}"
        return ComputeEnvironment(device_name(), "", mlx, NUMERICS_VERSION)
    blas = loaded.name or "the reference BLAS"
    if sys.platform == "darwin":
        blas = "Accelerate"
    elif loaded.kernels:
        blas += f" ({loaded.kernels})"
    return ComputeEnvironment("CPU", blas, version, NUMERICS_VERSION)


def _shaders(core: Path) -> str:
    """The macOS target of MLX's shaders, in parentheses; "" if there are none.

    MLX's wheels of one version have different kernels for each macOS target. The app bundle
    contains those for the oldest one.
    """
    try:
        return f" (shaders for macOS {shader_target(core.parent / 'lib' / SHADERS)})"
    except (OSError, ValueError):  # not an Apple GPU
        return ""


def maybe_compile(function: ArrayFunction, **captured: Any) -> ArrayFunction:
    """`mx.compile(function)` on a GPU; on the CPU `function` itself.

    On the CPU, MLX calls the host's C++ compiler. That speeds up a step by 2 to 15 %, but the first
    step of a first run took 69 s instead of 0.5 (tests/benchmarks/README.md), and not every
    computer has a compiler.
    """
    if not uses_compile():
        return function
    return mx.compile(function, **captured)


def uses_compile() -> bool:
    """Whether `maybe_compile` compiles on this device; then every new shape costs a trace."""
    return bool(mx.default_device().type != mx.DeviceType.cpu)


def has_fused_attention_gradient() -> bool:
    """Whether the gradient of MLX's attention needs no stored scores: on CUDA only."""
    return bool(mx.cuda.is_available())


def random_key() -> tuple[int, int]:
    """The random key of this thread, as two 32-bit numbers."""
    high, low = np.array(mx.random.state[0]).tolist()  # type: ignore[index]
    return high, low


def set_random_key(high: int, low: int) -> None:
    """Continue from a `random_key`."""
    mx.random.seed((high << 32) | low)


def clear_cache() -> None:
    """Free the buffers that MLX keeps for reuse."""
    mx.clear_cache()


def close_thread() -> None:
    """Call this at the end of a thread that used MLX; otherwise the process can abort at exit."""
    mx.clear_streams()


_DEVICE_KEYS = ("max_recommended_working_set_size", "total_memory", "memory_size")
"""MLX's keys for the device's memory on Metal and CUDA, the smallest size first."""


def available_bytes() -> int:
    """The memory recommended for the GPU, in bytes; on the CPU, the memory that this process may
    use."""
    facts = mx.device_info()
    for key in _DEVICE_KEYS:
        if isinstance(size := facts.get(key), int) and size > 0:
            return size
    return machine_bytes()


HEADROOM = 1.1
"""Factor on a step's measured memory. With less, MLX waits so often that the GPU idles."""


class RunAheadLimit:
    """Limits the memory of one run's steps; without effect until a step was measured."""

    def __init__(self) -> None:
        self.needed_bytes = 0
        """The largest measured need, beyond the memory in use before the step; 0 until measured."""

    @contextmanager
    def measure(self) -> Iterator[None]:
        """Inside, MLX doesn't run ahead; measures the memory of a step computed there."""
        active_bytes = mx.get_active_memory()
        mx.reset_peak_memory()
        with _limited_to(0):
            yield
            mx.synchronize()
        self.needed_bytes = max(self.needed_bytes, mx.get_peak_memory() - active_bytes)

    @contextmanager
    def enforced(self) -> Iterator[None]:
        """Inside, MLX waits for the GPU before it uses much more memory than the largest measured
        step."""
        if not self.needed_bytes:
            yield
            return
        with _limited_to(mx.get_active_memory() + int(HEADROOM * self.needed_bytes)):
            yield


@contextmanager
def _limited_to(limit_bytes: int) -> Iterator[None]:
    """Inside, MLX has this memory limit. It exceeds the limit if waiting frees no memory."""
    before = mx.set_memory_limit(limit_bytes)
    try:
        yield
    finally:
        mx.set_memory_limit(before)


SIZE = 128
_TOLERANCE = 1e-3
"""Relative to the largest value. GPUs sum in another order, and some use TF32."""


def describe_device() -> str:
    """ "Apple M3 Max, mlx.metallib 146.9 MB for macOS 14.0"."""
    return f"{device_name()}{_shaders_text(sys.platform)}"


def _shaders_text(platform: str) -> str:
    if platform != "darwin":
        return ""
    path = Path(str(mx.__file__)).parent / "lib" / SHADERS
    if not path.is_file():
        raise RunError(f"{path}: MLX's shaders are missing.", "Install Nestling again.")
    size, target = path.stat().st_size / 1e6, shader_target(path)
    return f", {SHADERS} {size:.1f} MB for macOS {target}"


def check_product() -> str:
    """Compare a matrix product and a gradient with NumPy's; returns a description. Raises RunError
    if one is wrong."""
    left, right = map(_random_matrix, (1, 2))
    product = np.array(left @ right)
    error = _relative_error(product, np.array(left) @ np.array(right))
    if not error <= _TOLERANCE:
        raise RunError(f"A product of two matrices is off by {error:.2g} of its largest value.")
    gradient = mx.grad(lambda x: mx.sum(x @ right))
    work = mx.compile(gradient) if uses_compile() else gradient
    expected = np.broadcast_to(np.array(right).sum(axis=1), (SIZE, SIZE))
    off = _relative_error(np.array(work(left)), expected)
    if not off <= _TOLERANCE:
        raise RunError(f"A gradient is off by {off:.2g} of its largest value.")
    how = "compiled" if uses_compile() else "not compiled on the CPU"
    return f"{SIZE}×{SIZE} product off by {error:.1g}, gradient ({how}) by {off:.1g}"


def _random_matrix(seed: int) -> mx.array:
    random = np.random.default_rng(seed).standard_normal((SIZE, SIZE)).astype(np.float32)
    return mx.array(random)


def _relative_error(actual: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(actual - expected).max() / np.abs(expected).max())
