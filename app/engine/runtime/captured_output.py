"""Keeps the output of an architecture's own code off standard output.

Only this thread's: what the window, a terminal's progress or a test prints meanwhile passes.
"""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from typing import Any, TextIO


@contextmanager
def output_captured() -> Iterator[StringIO]:
    """Collects what this thread writes to `sys.stdout` in the block."""
    stream = _OneThreadsOutput(sys.stdout)
    sys.stdout = stream
    try:
        yield stream.captured
    finally:
        stream.pass_all()
        if sys.stdout is stream:  # else another thread put its own in front, which keeps it
            sys.stdout = stream.passed_to


class _OneThreadsOutput:
    """Stands for a stream, and keeps what the thread that made it writes."""

    def __init__(self, passed_to: TextIO | None) -> None:
        """`passed_to` is None in a program without standard output."""
        self.passed_to = passed_to
        self.captured = StringIO()
        self._thread: int | None = threading.get_ident()

    def pass_all(self) -> None:
        self._thread = None

    def write(self, text: str) -> int:
        if threading.get_ident() == self._thread:
            return self.captured.write(text)
        return len(text) if self.passed_to is None else self.passed_to.write(text)

    def flush(self) -> None:
        if self.passed_to is not None:
            self.passed_to.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.passed_to, name)
