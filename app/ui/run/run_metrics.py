"""A run's metrics side by side: step, loss, validation, speed, time left, memory."""

from PySide6.QtCore import QSize
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QGridLayout, QLabel, QWidget

from app.core.text.translation import tr
from app.core.wording.memory import gigabytes
from app.ui.look import formatting
from app.ui.look.plain_text import set_tip
from app.ui.state.app_state import AppState
from app.ui.state.run_pace import RunPace
from app.ui.system.deferred_calls import Throttle
from app.ui.widgets.basic_widgets import label
from app.ui.widgets.layouts import GRID_PX, column

REFRESH_MS = 100
_ONE_ROW_FROM_PX = 560
_TITLES = {
    "step": tr("Step"),
    "loss": tr("Loss"),
    "val_loss": tr("Validation loss"),
    "speed": tr("Tokens per second"),
    "left": tr("Time left"),
    "memory": tr("Peak memory"),
}


class Metrics(QWidget):
    """Redraws at most ten times a second."""

    def __init__(self, state: AppState, pace: RunPace) -> None:
        super().__init__()
        self._state, self._pace = state, pace
        self.figures: dict[str, QLabel] = {}
        self._cells: list[QWidget] = []
        self._columns = 0
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(2 * GRID_PX)
        self._grid.setVerticalSpacing(GRID_PX)
        for key, title in _TITLES.items():
            self._add(key, title)
        self._arrange(len(_TITLES))
        self._refreshing = Throttle(REFRESH_MS, self.refresh, self)
        state.run_event_received.connect(self._take)
        state.run_cleared.connect(self.refresh)
        state.phase_changed.connect(self.refresh)
        self.refresh()

    def _add(self, key: str, title: str) -> None:
        figure = label("–", "figure")
        figure.setAccessibleName(title)
        cell = QWidget()
        cell.setLayout(column(label(title, "caption"), figure, spacing=2))
        self.figures[key] = figure
        self._cells.append(cell)

    def minimumSizeHint(self) -> QSize:
        """The minimum for two rows of metrics, so that longer values never make the page wider than
        the window.
        """
        columns = len(_TITLES) // 2
        needed = max(self._needed_px(self._cells[:columns]), self._needed_px(self._cells[columns:]))
        return QSize(needed, super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._arrange(self._fitting_columns())

    def _needed_px(self, cells: list[QWidget]) -> int:
        gaps = (len(cells) - 1) * self._grid.horizontalSpacing()
        return sum(cell.sizeHint().width() for cell in cells) + gaps

    def _fitting_columns(self) -> int:
        needed = max(_ONE_ROW_FROM_PX, self._needed_px(self._cells))
        return len(_TITLES) if self.width() >= needed else len(_TITLES) // 2

    def _arrange(self, columns: int) -> None:
        if columns == self._columns:
            return
        self._columns = columns
        for index, cell in enumerate(self._cells):
            self._grid.addWidget(cell, index // columns, index % columns)
        for index in range(len(_TITLES)):
            self._grid.setColumnStretch(index, 1 if index < columns else 0)

    def _take(self, _event: object) -> None:
        self._refreshing.request()

    def refresh(self) -> None:
        state = self._state
        step = state.step
        steps = state.started.steps if state.started else 0
        shown = {
            "step": tr("{step:,} of {steps:,}", step=step.step, steps=steps) if step else "–",
            "loss": formatting.loss(step.loss if step else None),
            "val_loss": formatting.loss(state.evaluation.val_loss if state.evaluation else None),
            "speed": formatting.rate(step.tokens_per_second) if step else "–",
            "left": self._left_text(),
            "memory": formatting.size(step.peak_memory_bytes) if step else "–",
        }
        for key, text in shown.items():
            self.figures[key].setText(text)
        # Only resizing restores a single row, because the texts change many times a second.
        self._arrange(min(self._columns, self._fitting_columns()))
        expected = state.run_memory
        size = gigabytes(expected.peak_bytes) if expected else ""
        about = tr("{size} estimated before the start", size=size) if size else ""
        set_tip(self.figures["memory"], about)

    def _left_text(self) -> str:
        if not self._state.phase.is_active:
            return "–"
        seconds = self._pace.seconds_left
        return "…" if seconds is None else formatting.duration(seconds)
