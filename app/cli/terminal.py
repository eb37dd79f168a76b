"""Writes all output to the terminal: escapes text, and detects lost output."""

import contextlib
import errno
import io
import json
import os
import stat
import sys
from typing import Any, TextIO

from app.core.events import json_value
from app.core.text.sanitize import visible, visible_line


class OutputLost(Exception):
    """Standard output can't be written, because its reader has exited, its terminal was closed, or
    its disk is full.
    """

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.has_reader = error.errno != errno.EPIPE and not _was_terminal_closed(error)
        self.reason = error.strerror or str(error)


def _was_terminal_closed(error: OSError) -> bool:
    """Whether EIO means a closed terminal: a failing disk gives the same error, but its file is not
    a character device.
    """
    try:
        return error.errno == errno.EIO and stat.S_ISCHR(os.fstat(sys.stdout.fileno()).st_mode)
    except OSError:
        return False


class GuardedStream(io.TextIOWrapper):
    """Escapes the output of all libraries, including tracebacks."""

    unguarded: TextIO

    def write(self, text: str, /) -> int:
        return super().write(visible(text))


def guard_streams() -> None:
    """Escape all text from now on before it reaches the terminal."""
    if sys.stdout is None:  # started with standard output closed
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    sys.stdout, sys.stderr = _guarded(sys.stdout), _guarded(sys.stderr)


def _guarded(stream: TextIO) -> TextIO:
    if not isinstance(stream, io.TextIOWrapper):  # None if the stream is closed
        return stream
    # Names in the library may contain characters that the terminal's encoding lacks.
    stream.reconfigure(errors="backslashreplace")
    guarded = GuardedStream(
        stream.buffer, stream.encoding, "backslashreplace", line_buffering=stream.line_buffering
    )
    guarded.unguarded = stream
    return guarded


def line(text: str) -> None:
    """Write one line to standard output. Raises OutputLost, like all functions here."""
    _write(visible_line(text) + "\n")


def lines(text: str) -> None:
    """Write a text of several lines without adding a line end: an answer, a file."""
    _write(visible(text))


def json_line(value: Any) -> None:
    """Write a JSON object as one line; its escapes keep every character."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except ValueError:
        value = json_value(value)
        text = json.dumps(value, ensure_ascii=False)
    text = visible_line(text)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(value)
    _write(text + "\n")


def note(text: str) -> None:
    """Write one line to standard error; it is dropped if the terminal was closed."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError):
            print(visible_line(text), file=sys.stderr, flush=True)


def flush() -> None:
    """Flush the buffers, which may contain argparse's help."""
    _write("")


def drop_output() -> None:
    """Discard all further output and the contents of the buffers."""
    with contextlib.suppress(OSError), open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


def _write(text: str) -> None:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        raise OutputLost(error) from error
