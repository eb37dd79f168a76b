"""Files are complete or absent, whatever goes wrong while they are written."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from app.core.errors import AppError
from app.core.files.atomic_files import (
    disk_error,
    write_atomic,
    write_json_atomic,
    write_text_atomic,
)
from app.core.files.untrusted_files import SHARED_FILE


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


@pytest.mark.parametrize(
    ("number", "words"),
    [(28, "disk is full"), (122, "disk is full"), (13, "no permission to write"),
     (30, "no permission to write"),
     (20, "a file is in its place"), (5, "could not be written"), (27, "larger than this disk")],
)  # fmt: skip
def test_the_disk_s_refusals_are_sentences(number: int, words: str) -> None:
    error = disk_error(OSError(number, os.strerror(number)), Path("/x/y"))
    assert words in error.message
    assert "/x/y" in error.message


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_file_is_the_user_s_alone_from_its_first_byte_on(tmp_path: Path) -> None:
    seen = []

    def write(aside: Path) -> None:
        seen.append(mode(aside))
        aside.write_text("private")

    write_atomic(tmp_path / "x", write)
    assert (seen, mode(tmp_path / "x")) == ([0o600], 0o600)


def test_a_file_that_others_could_read_is_closed_to_them_when_it_is_written_again(
    tmp_path: Path,
) -> None:
    (tmp_path / "x").write_text("old")
    (tmp_path / "x").chmod(0o644)
    write_json_atomic(tmp_path / "x", {})
    assert mode(tmp_path / "x") == 0o600


def test_what_is_exported_is_as_open_as_the_user_s_other_files(tmp_path: Path) -> None:
    (tmp_path / "own").write_text("")
    write_text_atomic(tmp_path / "exported", "", mode=SHARED_FILE)
    assert mode(tmp_path / "exported") == mode(tmp_path / "own") != 0o600


def test_a_link_where_a_file_is_written_aside_is_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("mine")
    (tmp_path / f"x.{os.getpid()}.partial").symlink_to(precious)
    write_json_atomic(tmp_path / "x", {"step": 1})
    assert precious.read_text() == "mine"
    assert not (tmp_path / "x").is_symlink()
    assert sorted(os.listdir(tmp_path)) == ["precious", "x"]


def test_a_name_that_is_no_utf8_reads_back_from_json(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.jsonl")
    write_json_atomic(tmp_path / "x", {"data": name, "note": "é"})
    assert json.loads((tmp_path / "x").read_bytes()) == {"data": name, "note": "é"}
    assert "é" in (tmp_path / "x").read_text(encoding="utf-8")
