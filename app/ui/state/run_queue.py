"""Runs that wait: kept on disk, started one after the other once the queue runs.

A run that fails makes way for the next one; when the user stops one, the queue is paused. A queue
that was running when the app was quit resumes by itself, with the run that was stopped for it.
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
"""With the place that it had."""


class RunQueue(QObject):
    changed = Signal()
    failed = Signal(object)
    """Failure: the queue's file could not be read or written."""
    resume_requested = Signal(str)
    """Name of the folder of the run that was cut off; `start_next` is called if it can't be."""
    went_on = Signal()
    """It resumes by itself, as it ran when the app was quit."""
    added = Signal(object)
    """QueuedRun"""
    updated = Signal()
    """One that waits has other settings."""

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
        self._in_hand: QueuedRun | None = None
        """The run in progress, if it was queued: it no longer waits."""
        self._was_stopped = self._is_quitting = False
        control.run_ended.connect(self._go_on)
        state.phase_changed.connect(self._note_phase)
        state.run_event_received.connect(self._note_event)
        state.config_changed.connect(self._follow_plan)

    def load(self) -> None:
        """Read what waited when the app was last quit."""
        self._background.run(
            partial(library.read_queue, self._path), self._take_read, self.failed.emit
        )

    def why_not_start(self) -> str:
        """Why the queue can't be started now; empty when it can."""
        if self.is_going:
            return tr("The queue is running.")
        if not any(not run.problem for run in self.runs):
            return tr("The queue is empty.")
        return ""

    @property
    def begun_key(self) -> str:
        """Of the run that is being made ready; empty if none is."""
        return self._begun.key if self._begun is not None else ""

    def why_not_touch(self, key: str) -> str:
        """Why this run can't be moved or removed now; empty if it can."""
        is_begun = bool(key) and key == self.begun_key
        return tr("It is being prepared. Open it to stop it.") if is_begun else ""

    # -- what waits --------------------------------------------------------------------------
    @Slot(object)
    def add(self, config: TrainingConfig) -> None:
        """The first that is added while a run is in progress starts after it."""
        run = queued_run(config)
        if self._state.phase.is_active and not self.runs:
            self.is_going = True
        self._keep([*self.runs, run])
        self.added.emit(run)

    def put_back(self, removed: Sequence[RemovedRun]) -> None:
        """What `remove` took out, in its places."""
        keys = {run.key for run, _ in removed}
        runs = [one for one in self.runs if one.key not in keys]
        for run, place in removed:
            runs.insert(place, run)
        self._keep(runs)

    def begin_edit(self, key: str) -> None:
        """The plan has the settings of this one, and is to take its place."""
        self.edited_key = key
        self.changed.emit()

    def _follow_plan(self) -> None:
        """A plan with other data is another run, not the edited one."""
        edited = next((run for run in self.runs if run.key == self.edited_key), None)
        if edited is not None and edited.config.data != self._state.config.data:
            self.edited_key = ""
            self.changed.emit()

    @property
    def is_edited(self) -> bool:
        """The plan is to take the place of a run that waits."""
        key = self.edited_key
        return key != self.begun_key and any(run.key == key for run in self.runs)

    def update(self, config: TrainingConfig) -> None:
        """The edited one gets these settings; what was wrong with it is forgotten."""
        key, self.edited_key = self.edited_key, ""
        new = replace(queued_run(config), key=key)
        self._keep([new if run.key == key else run for run in self.runs])
        self.updated.emit()

    def remove(self, keys: Collection[str]) -> tuple[RemovedRun, ...]:
        """Those of them that wait."""
        removed = tuple(
            (run, place)
            for place, run in enumerate(self.runs)
            if run.key in keys and not self.why_not_touch(run.key)
        )
        if removed:
            gone = {run.key for run, _ in removed}
            self._keep([run for run in self.runs if run.key not in gone])
        return removed

    def move(self, key: str, by: int) -> None:
        """So many places earlier (below zero) or later."""
        at = next((i for i, run in enumerate(self.runs) if run.key == key), None)
        if at is not None and by and 0 <= at + by < len(self.runs) and not self.why_not_touch(key):
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
            self.start_next()

    @Slot()
    def hold(self) -> None:
        """The run in progress goes on; no other one is started."""
        self.is_going = False
        self.changed.emit()

    @Slot()
    def note_quitting(self) -> None:
        """The run in progress is stopped because the app is being quit: the queue is not held."""
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
        """A run that has begun waits no more: it is in the library, also if the app is killed."""
        if isinstance(event, RunStarted) and self._begun is not None:
            self._in_hand, self._begun = self._begun, None
            key = self._in_hand.key
            self._keep([run for run in self.runs if run.key != key])

    def _go_on(self) -> None:
        """A run is over: one of ours that had not begun stays with the reason."""
        begun, stopped = self._begun, self._was_stopped
        self._begun, self._was_stopped = None, False
        in_hand, self._in_hand = self._in_hand, None
        if in_hand is not None and self._state.started is None:  # nothing of it was kept
            self._keep([in_hand, *self.runs])
        if self._is_quitting:
            self._keep_for_the_next_time()
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

    def _keep_for_the_next_time(self) -> None:
        """A run that had begun is gone on with; one that had not keeps its place."""
        finished = self._state.finished
        is_cut = finished is not None and finished.outcome == "stopped" and finished.adapter_dir
        unfinished = finished.run_dir.name if finished is not None and is_cut else ""
        self._write(SavedQueue(tuple(self.runs), auto_resume=True, unfinished=unfinished))

    def _note_problem(self, problem: str) -> None:
        begun, self._begun = self._begun, None
        if begun is not None:
            blocked = replace(begun, problem=problem)
            self._keep([blocked if run.key == begun.key else run for run in self.runs])

    def _keep(self, runs: list[QueuedRun]) -> None:
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
            # What is on the disk says so once: should this end in a crash, the queue is held.
            self._write(SavedQueue(tuple(self.runs)))
            self._go_on_by_itself(queue.unfinished)

    def _go_on_by_itself(self, unfinished: str) -> None:
        if not unfinished and self.why_not_start():
            return
        self.is_going = True
        self.changed.emit()
        self.went_on.emit()
        if unfinished:
            self.resume_requested.emit(unfinished)
        else:
            self.start_next()
