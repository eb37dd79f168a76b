"""The Data page: examples, statistics, problems and columns of each dataset of the run."""

from collections.abc import Iterator
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QStackedWidget, QWidget

from app.core.errors import Failure
from app.core.text.sentences import localized
from app.core.text.translation import tr
from app.ui.data.columns_view import ColumnsView
from app.ui.data.dataset_chooser import DatasetChooser
from app.ui.data.dataset_services import DataServices
from app.ui.data.dataset_text import summary
from app.ui.data.problems_view import ProblemsView
from app.ui.data.rows_view import RowsView
from app.ui.data.statistics_view import StatisticsView
from app.ui.data.status_bar import StatusStrip
from app.ui.look.plain_text import ElidedLabel, set_tip
from app.ui.look.theme import Theme
from app.ui.state.app_state import AppState
from app.ui.widgets.basic_widgets import TabRow, allow, button, label, message, restyle, say
from app.ui.widgets.layouts import (
    AROUND_SCROLLING_PX,
    GRID_PX,
    beside_a_bar,
    column,
    grows,
    lay_out,
    row,
)
from app.workers.jobs.datasets import DatasetRequest

ROWS, STATISTICS, PROBLEMS, COLUMNS = range(4)
_TABS = (tr("Examples"), tr("Statistics"), tr("Problems"), tr("Columns"))
_WORDS_PX = 420


