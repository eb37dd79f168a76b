"""What was moved to the trash comes back whole, and nothing that is there now is overwritten."""

import errno
import io
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from app.core.errors import InputError
from app.workers.tasks.trash import Removed, put_back, to_trash

MakeRun = Callable[..., Path]


def removed(tmp_path: Path, name: str = "r") -> Removed:
    """A folder as it lies in a trash."""
    folder = tmp_path / "trash" / name
    folder.mkdir(parents=True)
    (folder / "run.json").write_text("{}")
    return Removed(tmp_path / "runs" / name, folder)


@pytest.mark.parametrize("kind", ["folder", "dangling"])
def test_what_is_there_again_is_not_overwritten(tmp_path: Path, kind: str) -> None:
    one = removed(tmp_path)
    one.original.parent.mkdir()
    one.original.mkdir() if kind == "folder" else one.original.symlink_to(tmp_path / "gone")
    refused, problem = put_back([one])
    assert refused == ()
    assert "already exists" in problem
    assert one.in_trash.is_dir()
    assert not (tmp_path / "gone").exists()


def rename_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def rename(*_: object) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr("app.workers.tasks.trash.os.rename", rename)


def test_from_another_disk_it_is_copied_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = removed(tmp_path)
    rename_refused(monkeypatch)
    assert put_back([one]) == ((), "")
    assert (one.original / "run.json").read_text() == "{}"
    assert not one.in_trash.exists()


def test_a_copy_back_that_fails_leaves_it_in_the_trash_and_nothing_half_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = removed(tmp_path)
    rename_refused(monkeypatch)

    class FullDisk(io.BytesIO):
        def write(self, _: object) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def created(target: Path, _: int) -> FullDisk:
        target.touch()
        return FullDisk()

    monkeypatch.setattr("app.core.files.untrusted_files.create_file", created)
    refused, problem = put_back([one])
    assert refused == (one,)
    assert "disk is full" in problem
    assert (one.in_trash / "run.json").read_text() == "{}"
    assert not one.original.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="the test's own trash is a folder on Linux")
def test_a_link_to_a_run_is_all_that_is_moved_to_the_trash(
    make_run: MakeRun, tmp_path: Path, qapp: object
) -> None:
    run = make_run(tmp_path / "elsewhere" / "r")
    library = tmp_path / "runs"
    library.mkdir()
    (library / "linked").symlink_to(run)
    try:
        one = to_trash(library / "linked")
    except InputError:
        pytest.skip("no trash here")
    assert (run / "run.json").is_file()
    assert not (library / "linked").is_symlink()
    assert put_back([one]) == ((), "")
    assert (library / "linked" / "run.json").is_file()
