"""Starts, pauses and stops the one run: the state's phases on one side, the job on the other."""

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
    """Every method may be called in any phase and does nothing where it makes no sense."""

    run_ended = Signal()
    """The run's job is over, however it ended; its folder is as it will stay."""
    run_resumed = Signal(object)
    """Path of the run's folder."""
    defect_met = Signal(object)
    """Failure: something that was not foreseen; to be shown with its details."""

    def __init__(
        self,
        state: AppState,
        compute: ComputeThread,
        runs_dir: Path,
        make_way: Callable[[], threading.Event],
    ) -> None:
        """`make_way` is asked before a run begins, which waits until what it needs was let go
        of."""
        super().__init__(state)
        self._state, self._compute, self._runs_dir = state, compute, runs_dir
        self._job: Job[Event] | None = None
        self._is_pause_wanted = self._rests = False
        self._checkpoint = CheckpointRequest()
        self._make_way = make_way

    @Slot()
    def start(self) -> None:
        """The plan as it stands."""
        self.start_run(self._state.config)

    def start_run(self, config: TrainingConfig) -> bool:
        """Whether it began: not while another run is in progress, nor with settings that can't
        work."""
        if self._state.phase.is_active or config.data is None or config.problems():
            return False
        self._begin(training_job(config, self._runs_dir, self._checkpoint), config)
        return True

    def start_study_run(self, run: "StudyRun") -> None:
        """One run of a study, or the rest of it."""
        if not self._state.phase.is_active:
            self._begin(study_job(run), run.config)

    def resume(self, run_dir: Path, checkpoint: str | None, earlier: "RunToResume") -> None:
        """Resume a run from its last checkpoint, or from the one named.

        `earlier` is its settings, and what it had measured up to there.
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
        self._is_pause_wanted = self._rests = False
        self._checkpoint.take()  # what the last run was asked for at its end
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
        """Have a checkpoint made after the current step; a paused run goes on up to it."""
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
                self._note_rest(rests=isinstance(notice, JobPaused))
            case JobEnded():
                self._end(notice.failure)

    def _is_checkpoint_asked_for(self, value: object) -> bool:
        """On the compute thread: not one that was due by itself before the request was taken."""
        return isinstance(value, CheckpointSaved) and not self._checkpoint.is_waiting

    def _note_rest(self, *, rests: bool) -> None:
        self._rests = rests
        if rests and not self._is_pause_wanted and self._job is not None:
            self._job.resume()  # the pause was taken back meanwhile
        self._show_phase()

    def _show_phase(self) -> None:
        """That the run rests is its thread's word; that it is to rest, the user's."""
        if not self._state.phase.may_be_stopped:
            return
        if self._rests:
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
