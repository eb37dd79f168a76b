"""A limit on the time that one rendering of a chat template takes, however a chat makes it long.

A thread can't be ended, but Python that runs in it can be interrupted: a second thread looks at the
renderings in hand from time to time, and has one that takes too long raise an error.
"""

import ctypes
import threading
from time import monotonic, sleep

from app.core.errors import InputError

SECONDS = 10.0
_SECONDS_BETWEEN_LOOKS = 0.25
_LOOKS_AT_NOTHING = 20
"""After so many the second thread ends; the next rendering starts another."""


class RenderingTooLong(InputError):
    """The time of a template was over before a chat was rendered."""

    def __init__(self, message: str = "", hint: str = "") -> None:
        said = f"The model's chat template takes longer than {SECONDS:g} seconds to render a chat."
        super().__init__(message or said, hint or "Leave the chat out, or fix the template.")

    def on(self, row: str) -> "RenderingTooLong":
        """The same with the row that it was: "line 7"."""
        return RenderingTooLong(
            f"The model's chat template takes longer than {SECONDS:g} seconds on {row}."
        )

    def of(self, file: str) -> "RenderingTooLong":
        """The same with the file that the row is from."""
        return RenderingTooLong(f"{self.message.rstrip('.')} of {file}.")


_lock = threading.Lock()
_ends: dict[int, float] = {}
"""Of each thread that renders, when its time is over."""
_is_watched = False


class _Limited:
    """A class, since a generator would cost as much again as all of this."""

    def __enter__(self) -> None:
        global _is_watched
        with _lock:
            _ends[threading.get_ident()] = monotonic() + SECONDS
            if _is_watched:
                return
            _is_watched = True
        threading.Thread(target=_watch, name="rendering", daemon=True).start()

    def __exit__(self, *_: object) -> None:
        thread = threading.get_ident()
        with _lock:
            if _ends.pop(thread, None) is None:
                _interrupt(thread, None)  # it was interrupted just now, when nothing was left to do


limited = _Limited()
"""Raises RenderingTooLong inside, once that takes too long."""


def _watch() -> None:
    global _is_watched
    looks_at_nothing = 0
    while True:
        sleep(_SECONDS_BETWEEN_LOOKS)
        with _lock:
            looks_at_nothing = 0 if _ends else looks_at_nothing + 1
            if looks_at_nothing == _LOOKS_AT_NOTHING:
                _is_watched = False
                return
            for thread in [thread for thread, ends in _ends.items() if ends < monotonic()]:
                del _ends[thread]
                _interrupt(thread, RenderingTooLong)


def _interrupt(thread: int, error: type[Exception] | None) -> None:
    raised = None if error is None else ctypes.py_object(error)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), raised)
