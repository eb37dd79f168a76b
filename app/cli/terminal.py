"""The only way to the terminal: text is escaped, and lost output is noticed."""

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
    """Standard output takes no more: its reader has gone, its terminal was closed, its disk is
    full."""

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.has_reader = error.errno != errno.EPIPE and not _was_terminal_closed(error)
        self.reason = error.strerror or str(error)


def _was_terminal_closed(error: OSError) -> bool:
    """A file on a failing disk has the same number of error, but is no device."""
    try:
        return error.errno == errno.EIO and stat.S_ISCHR(os.fstat(sys.stdout.fileno()).st_mode)
    except OSError:
        return False


class GuardedStream(io.TextIOWrapper):
    """What any library writes, a traceback too, passes here."""

    unguarded: TextIO

    def write(self, text: str, /) -> int:
        return super().write(visible(text))


def guard_streams() -> None:
    """From now on no program's text reaches the terminal as it is."""
    if sys.stdout is None:  # started with standard output closed
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    sys.stdout, sys.stderr = _guarded(sys.stdout), _guarded(sys.stderr)


def _guarded(stream: TextIO) -> TextIO:
    if not isinstance(stream, io.TextIOWrapper):  # none, where the program was started without
        return stream
    # A name in the library may hold what the terminal's encoding can't show.
    stream.reconfigure(errors="backslashreplace")
    guarded = GuardedStream(
        stream.buffer, stream.encoding, "backslashreplace", line_buffering=stream.line_buffering
    )
    guarded.unguarded = stream
    return guarded


def line(text: str) -> None:
    """One line on standard output, whatever it holds. Raises OutputLost, as all here do."""
    _write(visible_line(text) + "\n")


def lines(text: str) -> None:
    """A text with line ends of its own, without another at its end: an answer, a file."""
    _write(visible(text))


def json_line(value: Any) -> None:
    """A JSON object on a line; what reads it gets every character back."""
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
    """One line on the error output; lost if the terminal was closed."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError):
            print(visible_line(text), file=sys.stderr, flush=True)


def flush() -> None:
    """Flushes the buffer, which may hold argparse's help."""
    _write("")


def drop_output() -> None:
    """Nothing is written any more: neither what follows, nor what is left in the buffers."""
    with contextlib.suppress(OSError), open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


def _write(text: str) -> None:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        raise OutputLost(error) from error
