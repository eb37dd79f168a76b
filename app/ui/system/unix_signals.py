"""Ctrl-C, a polite kill and a closed terminal: told in the GUI thread, where they can be acted on.

Python runs its signal handlers only when it is called; Qt's event loop may not call it for hours.
"""

import signal
import socket
from contextlib import suppress
from types import FrameType

from PySide6.QtCore import QObject, QSocketNotifier, Signal, Slot

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class UnixSignals(QObject):
    """Takes the signals over from `install` to `uninstall`.

    Under nohup, which ignores SIGHUP, the window stays open when its terminal is closed.
    """

    interrupted = Signal()

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._taken: list[signal.Signals] = []
        self._read_end, self._write_end = socket.socketpair()
        self._read_end.setblocking(False)
        self._write_end.setblocking(False)
        self._notifier = QSocketNotifier(self._read_end.fileno(), QSocketNotifier.Type.Read, self)
        self._notifier.activated.connect(self._wake)

    def install(self) -> None:
        signal.set_wakeup_fd(self._write_end.fileno())
        is_nohup = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        self._taken = [n for n in _SIGNALS if not (is_nohup and n == signal.SIGHUP)]
        for number in self._taken:
            signal.signal(number, self._take)

    def uninstall(self) -> None:
        for number in self._taken:
            signal.signal(number, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        self._notifier.setEnabled(False)
        self._read_end.close()
        self._write_end.close()

    def _take(self, _number: int, _frame: FrameType | None) -> None:
        self.interrupted.emit()

    @Slot()
    def _wake(self) -> None:
        """Empty the socket; Python's handler has run on the way in here."""
        with suppress(BlockingIOError):
            self._read_end.recv(64)
