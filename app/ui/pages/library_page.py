"""The Library page: every run as a row, and what can be done with the one that is selected."""

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QModelIndex, QSortFilterProxyModel, Qt, Signal
from PySide6.QtGui import QResizeEvent, QShowEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QStackedWidget,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from app.ui.desktop import REVEAL_LABEL
from app.ui.live_run import LiveRun
from app.ui.tables.runs_model import (
    DATASET_COLUMN,
    DATE_COLUMN,
    SIZE_COLUMN,
    SORT_ROLE,
    RunsModel,
)
from app.ui.theme import Theme
from app.ui.widgets.building import GRID_PX, button, column, label, row

if TYPE_CHECKING:
    from app.library.run_store import RunSummary

ROW_PX = 36
NARROW_PX = 880
WIDE_COLUMNS = 3
"""Name, base model and dataset share what the others leave."""


class LibraryPage(QWidget):
    refresh_requested = Signal()
    reveal_requested = Signal(object)
    """Path of a run's folder."""
    export_requested = Signal(object)
    """RunSummary"""
    sample_requested = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("page")
        self.runs = RunsModel()
        self._sought: Path | None = None
        self._sorted = QSortFilterProxyModel(self)
        self._sorted.setSourceModel(self.runs)
        self._sorted.setSortRole(SORT_ROLE)
        self.table = self._make_table()
        self.reveal = button(REVEAL_LABEL, self.request_reveal)
        self.export = button("Export Checkpoint…", self.request_export)
        self.sample = button("Train on the Sample Data", self.sample_requested.emit, "primary")
        self._count = label("", "secondary")
        self._body = QStackedWidget()
        self._body.addWidget(self._make_empty())
        self._body.addWidget(self.table)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(3 * GRID_PX, 2 * GRID_PX, 3 * GRID_PX, 3 * GRID_PX)
        layout.setSpacing(2 * GRID_PX)
        layout.addLayout(
            row(label("Library", "title"), 4, self._count, None, self.reveal, self.export)
        )
        layout.addWidget(self._body, 1)
        self.table.selectionModel().selectionChanged.connect(self._show_selection)
        self.show_runs([])

    def _make_table(self) -> QTableView:
        table = QTableView()
        table.setModel(self._sorted)
        table.setAccessibleName("Runs")
        table.setSortingEnabled(True)
        table.sortByColumn(DATE_COLUMN, Qt.SortOrder.DescendingOrder)
        table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        table.setShowGrid(False)
        table.setTabKeyNavigation(False)
        table.setCornerButtonEnabled(False)
        table.setWordWrap(False)
        table.verticalHeader().hide()
        table.verticalHeader().setDefaultSectionSize(ROW_PX)
        header = table.horizontalHeader()
        header.setHighlightSections(False)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        for wide in range(WIDE_COLUMNS):
            header.setSectionResizeMode(wide, QHeaderView.ResizeMode.Stretch)
        header.setMinimumSectionSize(64)
        table.doubleClicked.connect(lambda _: self.request_reveal())
        return table

    def _make_empty(self) -> QWidget:
        empty = QWidget()
        title = label("No runs yet", "title")
        words = label("Every run is kept here with its checkpoints.", "secondary")
        for text in (title, words):
            text.setAlignment(Qt.AlignmentFlag.AlignCenter)
        empty.setLayout(column(None, title, words, GRID_PX, spacing=GRID_PX))
        inside = empty.layout()
        if isinstance(inside, QVBoxLayout):
            inside.addLayout(row(None, self.sample, None))
            inside.addStretch(2)
        return empty

    # -- what is shown -----------------------------------------------------------------------
    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.refresh_requested.emit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        for column_index in (DATASET_COLUMN, SIZE_COLUMN):
            self.table.setColumnHidden(column_index, self.width() < NARROW_PX)

    def show_runs(self, runs: "list[RunSummary]") -> None:
        """Show these runs; the selected one stays selected, at first the newest is."""
        selected = self.selected_run()
        wanted = selected.run_dir if selected else None
        self.runs.show_runs(runs)
        self._body.setCurrentIndex(1 if runs else 0)
        self._count.setText(f"{len(runs):,}" if runs else "")
        self.reveal.setVisible(bool(runs))
        self.export.setVisible(bool(runs))
        self.select(wanted)
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

    def select(self, run_dir: Path | None) -> None:
        """Select a run's row, or the first one if it isn't there."""
        rows = range(self._sorted.rowCount())
        there = [r for r in rows if self._run_in_row(self._sorted.index(r, 0)).run_dir == run_dir]
        if rows:
            self.table.selectRow(there[0] if there else 0)

    def selected_run(self) -> "RunSummary | None":
        chosen = self.table.selectionModel().selectedRows()
        return self._run_in_row(chosen[0]) if chosen else None

    def _run_in_row(self, index: QModelIndex) -> "RunSummary":
        return self.runs.run_at(self._sorted.mapToSource(index).row())

    def _show_selection(self) -> None:
        run = self.selected_run()
        has_adapter = run is not None and run.adapter_dir is not None
        self.reveal.setEnabled(run is not None)
        self.export.setEnabled(has_adapter)
        self.export.setToolTip("" if has_adapter else "This run has no checkpoint.")

    # -- what is asked for -------------------------------------------------------------------
    def request_reveal(self) -> None:
        if run := self.selected_run():
            self.reveal_requested.emit(run.run_dir)

    def request_export(self) -> None:
        run = self.selected_run()
        if run is not None and run.adapter_dir is not None:
            self.export_requested.emit(run)
