"""Deferred calls: a throttle, and tasks that run while the window is idle."""

from collections import deque
from collections.abc import Callable, Iterator

from PySide6.QtCore import QObject, QTimer, Slot


class Throttle(QObject):
    def __init__(self, interval_ms: int, act: Callable[[], object], parent: QObject) -> None:
        """`act` is called at most once per interval."""
        super().__init__(parent)
        self._timer = QTimer(self, interval=interval_ms, singleShot=True)
        self._timer.timeout.connect(act)

    def request(self, *_: object) -> None:
        """Request a call; can be connected to any signal."""
        if not self._timer.isActive():
            self._timer.start()


BETWEEN_MS = 4
"""The pause between two steps, in which user input is handled."""


class IdleTasks(QObject):
    """Runs generators one after another, one step at a time."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._waiting: deque[Iterator[object]] = deque()
        self._timer = QTimer(self, interval=BETWEEN_MS)
        self._timer.timeout.connect(self._do_next)

    def add(self, steps: Iterator[object]) -> None:
        self._waiting.append(steps)
        self._timer.start()

    def shut_down(self) -> None:
        """Discard the remaining steps."""
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