class DataPage(QWidget):
    dataset_choice_requested = Signal()
    further_requested = Signal()
    sample_requested = Signal()
    use_requested = Signal()
    """The user wants to use these datasets in the next run."""
    reveal_requested = Signal(object)
    """Argument: the path of a file."""
    file_requested = Signal(object)
    """Argument: the path of a file to open in a text editor."""

    def __init__(self, state: AppState, work: DataServices) -> None:
        super().__init__()
        self.setObjectName("page")
        self._state, self._work, self._datasets = state, work, work.datasets
        self.rows = RowsView(work.preview, work.datasets)
        self.statistics = StatisticsView(state, work.statistics, work.tokenization, work.datasets)
        self.problems = ProblemsView(state, work.looker, work.statistics, work.datasets)
        self.columns = ColumnsView(state, work.preview, work.looker, work.datasets)
        self.status = StatusStrip(state, work.tokenization, work.datasets)
        self.chooser = DatasetChooser(state, work.datasets)
        self.choose = button(tr("Choose…"), self.dataset_choice_requested.emit)
        self.choose.setAccessibleName(tr("Choose another dataset"))
        self.take_out = button(
            tr("Remove from Mix"), lambda: work.datasets.remove(work.datasets.index)
        )
        set_tip(self.take_out, tr("The file is kept."))
        self.add = button(tr("Mix In Dataset…"), self.further_requested.emit)
        set_tip(self.add, tr("Mix in earlier data to reduce forgetting."))
        self.use = button(tr("Use in New Run"), self.use_requested.emit, "primary")
        self._make_head()
        self._views = QStackedWidget()
        rows, problems = QWidget(), QWidget()
        rows.setLayout(beside_a_bar(grows(self.rows)))
        problems.setLayout(beside_a_bar(grows(self.problems)))
        for view in (rows, self.statistics, problems, self.columns):
            self._views.addWidget(view)
        self._body = QStackedWidget()
        self._body.addWidget(self._make_empty())
        self._body.addWidget(self._make_full())
        buttons = (self.take_out, self.add, self.choose, self.use)
        policy = self.choose.sizePolicy()
        policy.setRetainSizeWhenHidden(True)  # the title keeps its position
        self.choose.setSizePolicy(policy)
        head = row(label(tr("Data"), "title"), 4, self.name, *buttons)
        parts = (beside_a_bar(head, self.chooser), grows(self._body))
        lay_out(self, *parts, spacing=12, margins_px=AROUND_SCROLLING_PX)
        self._connect()
        self.refresh()

    def _make_head(self) -> None:
        self.name = ElidedLabel("", "secondary")
        self.summary = ElidedLabel("", "secondary", Qt.TextElideMode.ElideMiddle)

    def _make_full(self) -> QWidget:
        self.tabs = TabRow(_TABS, tr("Views of the data"))
        self.tabs.currentChanged.connect(self._views.setCurrentIndex)
        full = QWidget()
        top = beside_a_bar(self.summary, self.status, row(self.tabs, None))
        lay_out(full, top, grows(self._views), spacing=12)
        return full

    def _make_empty(self) -> QWidget:
        empty = QWidget()
        self._title = label("", "title")
        self._hint = label(
            tr(
                "Drop a file or a folder on the window: chats, questions and answers, or text, as "
                "JSON, CSV, Parquet or plain text."
            ),
            "secondary",
            wraps=True,
        )
        self.problem = message("problem")
        self.cancel = button(tr("Cancel"), self.status.stop.click)
        self.again = button(tr("Read Again"), self._datasets.read_shown_again)
        self.choose_first = button(tr("Choose…"), self.dataset_choice_requested.emit)
        self.sample = button(tr("Use the Sample Data"), self.sample_requested.emit, "primary")
        words = QWidget()
        words.setMaximumWidth(_WORDS_PX)
        lay_out(words, self._title, self._hint, self.problem)
        for text in (self._title, self._hint, self.problem):
            text.setAlignment(Qt.AlignmentFlag.AlignCenter)
        centred = row(None, grows(words, 100), None)
        choices = (self.cancel, self.again, self.choose_first, self.sample)
        whole = column(None, centred, GRID_PX, row(None, *choices, None, spacing=12))
        whole.addStretch(2)
        empty.setLayout(whole)
        return empty

    def _connect(self) -> None:
        work, datasets = self._work, self._datasets
        datasets.reading_begun.connect(self._show_rows)
        datasets.attention_wanted.connect(self.show_what_is_wrong)
        self.problems.reread_requested.connect(datasets.read_shown_again)
        self.problems.reveal_requested.connect(self.reveal_requested)
        self.problems.file_requested.connect(self.file_requested)
        self.problems.count_changed.connect(self._name_tabs)
        self.rows.columns_requested.connect(lambda: self.show_view(COLUMNS))
        self.columns.columns_chosen.connect(datasets.map_columns)
        datasets.changed.connect(self.refresh)
        work.preview.changed.connect(self.refresh)

    def loading(self) -> Iterator[None]:
        """Load the plot as a separate step after the first paint."""
        self.statistics.load()
        yield

    def set_theme(self, theme: Theme) -> None:
        for view in (self.rows, self.statistics, self.problems, self.columns):
            view.set_theme(theme)

    def show_view(self, index: int) -> None:
        self.tabs.setCurrentIndex(index)

    def show_what_is_wrong(self, path: Path) -> None:
        """Show a dataset that was just read, in the view that helps to fix it. If the shown dataset
        has problems itself, it stays.
        """
        if (shown := self._datasets.shown) is None or not shown.is_wrong:
            self._datasets.show_path(path)
            shown = self._datasets.shown
        facts = shown.facts if shown else None
        is_unknown = facts is not None and not facts.examples and "unknown shape" in facts.counts
        self.show_view(COLUMNS if is_unknown else PROBLEMS)

    def look_closer(self) -> None:
        """Show the first dataset with problems, if there is one."""
        wrong = [one for one in self._datasets.all if one.is_wrong]
        if wrong:
            self.show_what_is_wrong(wrong[0].path)

    def _show_rows(self, reading: DatasetRequest) -> None:
        """Switch to the rows of a new dataset. If the same one is read again, the view stays."""
        is_another = reading.data != self._state.config.data
        if is_another and self._views.currentIndex() in (PROBLEMS, COLUMNS):
            self.show_view(ROWS)

    def refresh(self) -> None:
        state, shown = self._state, self._datasets.shown
        failure = shown.failure if shown else state.dataset_failure
        is_reading = shown is not None and shown.is_being_read
        is_there = shown is not None and shown.facts is not None
        is_there = is_there or (is_reading and self._work.preview.looked is not None)
        self._body.setCurrentIndex(1 if is_there else 0)
        is_one = len(self._datasets.all) == 1
        self.name.setText(shown.name if shown and is_there and is_one else "")
        if shown is not None:
            self.summary.setText(summary(shown.facts, shown.path))
        self._title.setText(_empty_title(is_reading, failure))
        self._hint.setVisible(not (is_reading or failure))
        say(self.problem, localized(str(failure)) if failure else "")
        self.cancel.setVisible(is_reading)
        is_mixed_in = self._datasets.index > 0
        self.again.setVisible(failure is not None and shown is not None)
        self.choose_first.setVisible(not is_mixed_in)
        self.sample.setVisible(not is_mixed_in)
        self.choose.setVisible(shown is not None)
        self.add.setVisible(shown is not None)
        self.use.setVisible(state.dataset is not None)
        why_not = self._why_not_use()
        allow(self.use, why_not)
        restyle(self.use, "objectName", "" if why_not else "primary")
        self.take_out.setVisible(is_mixed_in)

    def _why_not_use(self) -> str:
        """Why no run can use the datasets as they are; empty if one can."""
        state = self._state
        if state.is_unmapped:
            return tr("Choose roles under Columns first.")
        return state.queue_blocker() if state.is_data_wrong else state.mix_problem

    def _name_tabs(self) -> None:
        count = self.problems.total
        title = tr("Problems ({n:,})", n=count) if count else tr("Problems")
        self.tabs.setTabText(PROBLEMS, title)


def _empty_title(is_reading: bool, failure: Failure | None) -> str:
    if is_reading:
        return tr("Reading…")
    return tr("This can't be used") if failure else tr("No Dataset Yet")
