"""The BLAS in front of MLX on Linux."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.core.files.paths import HOME_VARIABLE, cache_dir
from app.engine.runtime.blas import load_fast_blas
from tests.patience import PATIENCE_SECONDS

VARIABLE = "OPENBLAS_THREAD_TIMEOUT"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere MLX needs no other BLAS")
@pytest.mark.parametrize(("setting", "then"), [(None, "23"), ("9", "9")])
def test_its_threads_wait_in_a_loop_only_for_a_moment_or_as_the_user_says(
    monkeypatch: pytest.MonkeyPatch, setting: str | None, then: str
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    if setting is not None:
        monkeypatch.setenv(VARIABLE, setting)
    load_fast_blas()
    assert os.environ[VARIABLE] == then


LOAD = "from app.engine.runtime.blas import load_fast_blas as load; print(load().name)"
is_linux = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere MLX needs no other BLAS")


def load_in_a_process_of_its_own(**environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", LOAD], capture_output=True, text=True, timeout=PATIENCE_SECONDS,
        env=os.environ | environment,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


@is_linux
@pytest.mark.parametrize("damage", ["cut", "changed", "linked", "undigested"])
def test_a_damaged_copy_is_rebuilt_and_not_loaded(tmp_path: Path, damage: str) -> None:
    name = load_in_a_process_of_its_own()
    if not name or "system" in name:
        pytest.skip("no OpenBLAS to rename")
    (copy,) = cache_dir().glob("libopenblas-*.so")
    whole = copy.read_bytes()
    if damage == "cut":
        copy.write_bytes(whole[: len(whole) // 2])
    elif damage == "changed":
        copy.write_bytes(whole[:-4096] + bytes(4096))
    elif damage == "linked":
        copy.rename(tmp_path / "elsewhere")
        copy.symlink_to(tmp_path / "elsewhere")
    else:
        copy.with_suffix(".sha256").unlink()
    assert load_in_a_process_of_its_own() == name
    assert not copy.is_symlink()
    assert copy.read_bytes() == whole


@is_linux
def test_a_cache_that_can_not_be_written_leaves_nothing_in_the_temporary_folder(
    tmp_path: Path,
) -> None:
    cache_dir().parent.mkdir(parents=True)
    cache_dir().write_text("in the way")
    (temporary := tmp_path / "temporary").mkdir()
    name = load_in_a_process_of_its_own(TMPDIR=str(temporary))
    assert name == load_in_a_process_of_its_own(**{HOME_VARIABLE: str(tmp_path / "other")})
    assert os.listdir(temporary) == []
