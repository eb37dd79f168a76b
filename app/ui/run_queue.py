"""Runs that wait: kept on disk, started one after the other once the queue goes.

A run that fails makes way for the next one; when the user stops one, the queue is held.
"""

from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import QObject, Signal, Slot

from app.core.config import TrainingConfig
from app.library.queue_file import QueuedRun, queued
from app.ui.app_state import AppState, Phase
from app.ui.intake import Intake
from app.ui.run_control import RunControl
from app.workers.background import BackgroundTasks
from app.workers.library_tasks import reading_queue, writing_queue


class RunQueue(QObject):
    changed = Signal()
    failed = Signal(object)
    """Failure: the queue's file could not be read or written."""

    def __init__(
        self, state: AppState, control: RunControl, intake: Intake, background: BackgroundTasks,
        path: Path,
    ) -> None:  # fmt: skip
        super().__init__(state)
        self._state, self._control, self._intake = state, control, intake
        self._background, self._path = background, path
        self.runs: list[QueuedRun] = []
        self.is_going = False
        self._begun: QueuedRun | None = None
        self._was_stopped = False
        control.run_ended.connect(self._go_on)
        state.phase_changed.connect(self._note_phase)

    def load(self) -> None:
        """Read what waited when the app was last quit; it waits until the queue is started."""
        self._background.run(reading_queue(self._path), self._take_read, self.failed.emit)

    def why_not_start(self) -> str:
        """Why the queue can't be started now; empty when it can."""
        if self.is_going:
            return "The queue is going."
        if not any(not run.problem for run in self.runs):
            return "Nothing waits."
        return ""

    # -- what waits --------------------------------------------------------------------------
    @Slot(object)
    def add(self, config: TrainingConfig) -> None:
        self._keep([*self.runs, queued(config)])

    def remove(self, key: str) -> None:
        self._keep([run for run in self.runs if run.key != key])

    def move(self, key: str, by: int) -> None:
        """So many places earlier (below zero) or later."""
        at = next((i for i, run in enumerate(self.runs) if run.key == key), None)
        if at is not None and by and 0 <= at + by < len(self.runs):
            runs = list(self.runs)
            runs.insert(at + by, runs.pop(at))
            self._keep(runs)

    # -- how it goes -------------------------------------------------------------------------
    @Slot()
    def start(self) -> None:
        """Start the next run now, or as soon as the one in progress is over."""
        if not self.why_not_start():
            self.is_going = True
            self.changed.emit()
            self._start_next()

    @Slot()
    def hold(self) -> None:
        """The run in progress goes on; no other one is started."""
        self.is_going = False
        self.changed.emit()

    def _start_next(self) -> None:
        if not self.is_going or self._state.phase.is_active:
            return
        ready = [run for run in self.runs if not run.problem]
        if not ready:
            self.hold()
            return
        self._begun = run = ready[0]
        self._state.leave_run()
        self._state.replace_config(run.config)
        self._control.start()
        if self._state.why_not_open():  # it began
            self._intake.inspect_current()
        else:
            self._note_problem("Its settings can't work as they are.")

    def _note_phase(self) -> None:
        if self._state.phase is Phase.STOPPING:
            self._was_stopped = True

    def _go_on(self) -> None:
        """A run is over: one of ours leaves the queue, or stays with why it could not begin."""
        begun, stopped = self._begun, self._was_stopped
        self._begun, self._was_stopped = None, False
        if begun is not None and self._state.started is not None:
            self.remove(begun.key)
        elif begun is not None and not stopped:
            failure = self._state.run_failure
            self._begun = begun
            self._note_problem(failure.message if failure else "It ended before its first step.")
        if stopped:
            self.hold()
        self._start_next()

    def _note_problem(self, problem: str) -> None:
        begun, self._begun = self._begun, None
        if begun is not None:
            told = replace(begun, problem=problem)
            self._keep([told if run.key == begun.key else run for run in self.runs])

    def _keep(self, runs: list[QueuedRun]) -> None:
        self.runs = runs
        self.changed.emit()
        work = writing_queue(self._path, tuple(runs))
        self._background.run(work, lambda _: None, self.failed.emit, must_happen=True)

    def _take_read(self, runs: list[QueuedRun]) -> None:
        self.runs = [*runs, *self.runs]
        self.changed.emit()
