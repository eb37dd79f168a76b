"""Run lock: at most one process writes to a run's folder.

It is a lock on the run's log file, which the operating system releases when the process ends. So a
run that is marked "running" and is not locked was interrupted. On a disk without locks, only this
process's own runs are known.
"""

import os
from pathlib import Path

from app.core.errors import InputError
from app.core.files.atomic_files import disk_error, json_bytes
from app.core.files.locks import Lock, try_lock
from app.core.files.untrusted_files import PRIVATE_FILE, open_descriptor, restrict_mode
from app.library.run.layout import LOG_FILE

NO_LOCKS = (
    "The disk of {} has no file locks, so nothing keeps another program from training this run at "
    "the same time."
)

_unlocked: set[tuple[int, int]] = set()
"""Log files of this process's runs on disks without locks, by device and inode."""


class RunLock:
    """A lock of this process, acquired at once. Raises InputError if another process has it."""

    def __init__(self, run_dir: Path, *, is_new: bool = False) -> None:
        """With `is_new`, raises FileExistsError if a log file exists."""
        path = run_dir / LOG_FILE
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | (os.O_EXCL if is_new else 0)
        try:
            self._descriptor = open_descriptor(path, flags)
        except FileExistsError:
            raise
        except OSError as error:
            raise disk_error(error, path) from error
        restrict_mode(self._descriptor, PRIVATE_FILE)
        self._identity = _identity(self._descriptor)
        lock = try_lock(self._descriptor)
        if lock is Lock.BUSY or self._identity in _unlocked:
            os.close(self._descriptor)
            raise InputError(f"The run in {run_dir} is being trained by another program.")
        self.warning = ""
        """A warning about the lock in one sentence; mostly empty."""
        if lock is Lock.UNKNOWN:
            self.warning = NO_LOCKS.format(run_dir)
            _unlocked.add(self._identity)

    def write(self, text: str) -> None:
        os.write(self._descriptor, json_bytes(text))

    def release(self) -> None:
        if self._descriptor >= 0:
            _unlocked.discard(self._identity)
            os.close(self._descriptor)
            self._descriptor = -1


def is_locked(run_dir: Path) -> bool:
    """Whether a process, this one included, is training this run now."""
    try:
        descriptor = open_descriptor(run_dir / LOG_FILE, os.O_RDONLY)
    except OSError:
        return False
    try:
        is_own = _identity(descriptor) in _unlocked
        return is_own or try_lock(descriptor, shared=True) is Lock.BUSY
    finally:
        os.close(descriptor)


def _identity(descriptor: int) -> tuple[int, int]:
    stat_result = os.fstat(descriptor)
    return stat_result.st_dev, stat_result.st_ino
