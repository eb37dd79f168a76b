"""MLX's compiled Metal shaders: which macOS they were compiled for. Imports no MLX."""

import struct
from pathlib import Path

SHADERS = "mlx.metallib"
"""In the folder `lib` beside mlx.core."""


def shader_target(metallib: Path) -> str:
    """ "14.0": the macOS that the file asks for, its header's bytes 12 to 15.

    Raises ValueError if it is no such file.
    """
    with metallib.open("rb") as file:
        head = file.read(16)
    if len(head) < 16 or head[:4] != b"MTLB":
        raise ValueError(f"{metallib} is no file of Metal shaders.")
    major, minor = struct.unpack("<HH", head[12:16])
    return f"{major}.{minor}"
