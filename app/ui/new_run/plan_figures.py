"""What the planned run would do, as far as it is known: epochs, tokens, time, memory."""

from PySide6.QtWidgets import QVBoxLayout, QWidget

from app.core.text.translation import tr
from app.ui.data.dataset_text import Figure, run_figures, trained_on
from app.ui.data.datasets import Datasets
from app.ui.data.statistic_list import FigureList
from app.ui.data.statistics_loader import StatisticsLoader
from app.ui.data.tokenization import Tokenization
from app.ui.look import formatting
from app.ui.state.app_state import AppState
from app.ui.widgets.building_blocks import card, label, say


class PlanFigures(QWidget):
    def __init__(
        self,
        state: AppState,
        datasets: Datasets,
        statistics: StatisticsLoader,
        tokenization: Tokenization,
    ) -> None:
        super().__init__()
        self._state, self._datasets = state, datasets
        self._statistics, self._tokenization = statistics, tokenization
        self.list = FigureList()
        self.waiting = label("", "secondary", wraps=True)
        frame, inside = card(tr("What this run will do"))
        inside.addWidget(self.list)
        inside.addWidget(self.waiting)
        outside = QVBoxLayout(self)
        outside.setContentsMargins(0, 0, 0, 0)
        outside.addWidget(frame)
        for changed in (
            datasets.changed, statistics.changed, tokenization.changed, state.config_changed,
            state.phase_changed,
        ):  # fmt: skip
            changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        state, names = self._state, [dataset.name for dataset in self._datasets.all]
        named = list(zip(names, self._statistics.all, strict=False))
        is_wrong = bool(state.why_not_train_on_rows())
        figures = (
            [] if is_wrong else run_figures(named, state.config_as_cut, self._statistics.speed, "")
        )
        figures = self._counted() + figures if figures else []
        self.list.show_figures(figures)
        self.list.setVisible(bool(figures))
        say(self.waiting, "" if figures else self._waiting_for())

    def _counted(self) -> list[Figure]:
        """What is trained on; of a mixture the run's own figures tell it."""
        state, measured = self._state, self._statistics.all
        if state.dataset is None or len(measured) != 1 or len(self._datasets.all) != 1:
            return []
        return trained_on(measured[0], state.config_as_cut.max_seq_length)

    def _waiting_for(self) -> str:
        work = self._tokenization
        if work.share is not None:
            return work.stage or tr("Tokenizing: {share}", share=formatting.percent(work.share))
        if self._state.phase.is_active and not work.why_not():
            return tr("Available when the current run ends.")
        return work.why_not() or tr("Available once the rows are tokenized.")
