"""The Queue page: the runs that wait, in their order, and what can be done with them."""

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QAbstractItemView, QStackedWidget, QVBoxLayout, QWidget

from app.library.queue_file import QueuedRun
from app.ui import phrases
from app.ui.library.table import make_table
from app.ui.plain_text import set_tip
from app.ui.run_queue import RunQueue
from app.ui.tables.queue_model import STATE_COLUMN, QueueModel
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

HOW = (
    "Add to Queue, in the Run menu, puts the Train page's settings here. "
    "So does a run's Repeat menu in the library."
)


class QueuePage(QWidget):
    def __init__(self, queue: RunQueue) -> None:
        super().__init__()
        self.setObjectName("page")
        self._queue = queue
        self.model = QueueModel()
        self.table = make_table(self.model, "Queue", (0, STATE_COLUMN))
        self.count = label("", "secondary")
        self.start = button("Start Queue", queue.start, "primary")
        self.hold = button("Pause Queue", queue.hold)
        self.earlier = button("Move Up", lambda: self._move(-1))
        self.later = button("Move Down", lambda: self._move(1))
        self.remove = button("Remove", self._remove)
        self._make_movable()
        self._body = QStackedWidget()
        self._body.addWidget(empty_page("The Queue Is Empty", HOW))
        self._body.addWidget(self._make_list())
        layout = QVBoxLayout(self)
        layout.setContentsMargins(3 * GRID_PX, 2 * GRID_PX, 3 * GRID_PX, 2 * GRID_PX)
        layout.setSpacing(2 * GRID_PX)
        layout.addLayout(row(label("Queue", "title"), 4, self.count, None, self.hold, self.start))
        layout.addWidget(self._body, 1)
        self.table.selectionModel().selectionChanged.connect(self._allow)
        queue.changed.connect(self.refresh)
        self.refresh()

    def _make_movable(self) -> None:
        """Rows are moved by dragging and by keys as well."""
        self.table.setDragDropMode(QAbstractItemView.DragDropMode.DragDrop)
        self.table.setDefaultDropAction(Qt.DropAction.MoveAction)
        self.table.setDragDropOverwriteMode(False)
        self.model.move_requested.connect(self._move_row)
        for control, keys, does in (
            (self.earlier, "Ctrl+Up", lambda: self._move(-1)),
            (self.later, "Ctrl+Down", lambda: self._move(1)),
            (self.remove, "Delete", self._remove),
            (self.remove, "Backspace", self._remove),
        ):
            shortcut = QShortcut(QKeySequence(keys), self.table, does)
            shortcut.setContext(Qt.ShortcutContext.WidgetShortcut)
            shown = shortcut.key().toString(QKeySequence.SequenceFormat.NativeText)
            set_tip(control, control.toolTip() or f"{control.text()} ({shown})")
        self._tips = [one.toolTip() for one in (self.earlier, self.later, self.remove)]

    def _make_list(self) -> QWidget:
        listed = QWidget()
        self.problem = message("problem")
        whole = column(self.table, self.problem, spacing=GRID_PX + 4)
        whole.setStretch(0, 1)
        whole.addLayout(row(self.earlier, self.later, None, self.remove))
        listed.setLayout(whole)
        return listed

    def refresh(self) -> None:
        chosen, runs = self.selected(), self._queue.runs
        self.model.show_queue(runs, self._queue.begun_key)
        self._body.setCurrentIndex(1 if runs else 0)
        state = "running" if self._queue.is_going else "paused"
        self.count.setText(f"{phrases.plural(len(runs), 'run')} · {state}" if runs else "")
        keys = [run.key for run in runs]
        if runs:
            self.table.selectRow(keys.index(chosen.key) if chosen and chosen.key in keys else 0)
        self._allow()

    def set_theme(self, theme: Theme) -> None:
        self.model.set_theme(theme)
        self.refresh()

    def selected(self) -> QueuedRun | None:
        chosen = self.table.selectionModel().selectedRows()
        return self.model.at(chosen[0].row()) if chosen else None

    def _allow(self) -> None:
        chosen, runs, why_not = self.selected(), self._queue.runs, self._queue.why_not_start()
        self.start.setVisible(bool(runs) and not self._queue.is_going)
        allow(self.start, why_not)
        self.hold.setVisible(self._queue.is_going)
        fixed = "Select a run." if chosen is None else self._queue.why_not_touch(chosen.key)
        is_first = chosen is not None and chosen.key == runs[0].key
        is_last = chosen is not None and chosen.key == runs[-1].key
        allow(self.earlier, fixed or ("It is the first." if is_first else ""), self._tips[0])
        allow(self.later, fixed or ("It is the last." if is_last else ""), self._tips[1])
        allow(self.remove, fixed, self._tips[2])
        say(self.problem, chosen.problem if chosen is not None else "")

    def _move(self, by: int) -> None:
        if (chosen := self.selected()) is not None:
            self._queue.move(chosen.key, by)

    def _move_row(self, start: int, end: int) -> None:
        self.table.selectRow(start)
        self._move(end - start)

    def _remove(self) -> None:
        if (chosen := self.selected()) is not None:
            self._queue.remove(chosen.key)
