"""Periodically requests to read the opened run again while it is in progress, here or in another
program.
"""

from PySide6.QtCore import QObject, QTimer, Signal

from app.ui.look import formatting
from app.ui.run.run_view import RunView
from app.ui.state.run_loading import ReadRun

AGAIN_MS = 1000
_SHARE = 0.05
"""Reading takes at most this fraction of the time, so longer runs are read less often."""


class LiveRefresh(QObject):
    """Requests nothing while the run's page is hidden."""

    due = Signal(object)
    """Argument: the path of the run's folder."""

    def __init__(self, opened: RunView) -> None:
        super().__init__(opened)
        self._opened = opened
        self._wait_ms = AGAIN_MS
        self._timer = QTimer(self, singleShot=True)
        self._timer.timeout.connect(self._ask)
        opened.shown.connect(self._schedule)

    def note_read(self, run: ReadRun) -> None:
        """Schedule the next reading; call this after each one."""
        self._wait_ms = max(AGAIN_MS, round(1e3 * run.reading_seconds / _SHARE))
        self._timer.stop()
        self._schedule()

    def _schedule(self) -> None:
        if self._is_live_and_visible() and not self._timer.isActive():
            self._timer.start(self._wait_ms)

    def _ask(self) -> None:
        if self._is_live_and_visible() and (run := self._opened.run) is not None:
            self.due.emit(run.details.summary.run_dir)

    def _is_live_and_visible(self) -> bool:
        run = self._opened.run
        is_live = run is not None and formatting.is_in_progress(run.details.summary.outcome)
        return is_live and self._opened.isVisible()
