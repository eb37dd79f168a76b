"""Creates and shuts down the services that work on the run's datasets in the background."""

from pathlib import Path

from PySide6.QtCore import QObject, Slot

from app.core.text.sentences import localized
from app.ui.data.dataset_list import DatasetList
from app.ui.data.file_opener import FileOpener
from app.ui.data.file_watch import FileWatch
from app.ui.data.preview import Preview
from app.ui.data.statistics_loader import StatisticsLoader
from app.ui.data.tokenization import Tokenization
from app.ui.data.tokenizer_loader import TokenizerLoader
from app.ui.state.app_state import AppState
from app.ui.state.plan_memory import PlanMemory
from app.workers.background_thread import BackgroundThread
from app.workers.data_process import DataProcess
from app.workers.jobs.datasets import WarmUp


class DataServices(QObject):
    def __init__(
        self, state: AppState, plan: PlanMemory, background: BackgroundThread, runs_dir: Path
    ) -> None:
        super().__init__(state)
        self.reader = DataProcess(self, low_priority=True)
        """Reads, checks and tokenizes whole files, at low priority."""
        self.looker = DataProcess(self)
        """Answers the window's requests at once."""
        self.datasets = DatasetList(state, plan, background, self.reader)
        self.file_opener = FileOpener(state, plan, background, self.datasets)
        self.tokenizer = TokenizerLoader(state, self.looker)
        self.tokenization = Tokenization(state, self.reader, self.tokenizer, self.datasets)
        self.preview = Preview(state, self.looker, self.tokenizer, self.datasets, self.tokenization)
        self.watch = FileWatch(state, self.looker, self.datasets)
        self.statistics = StatisticsLoader(
            state, self.looker, background, self.datasets, self.tokenization, runs_dir
        )
        self.enough = EnoughRows(state, self.datasets, self.tokenization, self.statistics)

    def begin(self) -> None:
        """Load what the first dataset needs, after the window is visible."""
        self.looker.run(WarmUp(), lambda _: None, lambda _: None)
        self.tokenizer.refresh()

    def shut_down(self) -> None:
        self.looker.shut_down()
        self.reader.shut_down()


class EnoughRows(QObject):
    """Checks whether enough rows remain to train on. That is known only after tokenization; until
    then the run itself checks it.
    """

    def __init__(
        self,
        state: AppState,
        datasets: DatasetList,
        tokenization: Tokenization,
        statistics: StatisticsLoader,
    ) -> None:
        super().__init__(state)
        self._state, self._datasets = state, datasets
        self._tokenization, self._statistics = tokenization, statistics
        state.config_changed.connect(self.refresh)
        statistics.changed.connect(self.refresh)
        tokenization.changed.connect(self.refresh)
        datasets.changed.connect(self.refresh)

    @Slot()
    def refresh(self) -> None:
        self._state.set_rows_problem(self._why_not())

    def _why_not(self) -> str:
        if (failure := self._tokenization.refusal) is not None and self._datasets.all:
            return localized(str(failure))
        done, measured, datasets = self._tokenization.done, self._statistics.all, self._datasets.all
        if done is None or not measured or len(measured) != len(datasets):
            return ""
        from app.data.rows.bad_rows import stopping_error
        from app.data.training_set.minimum_rows import RemainingRows, insufficient_rows_error

        config = self._state.config_as_cut
        limit = config.max_seq_length
        left = [
            RemainingRows.by_statistics(one.name, statistics, limit)
            for one, statistics in zip(datasets, measured, strict=True)
        ]
        if refusal := insufficient_rows_error(left, limit, config.batch_size):
            return localized(str(refusal))
        if config.bad_rows == "stop":
            for one in measured:
                if first := one.first_stopping:
                    return localized(str(stopping_error(first, one.stopping_counts[first.kind])))
        return ""
