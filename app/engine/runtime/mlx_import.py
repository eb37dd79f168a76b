"""Loads MLX once: on Linux with a fast BLAS, on macOS with Metal's watchdog relaxed, and in the
app bundle with the bundle's library."""

import ctypes
import os
import sys
from functools import cache

from app.core.errors import RunError
from app.core.system.version import bundled, may_call_compiler
from app.core.text.sanitize import error_text
from app.engine.runtime.blas import Blas, load_fast_blas


@cache
def load_mlx() -> Blas:
    """Import MLX and return the BLAS that was loaded before it.

    Raises RunError if MLX can't be loaded.
    """
    blas = Blas()
    is_first = "mlx.core" not in sys.modules
    if is_first:
        # Silences "will result in indexing errors": Nestling truncates long rows and reports them.
        os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
        # Metal kills long command buffers while the screen is on; read once, when MLX starts
        # (ml-explore/mlx#3267).
        os.environ.setdefault("AGX_RELAX_CDM_CTXSTORE_TIMEOUT", "1")
        blas = load_fast_blas()
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
        mx.disable_compile()  # mlx-lm compiles functions too
    return blas


def _load_library() -> None:
    """In the app bundle, load MLX's library from the folder of its shaders. The library looks for
    them beside itself, and mlx.core would load it through a link in another folder."""
    if (library := bundled("mlx/lib/libmlx.dylib")) is not None:
        ctypes.CDLL(str(library))
