"""Files are complete or absent, whatever goes wrong while they are written."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.core.errors import AppError
from app.core.files import disk_error, folder_written_aside, write_atomic, write_json_atomic


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    write_json_atomic(path, {"step": 1})

    def fail(aside: Path) -> None:
        aside.write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(AppError, match="The disk is full"):
        write_atomic(path, fail)
    assert json.loads(path.read_text()) == {"step": 1}
    assert os.listdir(tmp_path) == ["run.json"]


def test_what_a_killed_write_of_a_file_left_is_swept_away(tmp_path: Path) -> None:
    path = tmp_path / "run[1].json"
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    left, foreign, ours = (
        tmp_path / f"run[1].json.{name}.partial" for name in (ended.pid, "x", os.getppid())
    )
    for file in (left, foreign, ours):
        file.write_text("half")
    write_json_atomic(path, {"step": 1})
    assert not left.exists()  # its process is gone
    assert foreign.exists()
    assert ours.exists()  # its process may still be writing
    assert json.loads(path.read_text()) == {"step": 1}


def test_nan_is_never_written_as_json(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_json_atomic(tmp_path / "x.json", {"loss": float("nan")})
    assert os.listdir(tmp_path) == []


def test_a_folder_appears_only_when_it_is_whole(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "step-000001"
    with folder_written_aside(folder) as aside:
        (aside / "a").write_text("1")
        assert not folder.exists()
    assert (folder / "a").read_text() == "1"


def test_a_folder_that_fails_is_absent(tmp_path: Path) -> None:
    folder = tmp_path / "step-000001"
    with pytest.raises(ZeroDivisionError), folder_written_aside(folder) as aside:
        (aside / "a").write_text("1")
        raise ZeroDivisionError
    assert os.listdir(tmp_path) == []


def test_what_a_killed_write_left_is_swept_away(tmp_path: Path) -> None:
    left = tmp_path / "step-000001.partial"
    left.mkdir()
    (left / "old").write_text("torn")
    with folder_written_aside(tmp_path / "step-000001") as aside:
        (aside / "new").write_text("whole")
    assert os.listdir(tmp_path / "step-000001") == ["new"]


@pytest.mark.parametrize(
    ("number", "words"),
    [(28, "disk is full"), (122, "disk is full"), (13, "may not write"), (30, "may not write"),
     (20, "a file is in its place"), (5, "could not be written"), (27, "larger than this disk")],
)  # fmt: skip
def test_the_disk_s_refusals_are_sentences(number: int, words: str) -> None:
    error = disk_error(OSError(number, os.strerror(number)), Path("/x/y"))
    assert words in error.message
    assert "/x/y" in error.message
