"""A preview of the planned run: epochs, tokens, time and memory, and the first rows of its dataset
as the model sees them.
"""

from PySide6.QtCore import Signal
from PySide6.QtGui import QShowEvent

from app.core.text.sentences import localized
from app.core.text.translation import tr
from app.ui.data.dataset_list import DatasetList
from app.ui.data.dataset_text import Figure, run_figures, trained_on
from app.ui.data.preview import Preview
from app.ui.data.rendered_rows import Legend, RowsText
from app.ui.data.rows_view import READING
from app.ui.data.statistic_list import FigureList
from app.ui.data.statistics_loader import StatisticsLoader
from app.ui.data.tokenization import Tokenization
from app.ui.look import formatting
from app.ui.look.theme import Theme
from app.ui.state.app_state import AppState
from app.ui.widgets.basic_widgets import CardFrame, button, label, message, say
from app.ui.widgets.layouts import fill, grows, row


class PlanFigures(CardFrame):
    def __init__(
        self,
        state: AppState,
        datasets: DatasetList,
        statistics: StatisticsLoader,
        tokenization: Tokenization,
    ) -> None:
        super().__init__(tr("Run Preview"))
        self._state, self._datasets = state, datasets
        self._statistics, self._tokenization = statistics, tokenization
        self.list = FigureList()
        self.waiting = label("", "secondary", wraps=True)
        self.inside.addWidget(self.list)
        self.inside.addWidget(self.waiting)
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
        """The number of rows and tokens of a single dataset; `run_figures` covers mixtures."""
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


MIN_PX = 160
NO_ROWS = tr("Rows appear here as soon as they can be used.")


class PlanRows(CardFrame):
    """Shows the same page of rows as the Data page."""

    data_requested = Signal()

    def __init__(self, preview: Preview) -> None:
        super().__init__()
        self._preview = preview
        self.text = RowsText(tr("First rows of the dataset"), READING)
        self.text.setMinimumHeight(MIN_PX)
        self.text.setFrameShape(self.text.Shape.NoFrame)
        self.legend = Legend()
        self.problem = message("problem")
        self.inspect = button(tr("Inspect"), self.data_requested.emit, "link")
        self.inspect.setAccessibleDescription(tr("Show the Data page"))
        self.title = label("", "heading")
        fill(
            self.inside,
            row(self.title, None, self.inspect),
            self.problem,
            grows(self.text),
            self.legend,
        )
        preview.changed.connect(self.refresh)
        self.refresh()

    def set_theme(self, theme: Theme) -> None:
        self.text.set_theme(theme)
        self.legend.set_theme(theme)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.refresh()

    def refresh(self) -> None:
        preview = self._preview
        is_rendered = preview.is_rendered
        self.title.setText(
            tr("First rows, as the model sees them")
            if is_rendered
            else tr("First rows, as in the file")
        )
        if self.isVisible():
            self.text.show_rows(preview.rows)
        self.legend.setVisible(is_rendered)
        looked = preview.looked
        self.text.setPlaceholderText(READING if looked is None else NO_ROWS)
        unusable = f"{localized(looked.problem)}." if looked and looked.problem else ""
        say(self.problem, localized(preview.failure) or unusable)
