"""Ctrl-C, SIGTERM and SIGHUP: ask the run to stop with a checkpoint."""

import signal
from types import FrameType

from app.cli.terminal import note


class Interrupt:
    """Ctrl-C asks the run to stop after its step, with a checkpoint; a second one ends at once."""

    def __init__(self, has_progress: bool = False) -> None:
        self.has_progress = has_progress
        self._asked = False
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
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
            note("Stopping; what was learned up to here is kept.")
        else:
            note("Stopping before the first step.")
