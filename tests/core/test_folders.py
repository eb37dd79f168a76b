"""Folders are complete or absent, and only what was made here is removed."""

import errno
import io
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from app.core.errors import AppError, InputError
from app.core.files.folders import (
    SHARED_FOLDER,
    atomic_folder,
    copy_folder_in_steps,
    make_folder,
    remove_empty,
    remove_folder,
    remove_known_files,
)
from app.core.progress import drain

NAMES = ("a", "b", "old", "new")


def tree(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def ended_process() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    return ended.pid


def test_a_folder_appears_only_when_it_is_whole(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "step-000001"
    with atomic_folder(folder, NAMES) as aside:
        (aside / "a").write_text("1")
        assert not folder.exists()
    assert (folder / "a").read_text() == "1"


def test_a_folder_that_fails_is_absent_and_so_are_those_above_that_it_needed(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "deep" / "step-000001"
    with pytest.raises(ZeroDivisionError), atomic_folder(folder, NAMES) as aside:
        (aside / "a").write_text("1")
        raise ZeroDivisionError
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["step-1.{ended}.partial", "step-1.{own}.partial"])
def test_what_a_killed_write_left_is_swept_away(tmp_path: Path, name: str) -> None:
    left = tmp_path / name.format(ended=ended_process(), own=os.getpid())
    left.mkdir()
    (left / "old").write_text("torn")
    (left / f"new.{os.getpid()}.partial").write_text("torn")
    with atomic_folder(tmp_path / "step-1", NAMES) as aside:
        (aside / "new").write_text("whole")
    assert tree(tmp_path) == ["step-1", "step-1/new"]


@pytest.mark.parametrize("name", ["cats.partial", "cats.{ended}.partial", "cats.{other}.partial"])
def test_a_user_s_folder_that_bears_a_name_as_a_partial_one_does_is_left(
    tmp_path: Path, name: str
) -> None:
    own = tmp_path / name.format(ended=ended_process(), other=os.getppid())
    own.mkdir()
    (own / "thesis.txt").write_text("years of work")
    with atomic_folder(tmp_path / "cats", NAMES) as aside:
        (aside / "a").write_text("1")
    assert remove_folder(tmp_path / "cats", NAMES)
    assert tree(tmp_path) == [own.name, f"{own.name}/thesis.txt"]


def test_a_folder_is_removed_with_what_was_made_in_it_and_what_finder_left(tmp_path: Path) -> None:
    for name in ("a", ".DS_Store", "b.77.partial"):
        (tmp_path / "made" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "made" / name).write_text("")
    assert remove_folder(tmp_path / "made", NAMES)
    assert tree(tmp_path) == []


def test_a_folder_with_a_file_of_the_user_s_is_never_removed(tmp_path: Path) -> None:
    made = tmp_path / "made"
    made.mkdir()
    for name in ("a", "notes.txt", "notes.77.partial"):
        (made / name).write_text("")
    assert not remove_folder(made, NAMES)
    assert tree(made) == ["a", "notes.77.partial", "notes.txt"]
    remove_known_files(made, NAMES)
    assert tree(made) == ["notes.77.partial", "notes.txt"]


def test_a_link_in_a_folder_that_is_removed_takes_nothing_else_with_it(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a").write_text("")
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "b").symlink_to(tmp_path / "mine")
    remove_folder(tmp_path / "made", NAMES)
    assert tree(tmp_path) == ["mine", "mine/a"]


def test_a_folder_that_was_there_before_is_never_removed(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    made = make_folder(tmp_path / "there" / "new" / "newer")
    assert [path.name for path in made] == ["newer", "new"]
    assert make_folder(tmp_path / "there") == []
    (tmp_path / "there" / "new" / "file").write_text("")
    remove_empty(made)
    assert tree(tmp_path) == ["there", "there/new", "there/new/file"]


def test_folders_are_the_user_s_alone_unless_they_are_exported(tmp_path: Path) -> None:
    make_folder(tmp_path / "new" / "newer")
    assert (mode(tmp_path / "new"), mode(tmp_path / "new" / "newer")) == (0o700, 0o700)
    (tmp_path / "own").mkdir()
    with atomic_folder(tmp_path / "exported", NAMES, SHARED_FOLDER):
        pass
    assert mode(tmp_path / "exported") == mode(tmp_path / "own") != 0o700


def test_a_file_in_a_folder_s_place_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="isn't a folder"):
        make_folder(tmp_path / "file")


def make_source(tmp_path: Path) -> Path:
    source = tmp_path / "run"
    (source / "inner" / "empty").mkdir(parents=True)
    (source / "a").write_text("1")
    (source / "inner" / "b").write_text("2")
    return source


def test_a_copy_has_all_files_and_folders_for_the_user_alone(tmp_path: Path) -> None:
    source = make_source(tmp_path)
    os.utime(source / "a", (1, 2))
    drain(copy_folder_in_steps(source, tmp_path / "new" / "copy"))
    copy = tmp_path / "new" / "copy"
    assert tree(copy) == tree(source)
    assert (copy / "inner" / "b").read_text() == "2"
    assert (copy / "a").stat().st_mtime == 2
    assert (mode(copy / "a"), mode(copy / "inner")) == (0o600, 0o700)


@pytest.mark.parametrize("target", ["a file", "a folder", "nothing"])
def test_a_link_is_not_copied_and_nothing_is_left_of_the_copy(tmp_path: Path, target: str) -> None:
    source = make_source(tmp_path)
    (tmp_path / "a file").write_text("secret")
    (tmp_path / "a folder").mkdir()
    (source / "inner" / "link").symlink_to(tmp_path / target)
    with pytest.raises(InputError, match="link can't be copied: it is a link"):
        drain(copy_folder_in_steps(source, tmp_path / "new" / "copy"))
    assert not (tmp_path / "new").exists()


def test_a_copy_that_fails_leaves_only_what_was_there_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = make_source(tmp_path), tmp_path / "copy"
    target.mkdir()

    class Full(io.BytesIO):
        def read(self, _: object = None) -> bytes:
            (target / "the user's").write_text("put there meanwhile")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("app.core.files.untrusted_files.open_regular", lambda _: Full())
        with pytest.raises(AppError, match="The disk is full"):
            drain(copy_folder_in_steps(source, target))
    assert tree(target) == ["the user's"]


def test_a_copy_says_how_far_it_is_and_leaves_nothing_when_it_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.core.files.untrusted_files._PIECE_BYTES", 10)
    source = make_source(tmp_path)
    (source / "a").write_text("1" * 39)
    assert list(copy_folder_in_steps(source, tmp_path / "whole")) == [0.25, 0.5, 0.75, 0.975, 1.0]
    assert tree(tmp_path / "whole") == tree(source)
    copying = copy_folder_in_steps(source, tmp_path / "new" / "copy")
    assert [next(copying), next(copying)] == [0.25, 0.5]
    copying.close()
    assert not (tmp_path / "new").exists()


def test_a_copy_into_the_folder_itself_has_an_end(tmp_path: Path) -> None:
    source = make_source(tmp_path)
    before = tree(source)
    drain(copy_folder_in_steps(source, source / "copy"))
    assert tree(source / "copy") == before
