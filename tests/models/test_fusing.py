"""The command that fuses an adapter: as a shell reads it."""

import shlex
from pathlib import Path

from app.models.fusing import fuse_command
from tests.models.made_models import write_model


def test_a_shell_reads_the_paths_as_they_are(tmp_path: Path) -> None:
    base = write_model(tmp_path / "it's a $model", bits=None)
    adapter, fused = tmp_path / "my adapter", tmp_path / 'my "fused"'
    assert shlex.split(fuse_command(base, adapter, fused)) == [
        "mlx_lm.fuse", "--model", str(base), "--adapter-path", str(adapter),
        "--save-path", str(fused),
    ]  # fmt: skip


def test_a_quantized_base_model_is_dequantized(tmp_path: Path) -> None:
    base = write_model(tmp_path / "base", bits=4)
    assert fuse_command(base, tmp_path / "a", tmp_path / "b").endswith(" --dequantize")


def test_without_the_base_model_there_is_no_command(tmp_path: Path) -> None:
    assert fuse_command(tmp_path / "gone", tmp_path / "a", tmp_path / "b") == ""
