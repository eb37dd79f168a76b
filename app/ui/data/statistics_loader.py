"""The datasets' figures: asked for once its rows are tokens, and again when the split changes."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from app.ui.data.datasets import Datasets
from app.ui.data.tokenization import Tokenisation
from app.ui.state.app_state import AppState
from app.workers.background_thread import BackgroundThread
from app.workers.data_process import DataProcess
from app.workers.job import JobEnded
from app.workers.jobs.datasets import TokenizedDatasets
from app.workers.jobs.tokens import ComputeStatistics, HoldoutSplit, ListLongRows
from app.workers.tasks import library

if TYPE_CHECKING:
    from app.data.examples import RowIssue
    from app.data.training_set.statistics import DataStatistics
    from app.library.run_history import LastThroughput

_DELAY_MS = 120


class Figures(QObject):
    changed = Signal()
    long_rows_changed = Signal()

    def __init__(
        self,
        state: AppState,
        process: DataProcess,
        background: BackgroundThread,
        datasets: Datasets,
        tokenisation: Tokenisation,
        runs_dir: Path,
    ) -> None:
        super().__init__(state)
        self._state, self._process, self._background = state, process, background
        self._datasets, self._tokenisation = datasets, tokenisation
        self._runs_dir = runs_dir
        self.all: tuple[DataStatistics, ...] = ()
        """Of each of the run's datasets; none until their rows are tokens."""
        self.speed: LastThroughput | None = None
        """Of the last run on this model; None where there was none."""
        self.long_rows: tuple[RowIssue, ...] = ()
        """The first rows of the shown dataset that are longer than the limit."""
        self._measured: tuple[object, ...] = ()
        self._named: tuple[object, ...] = ()
        self._sought: object = None
        self._jobs: dict[str, int] = {}
        self._timer = QTimer(self, interval=_DELAY_MS, singleShot=True)
        self._timer.timeout.connect(self._ask)
        state.config_changed.connect(self.refresh)
        state.phase_changed.connect(self._look_up_speed)
        tokenisation.changed.connect(self.refresh)
        datasets.changed.connect(self._follow)

    @property
    def statistics(self) -> "DataStatistics | None":
        """Of the dataset that is shown."""
        return self.all[min(self._datasets.index, len(self.all) - 1)] if self.all else None

    @Slot()
    def refresh(self) -> None:
        done, config = self._tokenisation.done, self._state.config
        if done is None:
            if self.all or self.long_rows:
                self._forget()
            return
        if self._sought != config.model:
            self._look_up_speed()
        if self._measured != self._split() or self._named != self._long_rows_of(done):
            self._timer.start()

    @Slot()
    def _follow(self) -> None:
        """Another dataset is shown, maybe."""
        if self._named and self._named[0] != self._datasets.index:
            self.long_rows = ()
            self.refresh()
            self.changed.emit()

    def _long_rows_of(self, done: TokenizedDatasets) -> tuple[object, ...]:
        """What decides which rows are too long."""
        return self._datasets.index, done, self._state.config_as_cut.max_seq_length

    def _split(self) -> tuple[object, ...]:
        config = self._state.config
        return self._tokenisation.done, config.validation_split, config.seed

    def _forget(self) -> None:
        self._timer.stop()
        self.all, self.long_rows = (), ()
        self._measured = self._named = ()
        self.changed.emit()
        self.long_rows_changed.emit()

    @Slot()
    def _ask(self) -> None:
        done, config = self._tokenisation.done, self._state.config_as_cut
        if done is None:
            return
        if self._measured != self._split():
            self._measured = self._split()
            split = HoldoutSplit(config.validation_split, config.seed)
            self._run("measuring", ComputeStatistics(done.sets, split), self._take_statistics)
        if self._named != self._long_rows_of(done):
            self._named = self._long_rows_of(done)
            stored = done.sets[min(self._datasets.index, len(done.sets) - 1)]
            work = ListLongRows(stored, config.max_seq_length)
            self._run("naming", work, self._take_long_rows)

    def _run(self, name: str, work: ComputeStatistics | ListLongRows, take: object) -> None:
        """The latest question of a kind is answered, and no other."""
        if name in self._jobs:
            self._process.cancel(self._jobs[name])

        def on_value(value: object) -> None:
            if self._jobs.get(name) == number and self._tokenisation.done is not None:
                take(value)  # type: ignore[operator]

        def on_ended(_: JobEnded) -> None:
            if self._jobs.get(name) == number:
                del self._jobs[name]

        number = self._process.run(work, on_value, on_ended)
        self._jobs[name] = number

    def _take_statistics(self, statistics: "tuple[DataStatistics, ...]") -> None:
        self.all = statistics
        self.changed.emit()

    def _take_long_rows(self, rows: "tuple[RowIssue, ...]") -> None:
        self.long_rows = rows
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
