"""Tokenizes the plan's datasets in the background once all are checked, so that a run can start at
once.

Starts over when the inputs change; the user can stop it. It stops for a run, which continues the
tokenization itself. Until the run ends, it only looks for existing tokens.
"""

import threading
from dataclasses import replace
from time import monotonic
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from app.core.errors import Failure
from app.core.events import RunStarted
from app.core.text.sentences import localized
from app.core.text.translation import tr
from app.ui.data.dataset_list import DatasetList
from app.ui.data.tokenizer_loader import TokenizerLoader
from app.ui.look import formatting
from app.ui.state.app_state import AppState
from app.ui.state.run_dataset import RunDataset
from app.workers.background_job import JobEnded
from app.workers.data_process import DataProcess
from app.workers.jobs.datasets import TokenizeDatasets, TokenizedDatasets

if TYPE_CHECKING:
    from app.data.inspection.inspection import DatasetFacts

Wanted = tuple[TokenizeDatasets, "tuple[DatasetFacts | None, ...]"]
"""The job, and the facts that it is based on: they tell whether a file was read again."""

_DELAY_MS = 150
"""A debounce delay, because settings change several times while they are typed."""
_MIN_PACED_SECONDS = 3.0
_PATIENCE_MS = 8000
"""A chunk of rows takes a second. A process that doesn't respond within this time is killed; its
journal is at most some seconds old.
"""


