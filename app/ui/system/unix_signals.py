"""Emits a Qt signal for SIGINT (Ctrl-C), SIGTERM and SIGHUP on the GUI thread.

Python runs signal handlers only between bytecode instructions, and Qt's event loop may run no
Python code for hours.
"""

import signal
import socket
from contextlib import suppress
from types import FrameType

from PySide6.QtCore import QObject, QSocketNotifier, Signal, Slot

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class UnixSignals(QObject):
    """Handles the signals from `install` to `uninstall`.

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
        """Empty the socket. Python's handler has run just before this call."""
        with suppress(BlockingIOError):
            self._read_end.recv(64)
