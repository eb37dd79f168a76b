"""Moves runs and checkpoints to the desktop's Trash, and restores them."""

import errno
import os
import shutil
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from PySide6.QtCore import QFile, QStandardPaths

from app.core.errors import AppError, InputError
from app.core.files.atomic_files import disk_errors_as_app_errors
from app.core.files.folders import copy_folder_in_steps, make_folder
from app.core.progress import drain
from app.library.reading.checkpoint_retention import prunable_checkpoints
from app.library.reading.manifest_pointers import update_manifest_pointers
from app.library.run.run_lock import is_locked


@dataclass(frozen=True)
class Removed:
    original: Path
    in_trash: Path


def to_trash(path: Path) -> Removed:
    """Move `path` to the Trash. Raises AppError if the disk has no Trash or `path` is missing."""
    file = QFile(str(path))
    _make_room()
    if not file.moveToTrash():
        raise AppError(f"{path} could not be moved to the Trash.", "It is still where it was.")
    return Removed(path, Path(file.fileName()))


def _make_room() -> None:
    """Create the folder for the trash: a new Linux account has none, and Qt creates none."""
    if sys.platform.startswith("linux"):
        data = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.GenericDataLocation)
        with suppress(OSError):
            Path(data).mkdir(mode=0o700, parents=True, exist_ok=True)


def put_back(removed: Iterable[Removed]) -> tuple[tuple[Removed, ...], str]:
    """Restore items; returns those that failed with a disk error and can be retried, and the first
    problem."""
    failed, problem = [], ""
    for item in removed:
        try:
            _put_back(item)
        except InputError as error:
            problem = problem or str(error)
        except AppError as error:
            failed.append(item)
            problem = problem or str(error)
    return tuple(failed), problem


def _put_back(item: Removed) -> None:
    """Restore one item. Raises InputError if it can no longer be restored."""
    if not os.path.lexists(item.in_trash):
        raise InputError(f"{item.original.name} is no longer in the Trash.")
    if os.path.lexists(item.original):
        raise InputError(f"{item.original} already exists, so it was not put back.")
    with disk_errors_as_app_errors(item.original):
        make_folder(item.original.parent)
        _move(item.in_trash, item.original)
    with suppress(OSError):  # the entry that Linux desktops keep for a file in the trash
        info = item.in_trash.parent.parent / "info"
        (info / f"{item.in_trash.name}.trashinfo").unlink()


def _move(source: Path, target: Path) -> None:
    """Move `source` to `target`; to another disk, copy all of it or nothing."""
    try:
        os.rename(source, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        drain(copy_folder_in_steps(source, target))
        shutil.rmtree(source, ignore_errors=True)


@dataclass(frozen=True)
class Deletion:
    """Items that were moved to the Trash together and are restored together."""

    removed: tuple[Removed, ...]
    run_dir: Path | None = None
    """The run that the removed checkpoints belong to."""
    problem: str = ""
    """Why an item could not be moved or restored; "" if all were."""


def delete_runs(run_dirs: Iterable[Path]) -> Deletion:
    """Move runs to the Trash, except runs in progress."""
    removed, problem = [], ""
    for run_dir in run_dirs:
        try:
            if is_locked(run_dir):
                raise InputError(f"The run {run_dir.name} is in progress. Stop it first.")
            removed.append(to_trash(run_dir))
        except AppError as error:
            problem = str(error)
    return Deletion(tuple(removed), None, problem)


def delete_checkpoints(run_dir: Path, folders: Iterable[Path]) -> Deletion:
    """Move checkpoints to the Trash. Raises InputError if the run is in progress."""
    if is_locked(run_dir):
        raise InputError("The run is in progress. Stop it first.")
    removed, problem = [], ""
    for folder in folders:
        try:
            removed.append(to_trash(folder))
        except AppError as error:
            problem = str(error)
    update_manifest_pointers(run_dir)
    return Deletion(tuple(removed), run_dir, problem)


def keep_best_and_last(run_dir: Path) -> Deletion:
    """Move all other checkpoints to the Trash. Raises InputError if the run is in progress."""
    return delete_checkpoints(run_dir, prunable_checkpoints(run_dir))


def restore(deletion: Deletion) -> Deletion:
    """Restore a deletion; returns the items that could not be restored, and why."""
    failed, problem = put_back(deletion.removed)
    if deletion.run_dir is not None and len(failed) < len(deletion.removed):
        try:
            update_manifest_pointers(deletion.run_dir)
        except AppError as error:
            problem = problem or str(error)
    return replace(deletion, removed=failed, problem=problem)
