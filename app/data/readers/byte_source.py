"""Opens a dataset file as bytes, decompresses gzip, and detects changes while it is read.

Reads no further than the file's size at opening.
"""

import gzip
import io
import os
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from app.core.errors import PUT_BACK, InputError
from app.core.text.sanitize import error_text
from app.data.row_values import WHOLE_FILE, CorruptFileError, RowIssue

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

READ_BYTES = 2**20
GZIP_MAGIC = b"\x1f\x8b"

MAX_UNPACKED_SHARE = 100
"""Datasets compress to about a tenth; a file that expands this much was made to fill memory."""
UNPACKED_IN_ANY_CASE = 2**30
"""Up to this size, the ratio is not checked."""


class ReadProgress:
    """The share of a file that has been read, from 0 to 1."""

    def __init__(self) -> None:
        self.done = 0.0


@contextmanager
def open_bytes(path: Path, share: ReadProgress | None = None) -> Iterator[BinaryIO]:
    """Open a file's bytes, decompressed and buffered.

    Raises InputError if the file can't be opened, and CorruptFileError if it is damaged or changes
    while it is read.
    """
    with _regular_file(path) as file:
        before = os.fstat(file.fileno())
        try:
            yield _unpacked(_Bounded(file, before.st_size, share), path, before.st_size)
        except (OSError, EOFError, zlib.error) as error:
            _check_unchanged(path, before)
            raise _broken(path, error) from error
        except UnicodeDecodeError as error:
            _check_unchanged(path, before)
            reason = f"ends in the middle of a character ({error.encoding})"
            raise CorruptFileError(RowIssue(path, WHOLE_FILE, reason, "encoding")) from error
        except CorruptFileError:
            _check_unchanged(path, before)
            raise
        _check_unchanged(path, before)


def _regular_file(path: Path) -> io.FileIO:
    try:
        # Otherwise a pipe without a writer would block forever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise InputError(f"{path} isn't there: {PUT_BACK}.") from None
    except PermissionError:
        raise InputError(
            f"Nestling has no permission to read {path}.",
            "Give Nestling permission, or choose another file.",
        ) from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path} can't be read: {_words(error)}.") from error
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return io.FileIO(descriptor, "rb", closefd=True)
    os.close(descriptor)
    kind = "a folder" if stat.S_ISDIR(mode) else "not a file"
    raise InputError(f"{path} is {kind}.", "Choose a file.")


def _unpacked(raw: "_Bounded", path: Path, size: int) -> BinaryIO:
    file = io.BufferedReader(raw, READ_BYTES)
    if file.peek(2)[:2] != GZIP_MAGIC:
        return file
    limit = max(UNPACKED_IN_ANY_CASE, size * MAX_UNPACKED_SHARE)
    return io.BufferedReader(_Unpacked(gzip.GzipFile(fileobj=file), path, limit), READ_BYTES)


class _Bounded(io.RawIOBase):
    """A file read up to a given size, so that reading a growing file ends."""

    def __init__(self, file: io.FileIO, size: int, share: ReadProgress | None) -> None:
        self._file, self._left, self._size = file, size, size
        self._share = share

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        count = self._file.readinto(memoryview(buffer)[: self._left]) or 0
        self._left -= count
        if self._share is not None and self._size:
            self._share.done = 1 - self._left / self._size
        return count


class _Unpacked(io.RawIOBase):
    """The content of a gzip file; more than `limit` bytes raise CorruptFileError."""

    def __init__(self, file: gzip.GzipFile, path: Path, limit: int) -> None:
        self._file, self._path, self._left = file, path, limit

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        count = self._file.readinto(buffer)
        self._left -= count
        if self._left < 0:
            reason = f"unpacks to more than {MAX_UNPACKED_SHARE} times its size"
            problem = RowIssue(self._path, WHOLE_FILE, reason, "too big")
            raise CorruptFileError(problem, "Unpack it yourself and check its contents.")
        return count


def _check_unchanged(path: Path, before: os.stat_result) -> None:
    try:
        now = path.stat()
    except OSError:
        reason, hint = "disappeared while it was read", f"{PUT_BACK.capitalize()}."
    else:
        same = ("st_dev", "st_ino", "st_size", "st_mtime_ns")
        if all(getattr(now, name) == getattr(before, name) for name in same):
            return
        reason = "changed while it was read"
        hint = "Start again once nothing else writes to it."
    raise CorruptFileError(RowIssue(path, WHOLE_FILE, reason, "unreadable"), hint)


def _broken(path: Path, error: Exception) -> CorruptFileError:
    if isinstance(error, EOFError | zlib.error | gzip.BadGzipFile):
        reason = "is damaged or cut off: its gzip data can't be unpacked to the end"
        hint = "Copy or pack it again."
    else:
        reason, hint = f"can't be read completely: {_words(error)}", "Choose another file."
    return CorruptFileError(RowIssue(path, WHOLE_FILE, reason, "unreadable"), hint)


def _words(error: Exception) -> str:
    return error_text(getattr(error, "strerror", None) or error)
