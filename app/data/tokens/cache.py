"""Manages the cache folder of token stores; removes the least recently used ones."""

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.core.files.atomic_files import disk_errors_as_app_errors
from app.core.files.disks import ensure_own_folder
from app.core.files.folders import remove_known_files
from app.core.files.locks import Lock, try_lock
from app.core.files.paths import cache_dir
from app.core.files.untrusted_files import open_private
from app.data.tokens.store_files import MANIFEST, STORE_FILES

KEPT_STORES = 20
KEPT_SECONDS = 24 * 3600
"""Stores used within this time are kept beyond KEPT_STORES, because a dataset may have many files.
"""
UNFINISHED_SUFFIX = ".unfinished"
_KEPT_UNFINISHED_SECONDS = 7 * 24 * 3600
_STORE = re.compile(rf"[0-9a-f]{{32}}((\.[0-9]+)?{re.escape(UNFINISHED_SUFFIX)})?$")
"""Matches the folder names of finished and unfinished stores."""


def stores_dir() -> Path:
    return cache_dir() / "tokens"


@contextmanager
def reserve_folder(folder: Path) -> Iterator[Path]:
    """Reserve a folder beside `folder` for this process; it may contain an unfinished store.

    Afterwards, removes the least recently used stores. Raises AppError if the disk can't be
    written.
    """
    ensure_own_folder(folder.parent)
    with disk_errors_as_app_errors(folder):
        lock = open_private(folder.parent / "lock", "ab")
    with lock:
        lock_state = try_lock(lock.fileno())
        if lock_state is Lock.TAKEN:
            yield folder.with_name(folder.name + UNFINISHED_SUFFIX)
        else:  # another process may be building a store
            yield folder.with_name(f"{folder.name}.{os.getpid()}{UNFINISHED_SUFFIX}")
        if lock_state is not Lock.BUSY:
            _tidy(folder.parent)


def _tidy(stores: Path) -> None:
    now = time.time()
    used: list[tuple[float, Path]] = []
    for folder in (e for e in stores.iterdir() if _STORE.match(e.name) and e.is_dir()):
        if not folder.suffix:
            manifest = folder / MANIFEST
            used.append((manifest.stat().st_mtime if manifest.exists() else 0.0, folder))
        elif folder.stat().st_mtime < now - _KEPT_UNFINISHED_SECONDS:
            remove_known_files(folder, STORE_FILES)
    for last_used, folder in sorted(used)[:-KEPT_STORES]:
        if last_used < now - KEPT_SECONDS:
            remove_known_files(folder, STORE_FILES)
