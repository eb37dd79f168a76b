"""Keeps in the state why a run can't start: the model takes no rows, or leaves too few."""

from PySide6.QtCore import QObject, Slot

from app.core.text.sentences import localized
from app.ui.data.datasets import Datasets
from app.ui.data.statistics_loader import StatisticsLoader
from app.ui.data.tokenization import Tokenization
from app.ui.state.app_state import AppState


class EnoughRows(QObject):
    """Too few rows are only known once all are tokens; before that a run finds out by itself."""

    def __init__(
        self,
        state: AppState,
        datasets: Datasets,
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
            return str(refusal)
        if config.bad_rows == "stop":
            for one in measured:
                if first := one.first_stopping:
                    return str(stopping_error(first, one.stopping_counts[first.kind]))
        return ""
