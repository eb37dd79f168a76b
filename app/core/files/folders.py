"""Atomic folders, private to the user.

Only what this program made is ever removed: files of known names, and a folder once it is empty.
"""

import errno
import os
import stat
from collections.abc import Collection, Generator, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from app.core.errors import InputError
from app.core.files.atomic_files import (
    PARTIAL_SUFFIX,
    disk_errors_as_app_errors,
    partial_path,
    stale_partials,
    sync,
)
from app.core.files.untrusted_files import PRIVATE_FILE, copy_regular_in_steps, restrict_mode

PRIVATE_FOLDER = 0o700
SHARED_FOLDER = 0o777
"""Folder mode by the user's umask."""
_SYSTEM_FILES = (".DS_Store",)
"""Finder writes these files into every folder it shows."""


def make_folder(folder: Path) -> list[Path]:
    """Make a folder, and those above that are missing, for the user alone.

    Returns those made, the innermost first, as `remove_empty` takes them. Raises OSError.
    """
    created: list[Path] = []
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        try:
            path.mkdir(PRIVATE_FOLDER)
        except FileExistsError:
            if not path.is_dir():
                raise
        else:
            created.insert(0, path)
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "it isn't a folder", str(folder))
    return created


def close_to_others(folder: Path) -> None:
    """Removes all other users' access to one of this program's own folders."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            restrict_mode(descriptor, PRIVATE_FOLDER)
        finally:
            os.close(descriptor)


def remove_empty(folders: Collection[Path]) -> None:
    """Remove the empty ones of these folders, the innermost first."""
    for folder in folders:
        with suppress(OSError):
            folder.rmdir()


def remove_known_files(folder: Path, names: Collection[str]) -> None:
    """Remove the files with these names from `folder`, then the folder itself if it is empty."""
    with suppress(OSError):
        for entry in os.listdir(folder):
            if _is_known(entry, names):
                (folder / entry).unlink()
        folder.rmdir()


@contextmanager
def atomic_folder(
    folder: Path, names: Collection[str], mode: int = PRIVATE_FOLDER
) -> Iterator[Path]:
    """A folder to fill with files of these names; it becomes `folder` only when the block ends
    well: complete or absent."""
    aside = partial_path(folder)
    with disk_errors_as_app_errors(folder):
        for left in stale_partials(folder):
            remove_known_files(left, names)
        remove_known_files(aside, names)  # from an earlier process with the same number
        created = make_folder(folder.parent)
        try:
            aside.mkdir(mode)
            yield aside
            for file in sorted(aside.iterdir()):
                sync(file)
            sync(aside)
            os.rename(aside, folder)
            sync(folder.parent)
        except BaseException:
            remove_known_files(aside, names)
            remove_empty(created)
            raise


def remove_folder(folder: Path, names: Collection[str]) -> bool:
    """Remove a folder of files with these names; a folder with anything else is left unchanged.

    If interrupted, the rest is left under another name.
    """
    with disk_errors_as_app_errors(folder):
        if not all(_is_known(entry, names) for entry in os.listdir(folder)):
            return False
    vacate_folder(folder, names)
    return True


def vacate_folder(folder: Path, names: Collection[str]) -> None:
    """Remove the known files of a folder; anything else is left in a folder beside it."""
    aside = partial_path(folder)
    with disk_errors_as_app_errors(folder):
        remove_known_files(aside, names)
        os.rename(folder, aside)
        remove_known_files(aside, names)


def copy_folder_in_steps(source: Path, target: Path) -> Generator[float, None, None]:
    """Copy all files and folders in `source` to `target`, which is new or empty; yields the share
    done. If it fails or is closed early, the copied files are removed.

    Raises InputError for a link, a pipe or a device in it: none is followed or read.
    """
    folders, files = _contents(source)
    whole, done = max(1, sum((source / file).stat().st_size for file in files)), 0
    created: list[Path] = []
    with disk_errors_as_app_errors(target):
        created_parents = make_folder(target)
        try:
            for folder in folders:
                (target / folder).mkdir(PRIVATE_FOLDER)
                created.append(target / folder)
            for file in files:
                with closing(copy_file_in_steps(source / file, target / file)) as pieces:
                    for piece in pieces:
                        done += piece
                        yield done / whole
                created.append(target / file)
        except BaseException:
            for path in reversed(created):
                with suppress(OSError):
                    path.rmdir() if path.is_dir() else path.unlink()
            remove_empty(created_parents)
            raise


def copy_file_in_steps(
    source: Path, target: Path, mode: int = PRIVATE_FILE
) -> Generator[int, None, None]:
    """`copy_regular_in_steps`, with InputError that names `source` if that can't be read."""
    try:
        yield from copy_regular_in_steps(source, target, mode)
    except OSError as error:
        if error.filename == str(source):
            _refuse(error)
        raise


def _contents(source: Path) -> tuple[list[Path], list[Path]]:
    """Folders, outer ones first, and files, as paths relative to `source`."""
    folders: list[Path] = []
    files: list[Path] = []
    for place, inner, names in os.walk(source, onerror=_refuse):
        for path in (Path(place) / name for name in (*inner, *names)):
            kind = path.lstat().st_mode
            if stat.S_ISLNK(kind):
                raise InputError(
                    f"{path} can't be copied: it is a link.",
                    "Put the file itself in its place, or remove the link.",
                )
            (folders if stat.S_ISDIR(kind) else files).append(path.relative_to(source))
    return folders, files


def _refuse(error: OSError) -> None:
    raise InputError(f"{error.filename} can't be copied: {error.strerror}.") from error


def _is_known(entry: str, names: Collection[str]) -> bool:
    """Whether it is a file with one of these names, or a half-written one."""
    if entry in names or entry in _SYSTEM_FILES:
        return True
    name, _, process = entry.removesuffix(PARTIAL_SUFFIX).rpartition(".")
    return name in names and process.isdecimal() and entry.endswith(PARTIAL_SUFFIX)
