"""Starts, pauses and stops the run: submits its job and updates the phase of the state."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot

from app.core.config.training_config import TrainingConfig
from app.core.errors import Failure
from app.core.events import CheckpointSaved, Event, RunFinished
from app.ui.state.app_state import AppState
from app.ui.state.run_state import Phase
from app.workers.background_job import (
    Job,
    JobEnded,
    JobFunction,
    JobNotice,
    JobPaused,
    JobResumed,
    JobYielded,
)
from app.workers.compute_thread import ComputeThread
from app.workers.jobs.training import (
    CheckpointRequest,
    resume_job,
    study_job,
    training_job,
    wait_for,
)

if TYPE_CHECKING:
    from app.library.reading.study_results import StudyRun
    from app.ui.state.run_loading import RunToResume


class RunControl(QObject):
    """Each method may be called in any phase; it does nothing in phases that don't allow it."""

    run_ended = Signal()
    """The run's job has ended, in whatever way. Its folder is final."""
    run_resumed = Signal(object)
    """Argument: the path of the run's folder."""
    defect_met = Signal(object)
    """Argument: the Failure of an unexpected error, to be shown with its details."""

    def __init__(
        self,
        state: AppState,
        compute: ComputeThread,
        runs_dir: Path,
        make_way: Callable[[], threading.Event],
    ) -> None:
        """`make_way` is called before a run starts. The run waits for the event that it returns,
        which is set when the needed resources are free.
        """
        super().__init__(state)
        self._state, self._compute, self._runs_dir = state, compute, runs_dir
        self._job: Job[Event] | None = None
        self._is_pause_wanted = self._is_paused = False
        self._checkpoint = CheckpointRequest()
        self._make_way = make_way

    @Slot()
    def start(self) -> None:
        """Start a run with the current plan."""
        self.start_run(self._state.config)

    def start_run(self, config: TrainingConfig) -> bool:
        """Start a run. Returns False if another run is in progress or the settings are invalid."""
        if self._state.phase.is_active or config.data is None or config.problems():
            return False
        self._begin(training_job(config, self._runs_dir, self._checkpoint), config)
        return True

    def start_study_run(self, run: "StudyRun") -> None:
        """Start one run of a study, or resume it."""
        if not self._state.phase.is_active:
            self._begin(study_job(run), run.config)

    def resume(self, run_dir: Path, checkpoint: str | None, earlier: "RunToResume") -> None:
        """Resume a run from its last checkpoint, or from the named one.

        `earlier` has its settings, and its measurements up to that step.
        """
        if not self._state.phase.is_active:
            work = resume_job(run_dir, checkpoint, self._checkpoint)
            self._begin(work, earlier.config, earlier, run_dir)
            self.run_resumed.emit(run_dir)

    def _begin(
        self,
        work: JobFunction[Event],
        config: TrainingConfig,
        earlier: "RunToResume | None" = None,
        run_dir: Path | None = None,
    ) -> None:
        is_free = self._make_way()
        self._state.begin_run(config, earlier, run_dir)
        self._is_pause_wanted = self._is_paused = False
        self._checkpoint.take()  # a late request to the last run
        self._job = self._compute.submit("Training", wait_for(is_free, work), self._follow)

    @Slot()
    def toggle_pause(self) -> None:
        if self._job is None or not self._state.phase.may_be_stopped:
            return
        self._is_pause_wanted = not self._is_pause_wanted
        if self._is_pause_wanted:
            self._job.pause()
        else:
            self._job.resume()
        self._show_phase()

    @Slot()
    def save_checkpoint(self) -> None:
        """Request a checkpoint after the current step. A paused run continues until it is saved."""
        if self._job is not None and self._state.phase.may_be_stopped:
            self._checkpoint.ask()
            if self._is_pause_wanted:
                self._job.resume(until=self._is_checkpoint_asked_for)

    @Slot()
    def stop(self) -> None:
        if self._job is not None and self._state.phase.may_be_stopped:
            self._state.set_phase(Phase.STOPPING)
            self._job.cancel()

    def _follow(self, notice: JobNotice) -> None:
        match notice:
            case JobYielded():
                self._state.take_event(notice.value)
            case JobPaused() | JobResumed():
                self._note_paused(is_paused=isinstance(notice, JobPaused))
            case JobEnded():
                self._end(notice.failure)

    def _is_checkpoint_asked_for(self, value: object) -> bool:
        """Whether a checkpoint answers the request; earlier ones were due anyway. Runs on the
        compute thread.
        """
        return isinstance(value, CheckpointSaved) and not self._checkpoint.is_waiting

    def _note_paused(self, *, is_paused: bool) -> None:
        self._is_paused = is_paused
        if is_paused and not self._is_pause_wanted and self._job is not None:
            self._job.resume()  # the user has resumed the run in the meantime
        self._show_phase()

    def _show_phase(self) -> None:
        """The run is paused only once its thread reports so; until then it is pausing."""
        if not self._state.phase.may_be_stopped:
            return
        if self._is_paused:
            self._state.set_phase(Phase.PAUSED)
        else:
            self._state.set_phase(Phase.PAUSING if self._is_pause_wanted else Phase.RUNNING)

    def _end(self, failure: Failure | None) -> None:
        self._job = None
        finished = self._state.finished
        if failure is not None:
            self._state.fail_run(failure)
            if not failure.is_app_error:
                self.defect_met.emit(failure)
        elif finished is None:
            self._state.set_phase(Phase.IDLE)  # stopped before there was anything to keep
        else:
            self._state.set_phase(_phase_after(finished))
        self.run_ended.emit()


def _phase_after(finished: RunFinished) -> Phase:
    return Phase.FAILED if finished.outcome == "failed" else Phase.FINISHED
