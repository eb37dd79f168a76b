"""The queue of runs: saved on disk, started one after another.

If a run fails, the next one starts; if the user stops a run, the queue is paused. A queue that was
running when the app quit resumes at the next launch, starting with the interrupted run.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeAlias

from PySide6.QtCore import QObject, Signal, Slot

from app.core.config.training_config import TrainingConfig
from app.core.events import RunStarted
from app.core.text.translation import mark, tr
from app.library.queue_store import QueuedRun, SavedQueue, queued_run
from app.ui.state.app_state import AppState
from app.ui.state.run_control import RunControl
from app.ui.state.run_state import Phase
from app.workers.background_thread import BackgroundThread
from app.workers.tasks import library

RemovedRun: TypeAlias = tuple[QueuedRun, int]
"""With its position in the queue."""


class RunQueue(QObject):
    changed = Signal()
    failed = Signal(object)
    """Argument: the Failure of reading or writing the queue's file."""
    resume_requested = Signal(str)
    """Argument: the folder name of the interrupted run. If it can't be resumed, the receiver calls
    `start_next`.
    """
    went_on = Signal()
    """The queue has resumed by itself, because it was running when the app quit."""
    added = Signal(object)
    """Argument: QueuedRun."""
    updated = Signal()
    """The settings of a queued run have changed."""

    def __init__(
        self, state: AppState, control: RunControl, background: BackgroundThread, path: Path
    ) -> None:
        super().__init__(state)
        self._state, self._control = state, control
        self._background, self._path = background, path
        self.runs: list[QueuedRun] = []
        self.is_going = False
        self.edited_key = ""
        self._begun: QueuedRun | None = None
        self._running: QueuedRun | None = None
        """The queued run in progress; it is no longer in `runs`."""
        self._was_stopped = self._is_quitting = False
        control.run_ended.connect(self._follow_run_end)
        state.phase_changed.connect(self._note_phase)
        state.run_event_received.connect(self._note_event)
        state.config_changed.connect(self._follow_plan)

    def load(self) -> None:
        """Read the queue of the last session."""
        self._background.run(
            partial(library.read_queue, self._path), self._take_read, self.failed.emit
        )

    def why_not_start(self) -> str:
        """Why the queue can't be started now; empty if it can."""
        if self.is_going:
            return tr("The queue is running.")
        if not any(not run.problem for run in self.runs):
            return tr("The queue is empty.")
        return ""

    @property
    def begun_key(self) -> str:
        """The key of the run that is being prepared; empty if there is none."""
        return self._begun.key if self._begun is not None else ""

    def why_not_touch(self, key: str) -> str:
        """Why this run can't be moved or removed now; empty if it can."""
        is_begun = bool(key) and key == self.begun_key
        return tr("It is being prepared. Open it to stop it.") if is_begun else ""

    # -- the queued runs ---------------------------------------------------------------------
    @Slot(object)
    def add(self, config: TrainingConfig) -> None:
        """Add a run. If it is the only one and another run is in progress, the queue starts as
        well.
        """
        run = queued_run(config)
        if self._state.phase.is_active and not self.runs:
            self.is_going = True
        self._set_runs([*self.runs, run])
        self.added.emit(run)

    def put_back(self, removed: Sequence[RemovedRun]) -> None:
        """Restore runs that `remove` returned, at their positions."""
        keys = {run.key for run, _ in removed}
        runs = [one for one in self.runs if one.key not in keys]
        for run, place in removed:
            runs.insert(place, run)
        self._set_runs(runs)

    def begin_edit(self, key: str) -> None:
        """The plan has the settings of this queued run; `update` will write them back."""
        self.edited_key = key
        self.changed.emit()

    def _follow_plan(self) -> None:
        """A plan with another dataset is a new run: stop editing the queued run."""
        edited = next((run for run in self.runs if run.key == self.edited_key), None)
        if edited is not None and edited.config.data != self._state.config.data:
            self.edited_key = ""
            self.changed.emit()

    @property
    def is_edited(self) -> bool:
        """Whether the plan edits a run that is still queued."""
        key = self.edited_key
        return key != self.begun_key and any(run.key == key for run in self.runs)

    def update(self, config: TrainingConfig) -> None:
        """Set the settings of the edited run, and clear its problem."""
        key, self.edited_key = self.edited_key, ""
        new = replace(queued_run(config), key=key)
        self._set_runs([new if run.key == key else run for run in self.runs])
        self.updated.emit()

    def remove(self, keys: Collection[str]) -> tuple[RemovedRun, ...]:
        """Remove the queued runs with these keys, and return them."""
        removed = tuple(
            (run, place)
            for place, run in enumerate(self.runs)
            if run.key in keys and not self.why_not_touch(run.key)
        )
        if removed:
            gone = {run.key for run, _ in removed}
            self._set_runs([run for run in self.runs if run.key not in gone])
        return removed

    def move(self, key: str, by: int) -> None:
        """Move a run by this number of positions: earlier if negative, later if positive."""
        at = next((i for i, run in enumerate(self.runs) if run.key == key), None)
        if at is not None and by and 0 <= at + by < len(self.runs) and not self.why_not_touch(key):
            runs = list(self.runs)
            runs.insert(at + by, runs.pop(at))
            self._set_runs(runs)

    # -- running the queue -------------------------------------------------------------------
    @Slot()
    def start(self) -> None:
        """Start the next run now, or as soon as the run in progress has ended."""
        if not self.why_not_start():
            self.is_going = True
            self.changed.emit()
            self.start_next()

    @Slot()
    def hold(self) -> None:
        """Pause the queue: the run in progress continues, and no other one starts."""
        self.is_going = False
        self.changed.emit()

    @Slot()
    def note_quitting(self) -> None:
        """Quitting the app stops the run in progress; that must not pause the queue."""
        self._is_quitting = self.is_going

    def start_next(self) -> None:
        if not self.is_going or self._is_quitting or self._state.phase.is_active:
            return
        ready = [run for run in self.runs if not run.problem]
        if not ready:
            self.hold()
            return
        self._begun = run = ready[0]
        if self._control.start_run(run.config):
            self.changed.emit()
        else:
            self._note_problem(mark("Its settings are invalid."))

    def _note_phase(self) -> None:
        if self._state.phase is Phase.STOPPING:
            self._was_stopped = True

    def _note_event(self, event: object) -> None:
        """Remove a run from the queue when it starts, because the library now has it, even after a
        crash.
        """
        if isinstance(event, RunStarted) and self._begun is not None:
            self._running, self._begun = self._begun, None
            key = self._running.key
            self._set_runs([run for run in self.runs if run.key != key])

    def _follow_run_end(self) -> None:
        """A run has ended. A queued run that failed before it started stays in the queue with the
        reason.
        """
        begun, stopped = self._begun, self._was_stopped
        self._begun, self._was_stopped = None, False
        running, self._running = self._running, None
        if running is not None and self._state.started is None:  # nothing of it was saved
            self._set_runs([running, *self.runs])
        if self._is_quitting:
            self._save_for_next_launch()
            return
        if begun is not None and self._state.started is None and not stopped:
            failure = self._state.run_failure
            self._begun = begun
            self._note_problem(
                failure.message if failure else mark("It ended before its first step.")
            )
        if stopped:
            self.hold()
        self.start_next()

    def _save_for_next_launch(self) -> None:
        """Save the queue for the next launch, which resumes the interrupted run; a run that had not
        started keeps its position.
        """
        finished = self._state.finished
        is_cut = finished is not None and finished.outcome == "stopped" and finished.adapter_dir
        unfinished = finished.run_dir.name if finished is not None and is_cut else ""
        self._write(SavedQueue(tuple(self.runs), auto_resume=True, unfinished=unfinished))

    def _note_problem(self, problem: str) -> None:
        begun, self._begun = self._begun, None
        if begun is not None:
            blocked = replace(begun, problem=problem)
            self._set_runs([blocked if run.key == begun.key else run for run in self.runs])

    def _set_runs(self, runs: list[QueuedRun]) -> None:
        self.runs = runs
        self.changed.emit()
        self._write(SavedQueue(tuple(runs)))

    def _write(self, queue: SavedQueue) -> None:
        work = partial(library.write_queue, self._path, queue)
        self._background.run(work, lambda _: None, self.failed.emit, run_on_quit=True)

    def _take_read(self, queue: SavedQueue) -> None:
        self.runs = [*queue.runs, *self.runs]
        self.changed.emit()
        if queue.auto_resume:
            # Clear the flag on disk: after a crash, the queue must not resume again by itself.
            self._write(SavedQueue(tuple(self.runs)))
            self._resume_automatically(queue.unfinished)

    def _resume_automatically(self, unfinished: str) -> None:
        if not unfinished and self.why_not_start():
            return
        self.is_going = True
        self.changed.emit()
        self.went_on.emit()
        if unfinished:
            self.resume_requested.emit(unfinished)
        else:
            self.start_next()
