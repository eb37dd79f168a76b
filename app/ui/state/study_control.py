"""The open study: reads it from disk, and trains its runs one after another."""

from functools import partial
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot

from app.core.errors import Failure
from app.core.text.translation import tr
from app.ui.state.app_state import AppState
from app.ui.state.run_control import RunControl
from app.workers.background_thread import BackgroundThread
from app.workers.tasks import library

if TYPE_CHECKING:
    from app.library.reading.study_results import ReadStudy, StudyRun


class StudyControl(QObject):
    """The runs of a study are paused, stopped and drawn like all others."""

    changed = Signal()
    opened = Signal(object)
    """Argument: the path of its file. Emitted for a new study, or if the user opens the same one
    again.
    """
    failed = Signal(object)
    """Argument: the Failure if a study can't be read, or can't be opened while another one is
    trained.
    """

    def __init__(self, state: AppState, control: RunControl, background: BackgroundThread) -> None:
        super().__init__(state)
        self._state, self._control, self._background = state, control, background
        self.study: ReadStudy | None = None
        self.is_going = False
        self.run: StudyRun | None = None
        """The run in progress."""
        self._begun = self._done = 0.0
        control.run_ended.connect(self._follow_run_end)
        state.phase_changed.connect(self.changed)

    @Slot(object)
    def open(self, path: Path) -> None:
        """Open a study. While one is being trained, others can't be opened."""
        if not self.is_going:
            self._read(path, is_new=True)
        elif self.study is not None and path == self.study.path:
            self.opened.emit(path)
        elif self.study is not None:
            name = self.study.path.stem
            message = tr("“{name}” is being trained. Stop it to open another study.", name=name)
            self.failed.emit(Failure(message))

    def start_blocker(self) -> str:
        """Why the study can't be started now, in one sentence; empty if it can."""
        if self.study is not None and not self.study.waiting:
            return tr("All runs of this study are done.")
        return self._state.run_blocker()

    @Slot()
    def start(self) -> None:
        """Train the remaining runs."""
        if self.study is not None and not self.start_blocker():
            self.is_going = True
            self._begun, self._done = monotonic(), 0.0
            self._start_next()

    @Slot()
    def stop(self) -> None:
        """Stop the study and its run, which saves a checkpoint to resume from."""
        self.is_going = self._state.is_followed = False
        if self.run is not None:
            self._control.stop()
        self.changed.emit()

    def seconds_left(self, share: float) -> float | None:
        """The time until all runs are done, if the current run has completed `share`; None if
        unknown.
        """
        from app.library.reading.study_results import seconds_left

        if self.study is None or not self.is_going:
            return None
        left = len(self.study.waiting) - share
        return seconds_left(monotonic() - self._begun, self._done + share, left)

    def _start_next(self) -> None:
        if not self.is_going or self._state.phase.is_active:
            return
        if self.study is None or not self.study.waiting:
            self.is_going = False
        else:
            self.run = self.study.waiting[0]
            self._state.is_followed = len(self.study.waiting) > 1
            self._control.start_study_run(self.run)
        self.changed.emit()

    def _follow_run_end(self) -> None:
        """A run has ended, of this study or another."""
        run, self.run = self.run, None
        self._state.is_followed = False
        if run is not None:
            finished = self._state.finished
            is_done = finished is not None and finished.outcome == "finished"
            self.is_going &= is_done
            self._done += is_done
        if self.study is not None and (run is not None or self.is_going):
            self._read(self.study.path, is_new=False)

    def _read(self, path: Path, *, is_new: bool) -> None:
        work = library.read_study if is_new else library.renewed_study
        self._background.run(partial(work, path), partial(self._take, is_new), self._fail)

    def _take(self, is_new: bool, study: "ReadStudy") -> None:
        self.study = study
        if is_new:
            self.opened.emit(study.path)
        self.changed.emit()
        self._start_next()

    def _fail(self, failure: object) -> None:
        self.is_going = False
        self.changed.emit()
        self.failed.emit(failure)
