"""Work that can wait, done in small steps while the window has nothing else to do."""

from collections import deque
from collections.abc import Iterator

from PySide6.QtCore import QObject, QTimer, Slot

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
