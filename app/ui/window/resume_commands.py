"""Resumes runs from their last checkpoint or another one, for the Runs page and the queue."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Slot

from app.core.errors import Failure
from app.ui.runs.runs_page import RunsPage
from app.ui.state.app_state import AppState
from app.ui.state.run_control import RunControl
from app.ui.state.run_loading import RunToResume, reading_to_resume
from app.ui.state.run_queue import RunQueue
from app.ui.window.main_window import MainWindow
from app.workers.background_thread import BackgroundThread

if TYPE_CHECKING:
    from app.library.reading.checkpoints import CheckpointFacts
    from app.library.reading.run_summary import RunSummary


def _nothing() -> None:
    """The default callback."""


class ResumeCommands(QObject):
    def __init__(
        self,
        state: AppState,
        window: MainWindow,
        page: RunsPage,
        control: RunControl,
        queue: RunQueue,
        background: BackgroundThread,
        runs_dir: Path,
    ) -> None:
        super().__init__(window)
        self._state, self._window, self._control = state, window, control
        self._queue, self._background, self._runs_dir = queue, background, runs_dir
        page.list.resume_requested.connect(self.resume)
        page.opened.resume_requested.connect(self.resume)
        page.opened.checkpoints.resume_requested.connect(self._resume_checkpoint)
        queue.resume_requested.connect(self.resume_named)

    @Slot(object)
    def resume(self, run: "RunSummary") -> None:
        """Resume a run from its last checkpoint."""
        self._resume(run.run_dir, None)

    def _resume_checkpoint(self, facts: "CheckpointFacts") -> None:
        name = None if facts.is_last else facts.folder.name
        self._resume(facts.folder.parent.parent, name)

    @Slot(str)
    def resume_named(self, folder: str) -> None:
        """Resume the queue's interrupted run in this folder; start the next one if that fails."""
        self._resume(self._runs_dir / folder, None, self._queue.start_next)

    def _resume(
        self, run_dir: Path, checkpoint: str | None, on_failure: Callable[[], None] = _nothing
    ) -> None:
        if self._is_busy():
            return

        def begin(run: RunToResume) -> None:
            if not self._is_busy():
                self._control.resume(run_dir, checkpoint, run)

        def fail(failure: Failure) -> None:
            self._window.notice.tell_failure(failure)
            on_failure()

        self._background.run(reading_to_resume(run_dir, checkpoint), begin, fail)

    def _is_busy(self) -> bool:
        if why_not := self._state.run_blocker():
            self._window.notice.tell_problem(why_not)
        return bool(why_not)
