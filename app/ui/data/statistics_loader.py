"""Loads the datasets' statistics after tokenization, and again when the split changes."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

from PySide6.QtCore import QObject, Signal, Slot

from app.ui.data.dataset_list import DatasetList
from app.ui.data.tokenization import Tokenization
from app.ui.state.app_state import AppState
from app.ui.state.latest_request import LatestRequest
from app.workers.background_thread import BackgroundThread
from app.workers.data_process import DataProcess
from app.workers.jobs.tokens import ComputeStatistics, HoldoutSplit, ListLongRows
from app.workers.tasks import library

if TYPE_CHECKING:
    from app.data.row_values import RowIssue
    from app.data.training_set.statistics import DataStatistics
    from app.library.run_history import LastThroughput
    from app.workers.jobs.datasets import TokenizedDatasets

_DELAY_MS = 120
TRIES = 2
"""A request is repeated once if its process dies."""


class StatisticsLoader(QObject):
    changed = Signal()
    long_rows_changed = Signal()

    def __init__(
        self,
        state: AppState,
        process: DataProcess,
        background: BackgroundThread,
        datasets: DatasetList,
        tokenization: Tokenization,
        runs_dir: Path,
    ) -> None:
        super().__init__(state)
        self._state, self._background = state, background
        self._datasets, self._tokenization = datasets, tokenization
        self._runs_dir = runs_dir
        self.all: tuple[DataStatistics, ...] = ()
        """The statistics of each dataset; empty until their rows are tokenized."""
        self.speed: LastThroughput | None = None
        """The throughput of the last run on this model; None if there is none."""
        self.long_rows: tuple[RowIssue, ...] = ()
        """The first rows of the shown dataset that exceed the limit."""
        self._sought: object = None
        self._measuring = LatestRequest(
            process, _DELAY_MS, self, key=self._split, job=self._measure,
            take=self._take_statistics, tries=TRIES,
        )  # fmt: skip
        self._naming = LatestRequest(
            process, _DELAY_MS, self, key=self._long_rows_of, job=self._name_long_rows,
            take=self._take_long_rows, tries=TRIES,
        )  # fmt: skip
        state.config_changed.connect(self.refresh)
        state.phase_changed.connect(self._look_up_speed)
        tokenization.changed.connect(self.refresh)
        datasets.changed.connect(self._follow)

    @property
    def statistics(self) -> "DataStatistics | None":
        """The statistics of the shown dataset."""
        return self.all[min(self._datasets.index, len(self.all) - 1)] if self.all else None

    @Slot()
    def refresh(self) -> None:
        if self._tokenization.done is None:
            if self.all or self.long_rows:
                self._forget()
        elif self._sought != self._state.config.model:
            self._look_up_speed()
        self._measuring.refresh()
        self._naming.refresh()

    @Slot()
    def _follow(self) -> None:
        """Another dataset may be shown."""
        named = self._naming.asked
        if named is not None and named[0] != self._datasets.index:
            self.long_rows = ()
            self.refresh()
            self.changed.emit()

    def _split(self) -> "tuple[TokenizedDatasets, HoldoutSplit] | None":
        """The inputs of the statistics."""
        done, config = self._tokenization.done, self._state.config
        return None if done is None else (done, HoldoutSplit(config.validation_split, config.seed))

    def _long_rows_of(self) -> "tuple[int, TokenizedDatasets, int] | None":
        """The inputs of the list of long rows."""
        done = self._tokenization.done
        limit = self._state.config_as_cut.max_seq_length
        return None if done is None else (self._datasets.index, done, limit)

    def _measure(self, key: "tuple[TokenizedDatasets, HoldoutSplit]") -> ComputeStatistics:
        done, split = key
        return ComputeStatistics(done.sets, split)

    def _name_long_rows(self, key: "tuple[int, TokenizedDatasets, int]") -> ListLongRows:
        index, done, limit = key
        return ListLongRows(done.sets[min(index, len(done.sets) - 1)], limit)

    def _forget(self) -> None:
        self.all, self.long_rows = (), ()
        self.changed.emit()
        self.long_rows_changed.emit()

    def _take_statistics(self, statistics: object) -> None:
        self.all = cast("tuple[DataStatistics, ...]", statistics)
        self.changed.emit()

    def _take_long_rows(self, rows: object) -> None:
        self.long_rows = cast("tuple[RowIssue, ...]", rows)
        self.long_rows_changed.emit()

    @Slot()
    def _look_up_speed(self) -> None:
        if self._state.phase.is_active:
            return
        model = self._state.config.model
        self._sought = model

        def take(speed: "LastThroughput | None") -> None:
            if self._sought == model:
                self.speed = speed
                self.changed.emit()

        self._background.run(
            partial(library.last_throughput, self._runs_dir, model), take, lambda _: None
        )
