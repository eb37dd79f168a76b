"""Whose a run's folder is: one process at a time, for as long as it lives.

The claim is a lock on the run's log file. The system lets go of it when the process ends, however
it ends, so a run that says "running" and is not claimed was interrupted.
"""

import fcntl
import os
from pathlib import Path

from app.core.errors import InputError
from app.core.files import plain_disk_errors
from app.core.regular_files import open_descriptor

LOG_FILE = "log.txt"


class Claim:
    """This process's hold on a run's folder; made at once or refused with InputError."""

    def __init__(self, run_dir: Path) -> None:
        path = run_dir / LOG_FILE
        with plain_disk_errors(path):
            self._descriptor = open_descriptor(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._descriptor)
            raise InputError(
                f"The run in {run_dir} is being trained by another program."
            ) from error

    def write(self, text: str) -> None:
        os.write(self._descriptor, text.encode())

    def release(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def is_claimed(run_dir: Path) -> bool:
    """Whether some process, this one too, is training this run now."""
    try:
        descriptor = open_descriptor(run_dir / LOG_FILE, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)
