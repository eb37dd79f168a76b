"""Handles Ctrl-C, SIGTERM and SIGHUP: a run stops with a checkpoint, other commands end cleanly."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from app.cli.terminal import note

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_SECONDS_TO_LEAVE = 0.05
"""The delay before a dropped interrupt is raised again; the callback should have ended by then."""


@contextmanager
def ending_in_order() -> Iterator[None]:
    """Inside, each of the signals raises KeyboardInterrupt once; a second one ends the process.

    Under nohup, SIGHUP stays ignored.
    """
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    defaults = (signal.SIG_DFL, signal.default_int_handler)
    taken = [number for number, handler in before.items() if handler in defaults]
    show_dropped, sys.unraisablehook = sys.unraisablehook, _raise_dropped_interrupt
    for number in taken:
        signal.signal(number, _raise_interrupt)
    try:
        yield
    finally:
        sys.unraisablehook = show_dropped
        for number in taken:
            signal.signal(number, before[number])


def _raise_interrupt(number: int, _frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_DFL)
    raise KeyboardInterrupt


def _raise_dropped_interrupt(dropped: "sys.UnraisableHookArgs") -> None:
    """Python drops errors in `__del__` and in callbacks; this raises an interrupt again after a
    delay.
    """
    if dropped.exc_type is not KeyboardInterrupt:
        sys.__unraisablehook__(dropped)
        return
    signal.signal(signal.SIGINT, _raise_interrupt)
    again = threading.Timer(_SECONDS_TO_LEAVE, os.kill, (os.getpid(), signal.SIGINT))
    again.daemon = True
    again.start()


class Interrupt:
    """The first signal asks the run to stop after its step with a checkpoint; a second one ends the
    process.
    """

    def __init__(self, has_progress: bool = False) -> None:
        self.has_progress = has_progress
        self._asked = False
        for number in _SIGNALS:
            is_nohup = number == signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN
            if not is_nohup:
                signal.signal(number, self._handle)

    def is_requested(self) -> bool:
        return self._asked

    def ask(self) -> None:
        self._asked = True

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        self._asked = True
        signal.signal(number, signal.SIG_DFL)
        if self.has_progress:
            note("Stopping; progress so far is kept.")
        else:
            note("Stopping before the first step.")
