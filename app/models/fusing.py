"""Writes the command with which mlx-lm fuses an adapter into its base model."""

import shlex
from pathlib import Path

from app.core.errors import InputError
from app.models.model_folder import read_model_config
from app.models.quantization import quantization_settings


def fuse_command(base: Path, adapter: Path, fused: Path) -> str:
    """A shell command; "" if `base` is not a model folder.

    A quantized base is dequantized, because quantizing the fused weights again would lose a part of
    the adapter's changes.
    """
    try:
        config = read_model_config(base)
    except InputError:
        return ""
    words = [
        "mlx_lm.fuse", "--model", str(base), "--adapter-path", str(adapter),
        "--save-path", str(fused),
    ]  # fmt: skip
    return shlex.join(words + ["--dequantize"] * bool(quantization_settings(config)))
