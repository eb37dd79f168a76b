"""The desktop's trash: things moved there come back where they were, as long as they are there."""

import errno
import os
import shutil
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QFile, QStandardPaths

from app.core.errors import AppError, InputError
from app.core.files.atomic_files import disk_errors_as_app_errors
from app.core.files.folders import copy_folder, make_folder


@dataclass(frozen=True)
class Removed:
    original: Path
    in_trash: Path


def to_trash(path: Path) -> Removed:
    """Raises AppError if the desktop has no trash for this disk, or `path` is gone."""
    file = QFile(str(path))
    _make_room()
    if not file.moveToTrash():
        raise AppError(f"{path} could not be moved to the Trash.", "It is still where it was.")
    return Removed(path, Path(file.fileName()))


def _make_room() -> None:
    """A Linux account that is new has no folder for its trash yet, and Qt makes none."""
    if sys.platform.startswith("linux"):
        data = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.GenericDataLocation)
        with suppress(OSError):
            Path(data).mkdir(mode=0o700, parents=True, exist_ok=True)


def put_back(removed: Iterable[Removed]) -> tuple[tuple[Removed, ...], str]:
    """What the disk refused, which can be tried again, and why something is not back."""
    refused, problem = [], ""
    for item in removed:
        try:
            _put_back(item)
        except InputError as error:
            problem = problem or str(error)
        except AppError as error:
            refused.append(item)
            problem = problem or str(error)
    return tuple(refused), problem


def _put_back(item: Removed) -> None:
    """Raises InputError if it can't come back any more."""
    if not os.path.lexists(item.in_trash):
        raise InputError(f"{item.original.name} is no longer in the Trash.")
    if os.path.lexists(item.original):
        raise InputError(f"{item.original} is there again, so it was not put back.")
    with disk_errors_as_app_errors(item.original):
        make_folder(item.original.parent)
        _move(item.in_trash, item.original)
    with suppress(OSError):  # what Linux desktops note about a file in the trash
        info = item.in_trash.parent.parent / "info"
        (info / f"{item.in_trash.name}.trashinfo").unlink()


def _move(source: Path, target: Path) -> None:
    """To another disk it is copied: whole, or nothing of it."""
    try:
        os.rename(source, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        copy_folder(source, target)
        shutil.rmtree(source, ignore_errors=True)
