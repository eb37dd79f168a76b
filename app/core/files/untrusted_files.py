"""Safe reads of untrusted files: no pipes, devices or links; bounded size; never blocks.

A pipe, a socket, a device or a folder in place of a file is refused without waiting. A link
is refused too: in a folder from elsewhere it may lead to any of the user's files. Links above a
file's own folder are the user's own, and followed.
"""

import errno
import os
import stat
from collections.abc import Generator
from contextlib import suppress
from io import BufferedReader
from pathlib import Path
from typing import IO, Any

PRIVATE_FILE = 0o600
"""File mode: read and written by the user only."""
SHARED_FILE = 0o666
"""File mode by the user's umask, for exports to a place they chose."""

_PIECE_BYTES = 16 * 2**20
"""One block of a copy takes tenths of a second on a slow disk."""


def open_regular(path: Path, *, follow_links: bool = False) -> BufferedReader:
    """The file at `path`, open for reading. Raises OSError if that is no regular file."""
    flags = os.O_RDONLY if follow_links else os.O_RDONLY | os.O_NOFOLLOW
    return os.fdopen(_descriptor(path, flags, PRIVATE_FILE), "rb")


def open_descriptor(path: Path, flags: int, mode: int = PRIVATE_FILE) -> int:
    """A descriptor of the regular file at `path`. Raises OSError for anything else."""
    return _descriptor(path, flags | os.O_NOFOLLOW, mode)


def open_private(path: Path, mode: str) -> IO[Any]:
    """The regular file at `path`, open for writing as `open` does it, for the user alone.

    Other users' access to it is removed. Raises OSError as `open_regular` does.
    """
    return open(path, mode, opener=_private_opener)


def create_file(path: Path, mode: int = PRIVATE_FILE) -> IO[bytes]:
    """A new file, open for writing. Raises FileExistsError if there is anything at `path`."""
    return os.fdopen(open_descriptor(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb")


def read_regular(path: Path, max_bytes: int, *, follow_links: bool = False) -> bytes:
    """All of a file. Raises OSError unless it is a regular file of at most `max_bytes`."""
    with open_regular(path, follow_links=follow_links) as file:
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise OSError(None, f"it is larger than {max_bytes:,} bytes", str(path))
    return content


def read_head(path: Path, max_bytes: int, *, follow_links: bool = False) -> bytes:
    """A file's first bytes, or the whole file if it is shorter. Raises OSError as
    `open_regular`."""
    with open_regular(path, follow_links=follow_links) as file:
        return file.read(max_bytes)


def copy_regular_in_steps(
    source: Path, target: Path, mode: int = PRIVATE_FILE
) -> Generator[int, None, None]:
    """Copy a file with its times to the new file `target`, whole or not at all; yields the number
    of bytes that were just written to the disk.

    Raises OSError as `open_regular`, FileExistsError if there is anything at `target`.
    """
    with open_regular(source) as content, create_file(target, mode) as copy:
        try:
            while piece := content.read(_PIECE_BYTES):
                copy.write(piece)
                if len(piece) == _PIECE_BYTES:  # otherwise a slow disk writes everything at the end
                    copy.flush()
                    os.fsync(copy.fileno())
                yield len(piece)
            stat_result = os.fstat(content.fileno())
        except BaseException:
            target.unlink(missing_ok=True)
            raise
    with suppress(OSError):
        os.utime(target, ns=(stat_result.st_atime_ns, stat_result.st_mtime_ns))


def restrict_mode(descriptor: int, mode: int) -> None:
    """Remove permissions that `mode` does not have, if the file belongs to this user."""
    with suppress(OSError):  # the disk has no permissions
        stat_result = os.fstat(descriptor)
        if stat_result.st_uid == os.getuid() and stat.S_IMODE(stat_result.st_mode) & ~mode & 0o077:
            os.fchmod(descriptor, mode)


def _private_opener(path: str, flags: int) -> int:
    descriptor = open_descriptor(Path(path), flags)
    restrict_mode(descriptor, PRIVATE_FILE)
    return descriptor


def _descriptor(path: Path, flags: int, mode: int) -> int:
    try:
        descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY, mode)
    except OSError as error:
        if error.errno == errno.ELOOP and os.path.islink(path):
            raise OSError(errno.ELOOP, "it is a link", str(path)) from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(None, "it isn't a file", str(path))
    return descriptor
