"""Calls that are put off: a moment after they were asked for, and once for all that asked
meanwhile; or until the window has nothing else to do.
"""

from collections import deque
from collections.abc import Callable, Iterator

from PySide6.QtCore import QObject, QTimer, Slot


class Throttle(QObject):
    def __init__(self, interval_ms: int, act: Callable[[], object], parent: QObject) -> None:
        """`act` is called so often at most."""
        super().__init__(parent)
        self._timer = QTimer(self, interval=interval_ms, singleShot=True)
        self._timer.timeout.connect(act)

    def request(self, *_: object) -> None:
        """For any signal: whatever it brings."""
        if not self._timer.isActive():
            self._timer.start()


BETWEEN_MS = 4
"""Between two steps whatever the user does comes first."""


class IdleTasks(QObject):
    """Takes generators and runs each up to its next `yield`, one after the other."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._waiting: deque[Iterator[object]] = deque()
        self._timer = QTimer(self, interval=BETWEEN_MS)
        self._timer.timeout.connect(self._do_next)

    def add(self, steps: Iterator[object]) -> None:
        self._waiting.append(steps)
        self._timer.start()

    def shut_down(self) -> None:
        """What is left is not done."""
        self._waiting.clear()
        self._timer.stop()

    @Slot()
    def _do_next(self) -> None:
        if not self._waiting:
            self._timer.stop()
            return
        done = object()
        if next(self._waiting[0], done) is done and self._waiting:
            self._waiting.popleft()
