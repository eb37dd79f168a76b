"""MLX on its thread: device, compilation, random numbers, cache, and mlx-lm beside it.

One thread uses MLX, and ends with `close_thread()`.
"""

import sys
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np

from app.core.system.child_processes import open_file_limit_kept
from app.core.system.compute_environment import ComputeEnvironment
from app.core.system.compute_libraries import SHADERS, shader_target
from app.core.system.memory import machine_bytes
from app.engine.runtime.mlx_import import load_mlx
from app.engine.runtime.named_arrays import ArrayFunction

CACHE_LIMIT_BYTES = 2 * 1024**3
"""MLX keeps freed buffers for reuse up to here; without a bound it grows with every new shape."""

NUMERICS_VERSION = 3
"""Counted up where the last bits of the same run change. 2 had exponentials of its own on x86, and
computed the last layer's feed-forward part at trained tokens only; 1 and 3 have neither."""


def import_mlx_lm() -> Any:
    """`mlx_lm.utils`, imported without the lower limit of open files that it sets for good."""
    with open_file_limit_kept():
        import mlx_lm.utils
    return mlx_lm.utils


def device_name() -> str:
    """The device for the log: "Apple M3 Max" or "CPU with OpenBLAS 0.3.34"."""
    if mx.default_device().type == mx.DeviceType.cpu:
        return f"CPU with {load_mlx().name or 'the reference BLAS (slow)'}"
    return str(mx.device_info().get("device_name", "GPU"))


def current_computer() -> ComputeEnvironment:
    """The device and versions that decide the last bits of a run's numbers."""
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
    """Which of MLX's wheels for macOS this is: those of one version have different kernels, and
    the bundle has the oldest system's."""
    try:
        return f" (shaders for macOS {shader_target(core.parent / 'lib' / SHADERS)})"
    except (OSError, ValueError):  # a GPU of another maker
        return ""


def maybe_compile(function: ArrayFunction, **captured: Any) -> ArrayFunction:
    """`mx.compile(function)` on a GPU; on the CPU `function` itself.

    On the CPU MLX compiles by calling the host's C++ compiler, for a gain of 2 to 15 % a step: the
    first step of a first run took 69 s instead of 0.5 (tests/benchmarks/README.md), and without a
    compiler nothing is gained.
    """
    if not uses_compile():
        return function
    return mx.compile(function, **captured)


def uses_compile() -> bool:
    """Whether `maybe_compile` compiles here: then every new shape costs a trace."""
    return bool(mx.default_device().type != mx.DeviceType.cpu)


def has_fused_attention_gradient() -> bool:
    """Whether MLX's own attention keeps no scores for its gradient: with CUDA alone."""
    return bool(mx.cuda.is_available())


def random_key() -> tuple[int, int]:
    """The key of this thread's next random numbers: 32 bits each."""
    high, low = np.array(mx.random.state[0]).tolist()  # type: ignore[index]
    return high, low


def set_random_key(high: int, low: int) -> None:
    """Continue from a `random_key`."""
    mx.random.seed((high << 32) | low)


def clear_cache() -> None:
    """Give back the buffers that MLX kept for reuse."""
    mx.clear_cache()


def close_thread() -> None:
    """The last act of a thread that used MLX; without it the process can abort at exit."""
    mx.clear_streams()


_DEVICE_KEYS = ("max_recommended_working_set_size", "total_memory", "memory_size")
"""MLX's names for it on Metal and on CUDA, the narrowest first."""


def available_bytes() -> int:
    """What the GPU may use at best; where MLX computes on the CPU, the machine's memory or what the
    system lets this process have of it."""
    facts = mx.device_info()
    for key in _DEVICE_KEYS:
        if isinstance(size := facts.get(key), int) and size > 0:
            return size
    return machine_bytes()
