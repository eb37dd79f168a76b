"""Loads a fast BLAS before MLX is imported; MLX's CPU build for Linux brings a slow one."""

import ctypes
from contextlib import suppress

with suppress(OSError):  # not needed elsewhere
    ctypes.CDLL("libopenblas.so.0", mode=ctypes.RTLD_GLOBAL)
