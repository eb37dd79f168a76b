"""All runs in one table, those that wait too: searched, filtered, sorted; what can be done with
those selected."""

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint, Qt, Signal
from PySide6.QtGui import QKeySequence, QShortcut, QShowEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QStackedWidget,
    QTableView,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.core.events import RunStarted
from app.core.text.sentences import localized
from app.core.text.translation import tr, trn
from app.ui.look import formatting
from app.ui.look.theme import Theme
from app.ui.runs.compared_losses import MOST_COMPARED
from app.ui.runs.run_buttons import RunButtons
from app.ui.runs.runs_columns import RunsColumns
from app.ui.runs.state_delegate import StateDelegate
from app.ui.state.app_state import AppState
from app.ui.state.live_run import LiveRun
from app.ui.state.run_queue import RunQueue
from app.ui.system.stored_preferences import Preferences
from app.ui.tables.runs_filter import STATES, RunsFilter
from app.ui.tables.runs_model import DATE_COLUMN, NAME_COLUMN, STATE_COLUMN, RunsModel
from app.ui.tables.table_view import make_table
from app.ui.tables.waiting_run import WaitingRun, preparing_run, waiting_runs
from app.ui.widgets.building_blocks import (
    GRID_PX,
    ElidedLabel,
    allow,
    button,
    column,
    empty_page,
    label,
    message,
    row,
    say,
)
from app.ui.widgets.calm_inputs import CalmComboBox, TextField

