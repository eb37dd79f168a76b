"""The one door to MLX: what must happen before its first import happens here.

Every engine function that needs MLX runs after `import_mlx()`, on one thread, which ends with
`release_thread()`.
"""

import ctypes
import os
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from app.core.errors import RunError
from app.core.system.bundle import bundled, may_call_compiler
from app.core.system.compute_environment import ComputeEnvironment
from app.core.text.sanitize import error_text
from app.engine.runtime.blas import Blas, load_fast_blas
from app.engine.runtime.metal_shaders import SHADERS, shader_target

CACHE_LIMIT_BYTES = 2 * 1024**3
"""MLX keeps freed buffers for reuse up to here; without a bound it grows with every new shape."""

ARITHMETIC = 2
"""1: exponentials by MLX alone, and the last layer computed at every token."""

_blas = Blas()


def import_mlx() -> ModuleType:
    """`mlx.core`, with a fast BLAS in front on Linux and Metal's watchdog relaxed on macOS."""
    global _blas
    is_first = "mlx.core" not in sys.modules
    if is_first:
        # What Nestling cuts, it counts itself; "will result in indexing errors" is not true here.
        os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
        # Metal kills long command buffers while the screen is on; read once, when MLX starts
        # (ml-explore/mlx#3267).
        os.environ.setdefault("AGX_RELAX_CDM_CTXSTORE_TIMEOUT", "1")
        _blas = load_fast_blas()
    try:
        if is_first:
            _load_library()
        import mlx.core as mx
    except (ImportError, OSError) as error:
        raise RunError(
            f"MLX, the library that computes, could not be loaded: {error_text(error)}.",
            "Nestling needs an Apple-silicon Mac with macOS 14 or newer, or Linux.",
        ) from error
    if is_first and not may_call_compiler() and mx.default_device().type == mx.DeviceType.cpu:
        mx.disable_compile()  # mlx-lm compiles functions of its own
    return mx


def _load_library() -> None:
    """In the bundle, load MLX's library from where its shaders are: it looks for them beside
    itself, and mlx.core would find it through a link elsewhere."""
    if (library := bundled("mlx/lib/libmlx.dylib")) is not None:
        ctypes.CDLL(str(library))


def import_mlx_lm() -> Any:
    """`mlx_lm.utils`, imported without the lower limit of open files that it sets for good."""
    import_mlx()
    set_limit = resource.setrlimit
    # A lowered hard limit can't be raised again, so the call itself must not happen.
    resource.setrlimit = lambda *_: None
    try:
        import mlx_lm.utils
    finally:
        resource.setrlimit = set_limit
    return mlx_lm.utils


def device_name() -> str:
    """What computes, for the log: "Apple M3 Max" or "CPU with OpenBLAS 0.3.34"."""
    mx = import_mlx()
    if mx.default_device().type == mx.DeviceType.cpu:
        return f"CPU with {_blas.name or 'the reference BLAS (slow)'}"
    return str(mx.device_info().get("device_name", "GPU"))


def computed_by() -> ComputeEnvironment:
    """What the last bits of a run's numbers depend on beside its settings."""
    mx = import_mlx()
    device, blas, mlx = "CPU", _blas.name or "the reference BLAS", str(mx.__version__)
    if mx.default_device().type != mx.DeviceType.cpu:
        device, blas, mlx = device_name(), "", f"{mlx}{_shaders(Path(str(mx.__file__)))}"
    elif sys.platform == "darwin":
        blas = "Accelerate"
    elif _blas.kernels:
        blas += f" ({_blas.kernels})"
    return ComputeEnvironment(device, blas, mlx, ARITHMETIC)


def _shaders(core: Path) -> str:
    """Which of MLX's wheels for macOS this is: those of one version have different kernels, and
    the bundle has the oldest system's."""
    try:
        return f" (shaders for macOS {shader_target(core.parent / 'lib' / SHADERS)})"
    except (OSError, ValueError):  # a GPU of another maker
        return ""


def compiled(function: Callable[..., Any], **captured: Any) -> Callable[..., Any]:
    """`mx.compile(function)` on a GPU; on the CPU `function` itself.

    On the CPU MLX compiles by calling the host's C++ compiler, for a gain of 2 to 15 % a step: the
    first step of a first run took 69 s instead of 0.5 (tests/benchmarks/README.md), and without a
    compiler nothing is gained.
    """
    if not compiles():
        return function
    return import_mlx().compile(function, **captured)  # type: ignore[no-any-return]


def compiles() -> bool:
    """Whether `compiled` compiles here: then every new shape costs a trace."""
    mx = import_mlx()
    return bool(mx.default_device().type != mx.DeviceType.cpu)


def has_fused_attention_gradient() -> bool:
    """Whether MLX's own attention keeps no scores for its gradient: with CUDA alone."""
    return bool(import_mlx().cuda.is_available())


def random_key() -> tuple[int, int]:
    """What this thread's random numbers will follow from: 32 bits each."""
    high, low = import_mlx().random.state[0].tolist()
    return high, low


def set_random_key(high: int, low: int) -> None:
    """Go on from a `random_key`."""
    import_mlx().random.seed((high << 32) | low)


def free_unused() -> None:
    """Give back the buffers that MLX kept for reuse."""
    if "mlx.core" in sys.modules:
        import_mlx().clear_cache()


def release_thread() -> None:
    """The last act of a thread that used MLX; without it the process can abort at exit."""
    if "mlx.core" in sys.modules:
        import_mlx().clear_streams()
