"""Keeps the base model's tokenizer at hand for the processes that read datasets."""

from pathlib import Path

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from app.ui.app_state import AppState
from app.workers.background import Failure
from app.workers.compute import ComputeThread
from app.workers.data_process import DataProcess
from app.workers.engine_jobs import PlainTokenizerLoaded, loading_tokenizer
from app.workers.job import Job, JobEnded, JobYielded

_DELAY_MS = 400
"""A little later than what the Train page asks of the model."""


class TokenizerSource(QObject):
    """Asks the engine after the model was chosen, but not during a run."""

    changed = Signal()

    def __init__(
        self, state: AppState, compute: ComputeThread, processes: tuple[DataProcess, ...]
    ) -> None:
        super().__init__(state)
        self._state, self._compute, self._processes = state, compute, processes
        self._job: Job | None = None
        self._asked: Path | None = None
        self._is_over = False
        self.key = ""
        """Under which the processes have it; empty until they do."""
        self.failure: Failure | None = None
        self.is_bound = False
        """It can't leave this process: only a run can use it."""
        self._timer = QTimer(self, interval=_DELAY_MS, singleShot=True)
        self._timer.timeout.connect(self._ask)
        state.config_changed.connect(self.refresh)
        state.phase_changed.connect(self.refresh)
        compute.job_yielded.connect(self._take)
        compute.job_ended.connect(self._end)

    @Slot()
    def refresh(self) -> None:
        """Ask soon if the model is another."""
        if self._state.phase.is_active:
            self._drop_question()
        elif self._asked != self._state.config.model and not self._is_over:
            self.ask_again()

    @Slot()
    def ask_again(self) -> None:
        """Ask soon, whatever was answered before: the model's folder may be another by now."""
        if self._state.phase.is_active or self._is_over:
            return
        self._drop_question()
        self._asked = self._state.config.model
        self._set("", None, is_bound=False)
        self._timer.start()

    def shut_down(self) -> None:
        self._drop_question()
        self._is_over = True

    def _drop_question(self) -> None:
        self._timer.stop()
        if self._job is not None:
            self._job.cancel()
            self._job = None
        if not (self.key or self.failure or self.is_bound):
            self._asked = None

    @Slot()
    def _ask(self) -> None:
        self._job = self._compute.submit(
            "Loading the tokenizer", loading_tokenizer(self._state.config.model)
        )

    @Slot(object)
    def _take(self, notice: JobYielded) -> None:
        loaded = notice.value
        if self._job is None or notice.job_id != self._job.id:
            return
        assert isinstance(loaded, PlainTokenizerLoaded)
        if loaded.pickled:
            for process in self._processes:
                process.give(loaded.key, loaded.pickled)
        self._set(loaded.key if loaded.pickled else "", None, is_bound=not loaded.pickled)

    @Slot(object)
    def _end(self, ended: JobEnded) -> None:
        if self._job is None or ended.job_id != self._job.id:
            return
        self._job = None
        if ended.ending == "failed":
            failure = Failure(ended.message, ended.hint, ended.details, ended.is_app_error)
            self._set("", failure, is_bound=False)

    def _set(self, key: str, failure: Failure | None, *, is_bound: bool) -> None:
        self.key, self.failure, self.is_bound = key, failure, is_bound
        self.changed.emit()
