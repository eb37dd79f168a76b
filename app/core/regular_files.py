"""Files that someone else may have put there, read without waiting and without end.

A pipe, a socket, a device or a folder in a file's place is refused; it is never waited for.
"""

import os
import shutil
import stat
from io import BufferedReader
from pathlib import Path


def open_regular(path: Path) -> BufferedReader:
    """The file at `path`, open for reading. Raises OSError if that is no regular file."""
    return os.fdopen(open_descriptor(path, os.O_RDONLY), "rb")


def open_descriptor(path: Path, flags: int, mode: int = 0o644) -> int:
    """A descriptor of the regular file at `path`. Raises OSError for anything else."""
    descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY, mode)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(None, "it is no file", str(path))
    return descriptor


def read_regular(path: Path, most_bytes: int) -> bytes:
    """All of a file. Raises OSError for what is no regular file or holds more than `most_bytes`."""
    with open_regular(path) as file:
        content = file.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise OSError(None, f"it is larger than {most_bytes:,} bytes", str(path))
    return content


def read_beginning(path: Path, most_bytes: int) -> bytes:
    """A file's first bytes, all of it if it is no longer. Raises OSError as `open_regular`."""
    with open_regular(path) as file:
        return file.read(most_bytes)


def copy_regular(source: str | Path, target: str | Path) -> None:
    """Copy a file with its times. Raises OSError as `open_regular`."""
    with open_regular(Path(source)) as content, open(target, "wb") as made:
        shutil.copyfileobj(content, made)
    shutil.copystat(source, target)
