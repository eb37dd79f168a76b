"""Loads a fast BLAS before MLX's CPU build on Linux, whose wheel contains the reference BLAS.

A 512x256x704 float32 product takes 56 ms with the wheel's BLAS and 0.9 ms with OpenBLAS (2 cores).
The OpenBLAS on PyPI is built for SciPy: its symbols have the prefix `scipy_`. Once per version, a
copy with plain names for the matrix products is written to the cache folder with its digest. It is
loaded before MLX, so the dynamic linker finds its `cblas_sgemm` first.
"""

import ctypes
import hashlib
import importlib.metadata
import importlib.util
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from app.core.errors import AppError
from app.core.files.atomic_files import write_atomic, write_text_atomic
from app.core.files.disks import ensure_own_folder
from app.core.files.paths import cache_dir
from app.core.files.untrusted_files import open_regular, read_regular
from app.core.system.compute_libraries import BUNDLED_LIBRARY, rename_symbols
from app.core.system.version import bundled

SYSTEM_LIBRARY = "libopenblas.so.0"
IDLE_CYCLES_LOG2 = "23"
"""OpenBLAS's threads spin for about 4 ms while they wait for the next product, instead of the usual
30, which with a small model blocks a core for the window and for reading data. A step takes as long
and uses a fifth less processor time (tests/benchmarks/README.md)."""

_DIGEST_BYTES = 64


@dataclass(frozen=True)
class Blas:
    """The loaded BLAS."""

    name: str = ""
    kernels: str = ""
    """The kernels that it chose for this processor; other kernels give different last bits."""


def load_fast_blas() -> Blas:
    """Load OpenBLAS before MLX and describe it; the name is "" if none could be loaded.

    Does nothing on macOS, where MLX uses Metal and Accelerate.
    """
    if not sys.platform.startswith("linux"):
        return Blas()
    os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", IDLE_CYCLES_LOG2)
    for load in (_load_bundled, _load_system):
        try:
            return load()
        except (AppError, OSError, ImportError, subprocess.SubprocessError):
            continue
    return Blas()


def _load_bundled() -> Blas:
    renamed = bundled(BUNDLED_LIBRARY)
    library = _load_globally(renamed) if renamed is not None else _load_renamed()
    return Blas(f"OpenBLAS {_bundled_version()}", _kernels(library, "scipy_openblas_get_corename"))


def _load_renamed() -> ctypes.CDLL:
    source = _installed_library()
    try:
        return _load_globally(_renamed_copy(source))
    except (AppError, OSError):  # the cache can't be written
        with tempfile.TemporaryDirectory(prefix="nestling-") as folder:
            copy = Path(folder) / source.name
            rename_symbols(source, copy)
            return _load_globally(copy)  # a loaded library no longer needs its file


def _load_globally(path: Path) -> ctypes.CDLL:
    return ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)


def _load_system() -> Blas:
    library = ctypes.CDLL(SYSTEM_LIBRARY, mode=ctypes.RTLD_GLOBAL)
    return Blas("OpenBLAS (system)", _kernels(library, "openblas_get_config"))


def _kernels(library: ctypes.CDLL, function: str) -> str:
    """The library's description of its kernels; "" if it has none."""
    ask = getattr(library, function, None)
    if ask is None:
        return ""
    ask.restype = ctypes.c_char_p
    return bytes(ask() or b"").decode(errors="replace")


def _bundled_version() -> str:
    return importlib.metadata.version("scipy-openblas32")


def _installed_library() -> Path:
    found = importlib.util.find_spec("scipy_openblas32")
    if found is None or not found.submodule_search_locations:
        raise ImportError("scipy-openblas32 is not installed")
    return Path(found.submodule_search_locations[0]) / "lib" / "libscipy_openblas.so"


def _renamed_copy(source: Path) -> Path:
    """`source` with plain symbol names, from the cache or created now (0.1 s)."""
    copy = cache_dir() / f"libopenblas-{_bundled_version()}.so"
    digest = copy.with_suffix(".sha256")
    if not _is_intact(copy, digest):
        ensure_own_folder(copy.parent)
        write_atomic(copy, lambda aside: rename_symbols(source, aside))
        write_text_atomic(digest, _digest(copy))
    return copy


def _is_intact(copy: Path, digest: Path) -> bool:
    """Compare the digest (30 ms), because loading a damaged library would crash the process."""
    try:
        return read_regular(digest, _DIGEST_BYTES).decode() == _digest(copy)
    except (OSError, UnicodeDecodeError):
        return False


def _digest(path: Path) -> str:
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
