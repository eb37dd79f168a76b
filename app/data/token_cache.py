"""Where token stores lie: in a cache, the last used ones, with room for those being made."""

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.core.files import plain_disk_errors, remove_folder
from app.core.paths import cache_dir
from app.data.token_files import MANIFEST

KEPT_STORES = 20
KEPT_SECONDS = 24 * 3600
"""Used within that time, more are kept: one dataset may have a hundred files."""
UNFINISHED_SUFFIX = ".unfinished"
_KEPT_UNFINISHED_SECONDS = 7 * 24 * 3600


def stores_dir() -> Path:
    return cache_dir() / "tokens"


@contextmanager
def place_to_fill(folder: Path) -> Iterator[Path]:
    """A folder beside `folder` that only this process fills; what a stopped one left is in it.

    Afterwards the stores that were not used for longest are removed.
    """
    with plain_disk_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder.parent / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # another process is making a store
            yield folder.with_name(f"{folder.name}.{os.getpid()}{UNFINISHED_SUFFIX}")
        else:
            yield folder.with_name(folder.name + UNFINISHED_SUFFIX)
            _tidy(folder.parent)
    finally:
        os.close(lock)


def _tidy(stores: Path) -> None:
    now = time.time()
    used: list[tuple[float, Path]] = []
    for folder in (entry for entry in stores.iterdir() if entry.is_dir()):
        if not folder.suffix:
            manifest = folder / MANIFEST
            used.append((manifest.stat().st_mtime if manifest.exists() else 0.0, folder))
        elif folder.stat().st_mtime < now - _KEPT_UNFINISHED_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)
    for last_used, folder in sorted(used)[:-KEPT_STORES]:
        if last_used < now - KEPT_SECONDS:
            remove_folder(folder)
