"""Refuses links within a run's folder.

The run's folder itself may be reached by links; that is the user's own doing.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from app.core.errors import InputError
from app.library.run.layout import CHECKPOINTS, LOG_FILE, METRICS_FILES, RUN_FILES, START


def check_no_links(run_dir: Path) -> None:
    """Raise InputError that names a link in the place of what a run reads or writes.

    Of hard links those alone that a run would append to: the same file may be another run's, as in
    a copy that `cp -al` made.
    """
    own = (run_dir / name for name in RUN_FILES)
    for path in (*own, *_start_files(run_dir), *_checkpoint_files(run_dir)):
        if path.is_symlink():
            raise InputError(
                f"{path} is a link to {os.readlink(path)}: a run's own files can't be links.",
                "Put the file itself in its place, or remove the link.",
            )
    for path in (run_dir / name for name in (*METRICS_FILES, LOG_FILE)):
        if path.is_file() and path.stat().st_nlink > 1:
            raise InputError(
                f"{path} is a hard link: the file stands elsewhere too, and would change there.",
                "Put a copy of the file in its place.",
            )


def is_inner_folder(run_dir: Path, within: str) -> bool:
    """Whether there is a folder `within` a run's that no link leads out of."""
    return (run_dir / within).is_dir() and link_to(run_dir, within) is None


def link_to(run_dir: Path, within: str) -> str | None:
    """The first link on the way from a run's folder to what is `within` it."""
    place = run_dir / within
    between = [place, *place.parents]
    inner = between[: between.index(run_dir)][::-1]
    return next((str(path.relative_to(run_dir)) for path in inner if path.is_symlink()), None)


def _checkpoint_files(run_dir: Path) -> Iterator[Path]:
    """The checkpoints' folder, what is in it, and what is in that."""
    folder = run_dir / CHECKPOINTS
    yield folder
    for path in _entries(folder):
        yield path
        yield from _entries(path)


def _start_files(run_dir: Path) -> Iterator[Path]:
    yield run_dir / START
    yield from _entries(run_dir / START)


def _entries(folder: Path) -> list[Path]:
    if folder.is_symlink() or not folder.is_dir():
        return []
    try:
        return [folder / name for name in sorted(os.listdir(folder))]
    except OSError:
        return []
