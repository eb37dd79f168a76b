"""Does something soon after it was asked for, and once for all that asked meanwhile."""

from collections.abc import Callable

from PySide6.QtCore import QObject, QTimer


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
