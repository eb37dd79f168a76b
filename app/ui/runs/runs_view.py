"""The list of all runs, including queued ones, with search, filter, sorting and actions."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeySequence, QShortcut, QShowEvent
from PySide6.QtWidgets import QAbstractItemView, QStackedWidget, QWidget

from app.core.events import RunStarted
from app.core.text.sentences import localized
from app.core.text.translation import tr
from app.ui.look.theme import Theme
from app.ui.runs.back_to_study import BackToStudy
from app.ui.runs.run_buttons import RunButtons
from app.ui.runs.runs_columns import RunsColumns, StateDelegate
from app.ui.runs.runs_header import RunsHeader
from app.ui.runs.runs_selection import RunsSelection
from app.ui.state.app_state import AppState
from app.ui.state.live_run import LiveRun
from app.ui.state.run_queue import RunQueue
from app.ui.system.stored_preferences import Preferences
from app.ui.tables.row_table import RowTable, make_table, pressing
from app.ui.tables.run_rows import preparing_run, waiting_runs
from app.ui.tables.runs_model import DATE_COLUMN, NAME_COLUMN, STATE_COLUMN, RunsModel
from app.ui.widgets.basic_widgets import button, empty_page, label, message, say
from app.ui.widgets.layouts import AROUND_PAGE_PX, GRID_PX, grows, lay_out

if TYPE_CHECKING:
    from app.library.reading.run_summary import RunSummary


class RunsView(QWidget):
    refresh_requested = Signal()
    open_requested = Signal(object)
    """Argument: the path of a run's folder."""
    resume_requested = Signal(object)
    """Argument: RunSummary."""
    try_requested = Signal(object)
    """Argument: RunSummary."""
    compare_requested = Signal(object)
    """Argument: a tuple of RunSummary."""
    reveal_requested = Signal(object)
    """Argument: the path of a run's folder."""
    export_requested = Signal(object)
    """Argument: RunSummary."""
    delete_requested = Signal(object, object)
    """Arguments: a tuple of RunSummary, and a set of the keys of queued runs."""
    sample_requested = Signal()
    waiting_open_requested = Signal(object)
    """Argument: the WaitingRun whose settings the user wants to view and edit."""
    attempt_requested = Signal()
    """The user wants to open this window's run, which has no folder yet."""

    def __init__(self, state: AppState, queue: RunQueue, settings: Preferences) -> None:
        super().__init__()
        self.setObjectName("page")
        self._state, self.queue = state, queue
        self._busy = ""
        self.runs = RunsModel()
        self._sought: Path | None = None
        self.table = self._make_table()
        self.columns = RunsColumns(self.table, settings)
        self.selection = RunsSelection(self.table, self.runs, settings)
        self.header = RunsHeader(queue)
        self.back_to_study = BackToStudy()
        self.buttons = self._make_buttons()
        self.sample = button(tr("Train on the Sample Data"), self.sample_requested.emit, "primary")
        self._body = QStackedWidget()
        words = tr("Your runs and their checkpoints appear here.")
        self._body.addWidget(empty_page(tr("No Runs Yet"), words, self.sample))
        self._body.addWidget(self._make_list())
        parts = (self.header, self.back_to_study, grows(self._body))
        lay_out(self, *parts, spacing=2 * GRID_PX, margins_px=AROUND_PAGE_PX)
        self.selection.changed.connect(self._show_selection)
        self.header.filter_changed.connect(self._filter)
        self.header.search_left.connect(self.table.setFocus)
        self.runs.move_requested.connect(queue.move)
        queue.changed.connect(self.show_queue)
        state.phase_changed.connect(self.show_queue)
        state.run_event_received.connect(self._follow_event)
        self.show_runs([])
        self.show_queue()
        self._is_listed = False

    def _make_table(self) -> RowTable:
        table = make_table(self.runs, tr("Runs"), (NAME_COLUMN,))
        table.setSortingEnabled(True)
        table.sortByColumn(DATE_COLUMN, Qt.SortOrder.DescendingOrder)
        table.setDragDropMode(QAbstractItemView.DragDropMode.DragDrop)
        table.setDefaultDropAction(Qt.DropAction.MoveAction)
        table.setDragDropOverwriteMode(False)
        self.state_delegate = StateDelegate(table)
        table.setItemDelegateForColumn(STATE_COLUMN, self.state_delegate)
        for keys, by in (("Ctrl+Up", -1), ("Ctrl+Down", 1)):
            shortcut = QShortcut(QKeySequence(keys), table, lambda by=by: self._move(by))
            shortcut.setContext(Qt.ShortcutContext.WidgetShortcut)
        return table

    def _make_buttons(self) -> RunButtons:
        buttons = RunButtons(self.queue)
        for control, act in (
            (buttons.open, self.request_open),
            (buttons.resume, lambda: self.resume_requested.emit(self.selection.run())),
            (buttons.attempt, lambda: self.try_requested.emit(self.selection.run())),
            (buttons.earlier, lambda: self._move(-1)),
            (buttons.later, lambda: self._move(1)),
            (buttons.compare, lambda: self.compare_requested.emit(self.selection.runs())),
            (buttons.reveal, self.request_reveal),
            (buttons.export, self.request_export),
            (buttons.delete, self.request_delete),
        ):
            control.clicked.connect(lambda _=False, act=act: act())
        *others, delete = map(pressing, buttons.all)
        self.table.set_verbs(*others, deletes=delete)
        return buttons

    def _make_list(self) -> QWidget:
        listed = QWidget()
        self._none_found = label(tr("No Results"), "secondary", wraps=True)
        self._none_found.setAlignment(Qt.AlignmentFlag.AlignCenter)
        lay_out(self.table.viewport(), self._none_found)
        self.problem = message("problem")
        lay_out(listed, grows(self.table), self.problem, self.buttons, spacing=GRID_PX + 4)
        return listed

    # -- content ------------------------------------------------------------------------------
    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.refresh_requested.emit()

    def show_runs(self, runs: "list[RunSummary]") -> None:
        """Show these runs. The selection is kept; at first it is restored from the last session."""
        wanted, self._is_listed = self.selection.folders(), True
        self.runs.show_runs(runs)
        self._show_count()
        if wanted != self.selection.folders() or not wanted:
            self.selection.select(*(wanted or self.selection.remembered()))
        self._show_selection()

    def show_queue(self) -> None:
        """Show the queued runs, and the run that has started but has no folder yet."""
        state, queue = self._state, self.queue
        wanted = self.selection.folders()
        rows = waiting_runs(queue.runs, queue.begun_key)
        is_early = state.phase.is_active and state.run_dir is None and not queue.begun_key
        if is_early and state.run_config is not None:
            rows.insert(0, preparing_run(state.run_config))
        self.runs.show_waiting(rows)
        self._show_count()
        if wanted != self.selection.folders():
            self.selection.select(*wanted)
        self._show_selection()

    def _follow_event(self, event: object) -> None:
        if isinstance(event, RunStarted):
            self.show_queue()

    def _show_count(self) -> None:
        has_rows = bool(self.runs.all_runs or self.runs.rowCount())
        self._body.setCurrentIndex(1 if has_rows else 0)
        self.header.show_count(self.runs.all_runs, has_rows=has_rows)

    def show_live(self, live: LiveRun | None) -> None:
        """Update the row of the run in progress. If it is not listed, ask once to read the disk
        again.
        """
        is_listed = self.runs.show_live(live)
        run_dir = live.run_dir if live else None
        if not is_listed and self.isVisible() and self._sought != run_dir:
            self._sought = run_dir
            self.refresh_requested.emit()

    def set_theme(self, theme: Theme) -> None:
        self.runs.set_theme(theme)
        self.state_delegate.theme = theme

    def _filter(self) -> None:
        chosen = self.selection.folders()
        self.runs.show_only(self.header.filter())
        self.selection.select(*chosen)
        self._show_selection()

    # -- selection ----------------------------------------------------------------------------
    def remember(self, opened: Path | None) -> None:
        """Save the selection, unless the window closes before the runs were listed."""
        if self._is_listed:
            self.selection.remember(opened)

    def set_busy(self, why_not: str) -> None:
        """`why_not`: why no run can be resumed now; empty if runs can be."""
        self._busy = why_not
        self._show_selection()

    def _show_selection(self) -> None:
        selected = self.selection.rows()
        self.buttons.show_selection(selected, self._busy)
        say(self.problem, localized(selected[0].problem) if len(selected) == 1 else "")
        is_none = not self.runs.rowCount() and bool(self.runs.all_runs or self.queue.runs)
        self._none_found.setVisible(is_none)

    def verbs(self) -> dict[str, Callable[[], None]]:
        """The Edit menu's actions."""
        search = self.header.search
        return {"find": search.begin} if search.isVisible() else {}

    # -- requests -----------------------------------------------------------------------------
    def request_open(self) -> None:
        if not self.buttons.open.isEnabled():
            return
        if waiting := self.selection.waiting():
            is_begun = waiting[0].outcome == "preparing"
            if is_begun:
                self.attempt_requested.emit()
            else:
                self.waiting_open_requested.emit(waiting[0])
        elif run := self.selection.run():
            self.open_requested.emit(run.run_dir)

    def request_reveal(self) -> None:
        if run := self.selection.run():
            self.reveal_requested.emit(run.run_dir)

    def request_export(self) -> None:
        if (run := self.selection.run()) and run.adapter_dir is not None:
            self.export_requested.emit(run)

    def request_delete(self) -> None:
        """Request to move runs to the Trash and to remove queued runs from the queue."""
        if self.buttons.delete.isEnabled():
            waiting = {run.key for run in self.selection.waiting()}
            self.delete_requested.emit(self.selection.runs(), waiting)

    def _move(self, by: int) -> None:
        control = self.buttons.earlier if by < 0 else self.buttons.later
        waiting = self.selection.waiting()
        if len(waiting) == 1 and control.isEnabled():
            self.queue.move(waiting[0].key, by)
