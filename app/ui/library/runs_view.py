"""The list of runs: searched, filtered, sorted; and what can be done with those selected."""

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QStackedWidget,
    QTableView,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.library.going_on import IN_PROGRESS
from app.ui import phrases
from app.ui.desktop import REVEAL_LABEL
from app.ui.library.compared import MOST_COMPARED
from app.ui.library.runs_columns import RunsColumns
from app.ui.library.table import make_table
from app.ui.live_run import LiveRun
from app.ui.remembered import Remembered
from app.ui.tables.runs_filter import STATES, RunsFilter
from app.ui.tables.runs_model import DATE_COLUMN, NAME_COLUMN, RunsModel
from app.ui.theme import Theme
from app.ui.widgets.building import (
    GRID_PX,
    allow,
    button,
    column,
    empty_page,
    label,
    message,
    row,
    say,
)
from app.ui.widgets.fields import CalmComboBox, TextField

if TYPE_CHECKING:
    from app.library.run_summary import RunSummary

SEARCH_PX = 200
_SELECTED, _OPENED = "library/selected", "library/opened"


class RunsView(QWidget):
    refresh_requested = Signal()
    open_requested = Signal(object)
    """Path of a run's folder."""
    resume_requested = Signal(object)
    """RunSummary"""
    try_requested = Signal(object)
    """RunSummary"""
    compare_requested = Signal(object)
    """A tuple of RunSummary."""
    reveal_requested = Signal(object)
    """Path of a run's folder."""
    export_requested = Signal(object)
    """RunSummary"""
    delete_requested = Signal(object)
    """A tuple of RunSummary."""
    sample_requested = Signal()

    def __init__(self, settings: Remembered) -> None:
        super().__init__()
        self.setObjectName("page")
        self._settings = settings
        self._busy = ""
        self.runs = RunsModel()
        self._sought: Path | None = None
        self.table = self._make_table()
        self.columns = RunsColumns(self.table, settings)
        self._make_controls()
        self._body = QStackedWidget()
        words = "Every run is kept here with its checkpoints."
        self._body.addWidget(empty_page("No runs yet", words, self.sample))
        self._body.addWidget(self._make_list())
        layout = QVBoxLayout(self)
        layout.setContentsMargins(3 * GRID_PX, 2 * GRID_PX, 3 * GRID_PX, 2 * GRID_PX)
        layout.setSpacing(2 * GRID_PX)
        layout.addLayout(
            row(label("Library", "title"), 4, self.count, None, self.search, self.state)
        )
        layout.addWidget(self._body, 1)
        self.table.selectionModel().selectionChanged.connect(self._show_selection)
        self.show_runs([])
        self._is_listed = False

    def _make_table(self) -> QTableView:
        table = make_table(self.runs, "Runs", (NAME_COLUMN,))
        table.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        table.setSortingEnabled(True)
        table.sortByColumn(DATE_COLUMN, Qt.SortOrder.DescendingOrder)
        table.activated.connect(lambda _: self.request_open())
        return table

    def _make_controls(self) -> None:
        self.count = label("", "secondary")
        self.search = TextField()
        self.search.setPlaceholderText("Search")
        self.search.setAccessibleName("Search runs")
        self.search.setClearButtonEnabled(True)
        for clear in self.search.findChildren(QToolButton):
            clear.setAccessibleName("Clear the search")
        self.search.setFixedWidth(SEARCH_PX)
        self.search.textChanged.connect(self._filter)
        self.state = CalmComboBox(STATES)
        self.state.setAccessibleName("Runs shown")
        self.state.currentIndexChanged.connect(self._filter)
        self.open = button("Open", self.request_open)
        self.resume = button("Resume", self._request_resume)
        self.attempt = button("Try", self._request_try)
        self.compare = button("Compare", self._request_compare)
        self.reveal = button(REVEAL_LABEL, self.request_reveal)
        self.export = button("Export Checkpoint…", self.request_export)
        self.delete = button("Move to Trash", self.request_delete)
        self.sample = button("Train on the Sample Data", self.sample_requested.emit, "primary")

    def _make_list(self) -> QWidget:
        listed = QWidget()
        buttons = row(
            self.open, self.attempt, self.resume, self.compare, None, self.reveal, self.export,
            self.delete,
        )  # fmt: skip
        self._none_found = label("No run fits the search.", "secondary")
        self._none_found.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.problem = message("problem")
        whole = column(self.table, self._none_found, self.problem, spacing=GRID_PX + 4)
        whole.setStretch(0, 1)
        whole.addLayout(buttons)
        listed.setLayout(whole)
        return listed

    # -- what is shown -----------------------------------------------------------------------
    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.refresh_requested.emit()

    def show_runs(self, runs: "list[RunSummary]") -> None:
        """Show these runs; those selected stay selected, at first the newest is."""
        wanted, self._is_listed = [run.run_dir for run in self.selected_runs()], True
        self.runs.show_runs(runs)
        self._body.setCurrentIndex(1 if runs else 0)
        for control in (self.search, self.state):
            control.setVisible(bool(runs))
        size = phrases.size(sum(run.size_bytes for run in runs))
        self.count.setText(f"{phrases.plural(len(runs), 'run')} · {size}" if runs else "")
        if wanted != [run.run_dir for run in self.selected_runs()] or not wanted:
            self.select(*(wanted or self._remembered()))
        self._show_selection()

    def show_live(self, live: LiveRun | None) -> None:
        """Keep the row of the run in progress fresh; a new run is looked for on the disk once."""
        is_listed = self.runs.show_live(live)
        run_dir = live.run_dir if live else None
        if not is_listed and self.isVisible() and self._sought != run_dir:
            self._sought = run_dir
            self.refresh_requested.emit()

    def set_theme(self, theme: Theme) -> None:
        self.runs.set_theme(theme)

    def _filter(self) -> None:
        chosen = [run.run_dir for run in self.selected_runs()]
        self.runs.show_only(RunsFilter.of(self.search.text(), self.state.currentData()))
        self.select(*chosen)
        self._show_selection()

    # -- what is selected --------------------------------------------------------------------
    def select(self, *run_dirs: Path) -> None:
        """Select these runs' rows, or the first one if none of them is there."""
        rows = range(self.runs.rowCount())
        there = [row for row in rows if self.runs.at(row).run_dir in run_dirs]
        chosen = self.table.selectionModel()
        flags = chosen.SelectionFlag
        chosen.clearSelection()
        for index in there or rows[:1]:
            chosen.select(self.runs.index(index, 0), flags.Select | flags.Rows)
        if there or rows:
            first = self.runs.index((there or [0])[0], 0)
            chosen.setCurrentIndex(first, flags.NoUpdate)

    def selected_runs(self) -> "tuple[RunSummary, ...]":
        """In the order of the table."""
        chosen = sorted(self.table.selectionModel().selectedRows(), key=lambda index: index.row())
        return tuple(self.runs.at(index.row()) for index in chosen)

    def selected_run(self) -> "RunSummary | None":
        """The run that is selected, if it is only one."""
        chosen = self.selected_runs()
        return chosen[0] if len(chosen) == 1 else None

    def remember(self, opened: Path | None) -> None:
        """Have the same runs selected the next time, and the run at `opened` shown again.

        A window that closes before it has seen the runs leaves what was remembered.
        """
        if not self._is_listed:
            return
        chosen = [run.run_dir.name for run in self.selected_runs()[:MOST_COMPARED]]
        self._settings.set(_SELECTED, "/".join(chosen))
        self._settings.set(_OPENED, opened.name if opened is not None else "")

    def remembered_opened(self) -> Path | None:
        """The run that was shown by itself when the window closed, if it is still there."""
        name = self._settings.text(_OPENED)
        return next((run.run_dir for run in self.runs.all_runs if run.run_dir.name == name), None)

    def _remembered(self) -> list[Path]:
        names = self._settings.text(_SELECTED).split("/")
        return [run.run_dir for run in self.runs.all_runs if run.run_dir.name in names]

    def set_busy(self, why_not: str) -> None:
        """Why no run can go on now; empty if one can."""
        self._busy = why_not
        self._show_selection()

    def _why_not_resume(self, run: "RunSummary | None") -> str:
        if run is None:
            return "Select one run."
        if phrases.is_in_progress(run.outcome):
            return IN_PROGRESS
        return run.why_not_go_on or self._busy

    def _show_selection(self) -> None:
        chosen, run = self.selected_runs(), self.selected_run()
        has_adapter = run is not None and run.adapter_dir is not None
        is_going = any(phrases.is_in_progress(run.outcome) for run in chosen)
        why_not = "" if run is not None else "Select one run."
        no_adapter = why_not or ("" if has_adapter else "This run has no checkpoint.")
        allow(self.open, why_not)
        allow(self.attempt, no_adapter)
        allow(self.resume, self._why_not_resume(run))
        many = f"Select two to {MOST_COMPARED} runs to compare them."
        allow(self.compare, "" if 2 <= len(chosen) <= MOST_COMPARED else many)
        allow(self.reveal, why_not)
        allow(self.export, no_adapter)
        going = "A run in progress can't be deleted." if is_going else ""
        allow(self.delete, going or ("" if chosen else "Select a run."))
        say(self.problem, run.problem if run is not None else "")
        is_none = bool(self.runs.all_runs) and not self.runs.rowCount()
        self._none_found.setVisible(is_none)

    # -- what is asked for -------------------------------------------------------------------
    def request_open(self) -> None:
        if (run := self.selected_run()) and self.open.isEnabled():
            self.open_requested.emit(run.run_dir)

    def request_reveal(self) -> None:
        if run := self.selected_run():
            self.reveal_requested.emit(run.run_dir)

    def request_export(self) -> None:
        if (run := self.selected_run()) and run.adapter_dir is not None:
            self.export_requested.emit(run)

    def request_delete(self) -> None:
        if self.delete.isEnabled():
            self.delete_requested.emit(self.selected_runs())

    def _request_resume(self) -> None:
        self.resume_requested.emit(self.selected_run())

    def _request_try(self) -> None:
        self.try_requested.emit(self.selected_run())

    def _request_compare(self) -> None:
        self.compare_requested.emit(self.selected_runs())