if TYPE_CHECKING:
    from app.library.reading.run_summary import RunSummary
    from app.ui.tables.waiting_run import Row

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
    waiting_open_requested = Signal(object)
    """WaitingRun: its settings are to be seen and changed."""
    attempt_requested = Signal()
    """The run of this window that has no folder yet is to be shown."""

    def __init__(self, state: AppState, queue: RunQueue, settings: Preferences) -> None:
        super().__init__()
        self.setObjectName("page")
        self._state, self.queue, self._settings = state, queue, settings
        self._busy = ""
        self.runs = RunsModel()
        self._sought: Path | None = None
        self.table = self._make_table()
        self.columns = RunsColumns(self.table, settings)
        self._make_controls()
        self._body = QStackedWidget()
        words = tr("Your runs and their checkpoints appear here.")
        self._body.addWidget(empty_page(tr("No Runs Yet"), words, self.sample))
        self._body.addWidget(self._make_list())
        layout = QVBoxLayout(self)
        layout.setContentsMargins(3 * GRID_PX, 2 * GRID_PX, 3 * GRID_PX, 2 * GRID_PX)
        layout.setSpacing(2 * GRID_PX)
        layout.addLayout(
            row(label(tr("Runs"), "title"), 4, self.count, self.hold, self.start, self.search,
                self.state)
        )  # fmt: skip
        layout.addWidget(self._body, 1)
        self.table.selectionModel().selectionChanged.connect(self._show_selection)
        self.runs.move_requested.connect(queue.move)
        queue.changed.connect(self.show_queue)
        state.phase_changed.connect(self.show_queue)
        state.run_event_received.connect(self._follow_event)
        self.show_runs([])
        self.show_queue()
        self._is_listed = False

    def _make_table(self) -> QTableView:
        table = make_table(self.runs, tr("Runs"), (NAME_COLUMN,))
        table.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        table.setSortingEnabled(True)
        table.sortByColumn(DATE_COLUMN, Qt.SortOrder.DescendingOrder)
        table.activated.connect(lambda _: self.request_open())
        table.setDragDropMode(QAbstractItemView.DragDropMode.DragDrop)
        table.setDefaultDropAction(Qt.DropAction.MoveAction)
        table.setDragDropOverwriteMode(False)
        self.state_delegate = StateDelegate(table)
        table.setItemDelegateForColumn(STATE_COLUMN, self.state_delegate)
        table.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        table.customContextMenuRequested.connect(self._show_menu)
        for keys, does in (
            ("Ctrl+Up", lambda: self._move(-1)),
            ("Ctrl+Down", lambda: self._move(1)),
            ("Delete", self.request_delete),
            ("Backspace", self.request_delete),
            ("Ctrl+Backspace", self.request_delete),
        ):
            shortcut = QShortcut(QKeySequence(keys), table, does)
            shortcut.setContext(Qt.ShortcutContext.WidgetShortcut)
        return table

    def _make_controls(self) -> None:
        self.count = ElidedLabel("", "secondary")
        self.search = TextField()
        self.search.setPlaceholderText(tr("Search"))
        self.search.setAccessibleName(tr("Search runs"))
        self.search.setClearButtonEnabled(True)
        for clear in self.search.findChildren(QToolButton):
            clear.setAccessibleName(tr("Clear the search"))
        self.search.setFixedWidth(SEARCH_PX)
        self.search.textChanged.connect(self._filter)
        self.state = CalmComboBox(STATES, tr("Runs shown"))
        escape = QShortcut(QKeySequence("Escape"), self.search, self._leave_search)
        escape.setContext(Qt.ShortcutContext.WidgetShortcut)
        self.state.currentIndexChanged.connect(self._filter)
        self.buttons = RunButtons(self.queue)
        for control, act in (
            (self.buttons.open, self.request_open),
            (self.buttons.resume, self._request_resume),
            (self.buttons.attempt, self._request_try),
            (self.buttons.earlier, lambda: self._move(-1)),
            (self.buttons.later, lambda: self._move(1)),
            (self.buttons.compare, self._request_compare),
            (self.buttons.reveal, self.request_reveal),
            (self.buttons.export, self.request_export),
            (self.buttons.delete, self.request_delete),
        ):
            control.clicked.connect(lambda _=False, act=act: act())
        self.start = button(tr("Start Queue"), self.queue.start)
        self.hold = button(tr("Pause Queue"), self.queue.hold)
        self.sample = button(tr("Train on the Sample Data"), self.sample_requested.emit, "primary")

    def _make_list(self) -> QWidget:
        listed = QWidget()
        self._none_found = label(tr("No Results"), "secondary", wraps=True)
        self._none_found.setAlignment(Qt.AlignmentFlag.AlignCenter)
        inside = column(self._none_found)
        self.table.viewport().setLayout(inside)
        self.problem = message("problem")
        whole = column(self.table, self.problem, self.buttons, spacing=GRID_PX + 4)
        whole.setStretch(0, 1)
        listed.setLayout(whole)
        return listed

    # -- what is shown -----------------------------------------------------------------------
    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.refresh_requested.emit()

    def show_runs(self, runs: "list[RunSummary]") -> None:
        """Show these runs; those selected stay selected, at first the newest is."""
        wanted, self._is_listed = [run.run_dir for run in self._selected()], True
        self.runs.show_runs(runs)
        self._show_count()
        if wanted != [run.run_dir for run in self._selected()] or not wanted:
            self.select(*(wanted or self._remembered()))
        self._show_selection()

    def show_queue(self) -> None:
        """What waits, and what is started and has no folder yet."""
        state, queue = self._state, self.queue
        wanted = [run.run_dir for run in self._selected()]
        rows = waiting_runs(queue.runs, queue.begun_key)
        is_early = state.phase.is_active and state.run_dir is None and not queue.begun_key
        if is_early and state.run_config is not None:
            rows.insert(0, preparing_run(state.run_config))
        self.runs.show_waiting(rows)
        self._show_count()
        if wanted != [run.run_dir for run in self._selected()]:
            self.select(*wanted)
        self._show_selection()

    def _follow_event(self, event: object) -> None:
        if isinstance(event, RunStarted):
            self.show_queue()

    def _show_count(self) -> None:
        runs, waiting = self.runs.all_runs, self.queue.runs
        has_rows = bool(runs or self.runs.rowCount())
        self._body.setCurrentIndex(1 if has_rows else 0)
        for control in (self.search, self.state):
            control.setVisible(has_rows)
        size = formatting.size(sum(run.size_bytes for run in runs))
        parts = [trn("{n:,} run", "{n:,} runs", len(runs)), size] if runs else []
        if waiting:
            is_going, n = self.queue.is_going, len(waiting)
            words = tr("{n:,} waiting", n=n)
            parts.append(words if is_going else tr("{n:,} waiting, queue paused", n=n))
        self.count.setText(" · ".join(parts))
        self.start.setVisible(bool(waiting) and not self.queue.is_going)
        allow(self.start, self.queue.why_not_start())
        self.hold.setVisible(self.queue.is_going)

    def show_live(self, live: LiveRun | None) -> None:
        """Keep the row of the run in progress fresh; a new run is looked for on the disk once."""
        is_listed = self.runs.show_live(live)
        run_dir = live.run_dir if live else None
        if not is_listed and self.isVisible() and self._sought != run_dir:
            self._sought = run_dir
            self.refresh_requested.emit()

    def set_theme(self, theme: Theme) -> None:
        self.runs.set_theme(theme)
        self.state_delegate.theme = theme

    def _leave_search(self) -> None:
        """Escape clears what is searched for, then leaves the field."""
        if self.search.text():
            self.search.clear()
        else:
            self.table.setFocus()

    def _filter(self) -> None:
        chosen = [run.run_dir for run in self._selected()]
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

    def _selected(self) -> "tuple[Row, ...]":
        """In the order of the table."""
        chosen = sorted(self.table.selectionModel().selectedRows(), key=lambda index: index.row())
        return tuple(self.runs.at(index.row()) for index in chosen)

    def selected_runs(self) -> "tuple[RunSummary, ...]":
        """Those that have begun, in the order of the table."""
        return tuple(run for run in self._selected() if not isinstance(run, WaitingRun))

    def selected_run(self) -> "RunSummary | None":
        """The run that is selected, if it is only one and has begun."""
        chosen = self._selected()
        only = chosen[0] if len(chosen) == 1 else None
        return None if isinstance(only, WaitingRun) else only

    def selected_waiting(self) -> tuple[WaitingRun, ...]:
        return tuple(run for run in self._selected() if isinstance(run, WaitingRun))

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

    def _show_selection(self) -> None:
        selected = self._selected()
        self.buttons.show_selection(selected, self._busy)
        say(self.problem, localized(selected[0].problem) if len(selected) == 1 else "")
        is_none = not self.runs.rowCount() and bool(self.runs.all_runs or self.queue.runs)
        self._none_found.setVisible(is_none)

    def _show_menu(self, at: QPoint) -> None:
        if self.table.indexAt(at).isValid():
            menu = self.buttons.menu(self.table)
            menu.aboutToHide.connect(menu.deleteLater)
            menu.popup(self.table.viewport().mapToGlobal(at))

    # -- what is asked for -------------------------------------------------------------------
    def request_open(self) -> None:
        if not self.buttons.open.isEnabled():
            return
        if waiting := self.selected_waiting():
            is_begun = waiting[0].outcome == "preparing"
            if is_begun:
                self.attempt_requested.emit()
            else:
                self.waiting_open_requested.emit(waiting[0])
        elif run := self.selected_run():
            self.open_requested.emit(run.run_dir)

    def request_reveal(self) -> None:
        if run := self.selected_run():
            self.reveal_requested.emit(run.run_dir)

    def request_export(self) -> None:
        if (run := self.selected_run()) and run.adapter_dir is not None:
            self.export_requested.emit(run)

    def request_delete(self) -> None:
        """Runs go to the Trash, waiting ones out of the queue."""
        if not self.buttons.delete.isEnabled():
            return
        chosen = self.selected_runs()
        if waiting := self.selected_waiting():
            for run in waiting:
                self.queue.remove(run.key)
        if chosen:
            self.delete_requested.emit(chosen)

    def _move(self, by: int) -> None:
        control = self.buttons.earlier if by < 0 else self.buttons.later
        waiting = self.selected_waiting()
        if len(waiting) == 1 and control.isEnabled():
            self.queue.move(waiting[0].key, by)

    def _request_resume(self) -> None:
        self.resume_requested.emit(self.selected_run())

    def _request_try(self) -> None:
        self.try_requested.emit(self.selected_run())

    def _request_compare(self) -> None:
        self.compare_requested.emit(self.selected_runs())