class Tokenization(QObject):
    changed = Signal()

    def __init__(
        self,
        state: AppState,
        process: DataProcess,
        tokenizer: TokenizerLoader,
        datasets: DatasetList,
    ) -> None:
        super().__init__(state)
        self._state, self._process = state, process
        self._tokenizer, self._datasets = tokenizer, datasets
        self.share: float | None = None
        """The completed fraction; None when it isn't running."""
        self.stage = ""
        """The current stage before the rows are tokenized."""
        self.done: TokenizedDatasets | None = None
        self.failure: Failure | None = None
        self.is_stopped = False
        """Whether the user stopped it; it can be resumed."""
        self.stopped_at = 0.0
        self._paced_from: tuple[float, float] | None = None
        """A completed fraction, and the monotonic time when it was reached."""
        self._wanted: Wanted | None = None
        self._job: int | None = None
        self._closing: int | None = None
        self._free = threading.Event()
        self._free.set()
        self._timer = QTimer(self, interval=_DELAY_MS, singleShot=True)
        self._timer.timeout.connect(self._begin)
        self._patience = QTimer(self, interval=_PATIENCE_MS, singleShot=True)
        self._patience.timeout.connect(process.kill)
        datasets.changed.connect(self.refresh)
        state.phase_changed.connect(self._follow_phase)
        state.run_event_received.connect(self._follow_run)
        tokenizer.changed.connect(self._follow_tokenizer)

    @property
    def seconds_left(self) -> float | None:
        """An estimate from the pace so far; None if unknown."""
        if self.share is None or self._paced_from is None:
            return None
        share, since = self._paced_from
        took = monotonic() - since
        if took < _MIN_PACED_SECONDS or self.share <= share:
            return None
        return took * (1 - self.share) / (self.share - share)

    @property
    def refused(self) -> tuple[int, ...]:
        """The number of examples of each dataset that the model rejects; empty until known."""
        if self.done is None:
            return ()
        return tuple(stored.refused for stored in self.done.sets)

    @property
    def refusal(self) -> Failure | None:
        """An error that a run would meet too: the tokenizer's, or that of the last attempt."""
        found = self._tokenizer.failure or self.failure
        return found if found is not None and found.is_app_error else None

    # -- commands -----------------------------------------------------------------------------
    @Slot()
    def stop(self) -> None:
        """Stop; the finished part is kept."""
        if self.share is not None:
            self.is_stopped, self.stopped_at = True, self.share
            self._close_job()
            self.changed.emit()

    @Slot()
    def go_on(self) -> None:
        """Resume after a stop or a failure."""
        self._wanted = None
        self.refresh()

    def make_way(self) -> threading.Event:
        """Release the token store for a run. The returned event is set when it is free."""
        self._close_job()
        if self._process.is_only_job(self._closing):
            self._process.stop_when_idle()  # the run needs the memory
        if self.done is None:  # look for tokens again after the run has started
            self._wanted, self.is_stopped = None, False
        self.changed.emit()
        return self._free

    def why_not(self) -> str:
        """Why the rows are not being tokenized, in one sentence; empty if they are, or while the
        dataset is unknown.
        """
        state, datasets = self._state, self._datasets.all
        if not datasets or state.is_inspecting:
            return ""
        for one in datasets:
            name = "" if len(datasets) == 1 else one.name
            if wrong := _why_not_of(one, name, is_strict=state.config.bad_rows == "stop"):
                return wrong
        if self._tokenizer.failure is not None:
            return localized(self._tokenizer.failure.message)
        if self._tokenizer.is_bound:
            return tr("This model's rows are tokenized when a run starts.")
        if any(problem.setting == "columns" for problem in state.config.problems()):
            return tr("Not tokenized: the column mapping can't be used.")
        return "" if self._tokenizer.tokenizer else tr("The model's tokenizer is being loaded.")

    # -- updates ------------------------------------------------------------------------------
    @Slot()
    def refresh(self) -> None:
        wanted = self._now_wanted()
        if _same(wanted, self._wanted):
            return
        self._close_job()
        self._wanted = wanted
        self.done, self.failure, self.is_stopped = None, None, False
        is_deferred = wanted is None or self._state.phase.is_active
        self.share = None if is_deferred else 0.0
        if wanted is not None:
            self._timer.start()
        self.changed.emit()

    @Slot()
    def _follow_tokenizer(self) -> None:
        """Emit `changed` even if there is still nothing to do, because the reason may be
        another.
        """
        self.refresh()
        self.changed.emit()

    @Slot()
    def _follow_phase(self) -> None:
        """After a run, tokenize what it has not tokenized."""
        is_left = self.done is None and self._job is None
        if is_left and not (self._state.phase.is_active or self.is_stopped or self.failure):
            self._wanted = None
        self.refresh()

    def _now_wanted(self) -> Wanted | None:
        state, config, datasets = self._state, self._state.config, self._datasets.all
        if not datasets or state.dataset is None or state.is_inspecting:
            return None
        tokenizer = self._tokenizer.tokenizer
        if self.why_not() or tokenizer is None:
            return None
        readings = tuple(one.reading for one in datasets)
        leave_out = config.bad_rows == "skip"
        job = TokenizeDatasets(
            readings, tokenizer, config.mask_prompt, leave_out, replies=config.replies
        )
        return job, tuple(one.facts for one in datasets)

    @Slot(object)
    def _follow_run(self, event: object) -> None:
        """A run that has started has built the token store: look for it."""
        if isinstance(event, RunStarted) and self.done is None and self._wanted is not None:
            self._timer.start()

    @Slot()
    def _begin(self) -> None:
        state = self._state
        if self._wanted is None or (state.phase.is_active and state.started is None):
            return
        job, _ = self._wanted
        if state.phase.is_active:
            job = replace(job, only_if_there=True)
        self._free.clear()
        self._paced_from = None
        number = self._process.run(job, self._take, lambda ended: self._end(number, ended))
        self._job = number

    def _close_job(self) -> None:
        self._timer.stop()
        self.share, self.stage = None, ""
        if self._job is not None:
            self._process.cancel(self._job)
            self._job, self._closing = None, self._job
            self._patience.start()

    def _take(self, value: object) -> None:
        if self._job is None:
            return
        if isinstance(value, TokenizedDatasets):
            self.done, self.share = value, None
        elif isinstance(value, str):
            self.stage = value
        elif isinstance(value, float):
            self.share, self.stage = value, ""
            self._paced_from = self._paced_from or (value, monotonic())
        self.changed.emit()

    def _end(self, number: int, ended: JobEnded) -> None:
        if self._closing == number:
            self._closing = None
            self._patience.stop()
        if self._job == number:
            self._job, self.share, self.stage = None, None, ""
            if self.done is None and ended.ending == "finished":
                self._follow_phase()  # the run has not built the store, and may be over by now
            if ended.ending == "failed":
                self.failure = ended.failure
            self.changed.emit()
        if self._job is None and self._closing is None:
            self._free.set()


def _why_not_of(dataset: RunDataset, name: str, *, is_strict: bool) -> str:
    """Why this dataset's rows can't be tokenized. `name` is empty if it is the only dataset."""
    facts = dataset.facts
    if dataset.is_being_read:
        return (
            tr("Not tokenized yet: {dataset} is being read.", dataset=name)
            if name
            else tr("Not tokenized yet: the dataset is being read.")
        )
    if facts is None or formatting.file_problems(facts) or not facts.examples:
        return (
            tr("Not tokenized: {dataset} can't be used as it is.", dataset=name)
            if name
            else tr("Not tokenized: the dataset can't be used as it is.")
        )
    if facts.problem_count and is_strict:
        return (
            tr("Not tokenized: fix or skip the rows of {dataset} that can't be used.", dataset=name)
            if name
            else tr("Not tokenized: fix or skip the rows that can't be used.")
        )
    return ""


def _same(one: Wanted | None, other: Wanted | None) -> bool:
    """Whether the jobs are equal and based on the same facts."""
    if one is None or other is None:
        return one is other
    return one[0] == other[0] and all(a is b for a, b in zip(one[1], other[1], strict=True))
