"""The bar above the runs' table: number of runs, search, filter, and the queue's buttons."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QWidget

from app.core.text.translation import tr, trn
from app.ui.look import formatting
from app.ui.state.run_queue import RunQueue
from app.ui.tables.run_rows import STATES, RunsFilter
from app.ui.widgets.basic_widgets import allow, button, label
from app.ui.widgets.calm_inputs import CalmComboBox, SearchField
from app.ui.widgets.wrapping_row import WrappingRow

if TYPE_CHECKING:
    from app.library.reading.run_summary import RunSummary

SEARCH_PX = 200


class RunsHeader(QWidget):
    filter_changed = Signal()
    search_left = Signal()
    """The user pressed Escape in the empty search field."""

    def __init__(self, queue: RunQueue) -> None:
        super().__init__()
        self._queue = queue
        self.count = label("", "secondary")
        self.search = SearchField(tr("Search runs"))
        self.search.setFixedWidth(SEARCH_PX)
        self.search.textChanged.connect(self.filter_changed)
        escape = QShortcut(QKeySequence("Escape"), self.search, self._leave_search)
        escape.setContext(Qt.ShortcutContext.WidgetShortcut)
        self.state = CalmComboBox(STATES, tr("Runs shown"))
        self.state.currentIndexChanged.connect(self.filter_changed)
        self.start = button(tr("Start Queue"), queue.start)
        self.hold = button(tr("Pause Queue"), queue.hold)
        controls = (self.hold, self.start, self.search, self.state)
        self.setLayout(WrappingRow((label(tr("Runs"), "title"), self.count), controls))

    def filter(self) -> RunsFilter:
        return RunsFilter.of(self.search.text(), self.state.currentData())

    def show_count(self, runs: "Sequence[RunSummary]", *, has_rows: bool) -> None:
        """Show the number of runs and of queued runs, and update the queue's buttons."""
        for control in (self.search, self.state):
            control.setVisible(has_rows)
        size = formatting.size(sum(run.size_bytes for run in runs))
        parts = [trn("{n:,} run", "{n:,} runs", len(runs)), size] if runs else []
        is_going, n = self._queue.is_going, len(self._queue.runs)
        if n:
            words = tr("{n:,} waiting", n=n)
            parts.append(words if is_going else tr("{n:,} waiting, queue paused", n=n))
        self.count.setText(" · ".join(parts))
        self.start.setVisible(n > 0 and not is_going)
        allow(self.start, self._queue.why_not_start())
        self.hold.setVisible(is_going)

    def _leave_search(self) -> None:
        """Escape clears the search text, or leaves the field if it is empty."""
        if self.search.text():
            self.search.clear()
        else:
            self.search_left.emit()
