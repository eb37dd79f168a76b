"""The base class of a run's plots. A drag selects steps, a double click shows all; the arrow keys
and the pointer move a cursor line.
"""

import math
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt
import pyqtgraph as pg
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QFocusEvent, QKeyEvent, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QWidget

from app.core.text.translation import tr
from app.ui.look.theme import Theme
from app.ui.plots.plot_items import StepBox
from app.ui.plots.run_series import RunSeries
from app.ui.plots.series import Values
from app.ui.plots.shown_steps import ShownSteps
from app.ui.plots.style import QuietPlot, StepAxis, ValueAxis, style_axis

STEADY = 0.9
"""A value range is kept while the visible values fill at least this fraction of it, so that the
axis isn't redrawn with each step.
"""
MAX_BINS = 2_000
"""The maximum number of bins of a curve, two points each, on any screen."""
_CLIPPED_PX = 8
_KEYS = {
    Qt.Key.Key_Left: -1,
    Qt.Key.Key_Right: 1,
    Qt.Key.Key_PageUp: -10,
    Qt.Key.Key_PageDown: 10,
}
"""The number of steps by which a key moves the cursor."""


class Plot(QuietPlot):
    """Plots a RunSeries. Subclasses implement `_make_items`, `_recolor`, `_clear`, `_draw` and
    `_describe`.
    """

    steps_selected = Signal(float, float)
    all_steps_requested = Signal()
    pointed = Signal(object)
    """Argument: the step at the pointer or the keyboard cursor, or None."""
    readout_changed = Signal(str)
    """Argument: the values at that step as text; empty if there is no step."""
    focus_changed = Signal(bool)

    left_label = ""
    has_grid = True

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(StepBox(), ValueAxis("left"), StepAxis("bottom"), parent)
        self.theme = theme
        self.run: RunSeries | None = None
        self.steps = ShownSteps()
        """The visible steps, shared by all plots of a run."""
        self.step: int | None = None
        """The step of the cursor line."""
        self.readout = ""
        self._pointer_y: float | None = None
        self.painting_ms = 0.0
        """The time of the last painting."""
        self._values_shown = (0.0, 0.0)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setCursor(Qt.CursorShape.CrossCursor)
        self.hairline = pg.InfiniteLine(angle=90)
        self.clipped = pg.ScatterPlotItem(symbol="t1", size=_CLIPPED_PX, pen=None, antialias=True)
        self._make_items()
        for item in (self.clipped, self.hairline):
            item.setVisible(False)
            self.addItem(item, ignoreBounds=True)
        self.box.dragged.connect(self.steps_selected)
        self.box.double_clicked.connect(self.all_steps_requested)
        self.scene().sigMouseMoved.connect(self._follow_pointer)
        self.pointed.connect(self.point_at)
        self.set_theme(theme)

    # -- for subclasses ----------------------------------------------------------------------
    def has_content(self, run: RunSeries) -> bool:
        """Whether the plot has anything to draw for this run."""
        return run.has_steps

    def _make_items(self) -> None:
        raise NotImplementedError

    def _recolor(self, theme: Theme) -> None:
        raise NotImplementedError

    def _draw(self, run: RunSeries, low: float, high: float) -> None:
        raise NotImplementedError

    def _describe(self, run: RunSeries, step: int, y: float | None) -> str:
        """The values at a step as text. `y` is the pointer's position if it is on this plot."""
        raise NotImplementedError

    def _clear(self) -> None:
        raise NotImplementedError

    # -- for users of the plot ----------------------------------------------------------------
    def show_run(self, run: RunSeries | None) -> None:
        """Set the run, or None; `redraw` draws it."""
        self.run, self._pointer_y = run, None
        self.point_at(None)
        self._clear()

    def set_theme(self, theme: Theme) -> None:
        """Apply a theme and redraw."""
        self.theme = theme
        self.setBackground(theme.surface)
        style_axis(self.left, theme, self.left_label, grid=self.has_grid)
        style_axis(self.bottom, theme, tr("step"), grid=False)
        self.hairline.setPen(pg.mkPen(theme.secondary_text, width=1))
        self.clipped.setBrush(pg.mkBrush(theme.secondary_text))
        self._recolor(theme)
        self.redraw()

    def redraw(self) -> None:
        """Draw the current state of the run."""
        if self.run is not None and self.has_content(self.run):
            low, high = self.steps.of(self.run)
            self.box.setXRange(low, high, padding=0)
            self._draw(self.run, low, high)

    def show_values(self, low: float, high: float) -> None:
        """Set the range of the value axis, unless the current range fits well enough."""
        bottom, top = self._values_shown
        if not (bottom <= low and high <= top and high - low >= STEADY * (top - bottom)):
            self._values_shown = low, high
            self.box.setYRange(low, high, padding=0)

    def mark_clipped(self, x: npt.NDArray[Any], values: Values) -> None:
        """Mark values above the visible range at the top edge."""
        low, top = self._values_shown
        beyond = x[values > top] if len(x) else x
        self.clipped.setVisible(len(beyond) > 0)
        if len(beyond):
            inset = (top - low) * _CLIPPED_PX / max(1.0, 1.4 * self.box.height())
            self.clipped.setData(beyond, np.full(len(beyond), top - inset))

    def latest_text(self) -> str:
        """The values at the last step as text, for screen readers."""
        if self.run is None or not self.has_content(self.run):
            return ""
        return self._describe(self.run, self.run.last_step, None)

    def bins(self) -> int:
        """The number of bins: one per pixel."""
        return int(min(MAX_BINS, max(50, self.box.width())))

    def sizeHint(self) -> QSize:
        return QSize(320, 150)

    def minimumSizeHint(self) -> QSize:
        return QSize(180, 80)

    # -- cursor -------------------------------------------------------------------------------
    def point_at(self, step: int | None) -> None:
        """Move the cursor line to a step and update the readout; None removes both."""
        if self.run is None or not self.has_content(self.run):
            step = None
        if step == self.step and self._pointer_y is None:
            return
        self.step = step
        self.hairline.setVisible(step is not None)
        self.readout = ""
        if step is not None and self.run is not None:
            self.hairline.setPos(step)
            self.readout = self._describe(self.run, step, self._pointer_y)
        self.readout_changed.emit(self.readout)

    def _follow_pointer(self, position: QPointF) -> None:
        area: QRectF = self.box.sceneBoundingRect()
        if self.run is None or not self.has_content(self.run) or not area.contains(position):
            self._leave()
            return
        point = self.box.mapSceneToView(position)
        self._pointer_y = point.y()
        self.pointed.emit(min(max(round(point.x()), self.run.first_step), self.run.last_step))

    def _leave(self) -> None:
        self._pointer_y = None
        if self.step is not None:
            self.pointed.emit(None)

    def leaveEvent(self, event: QEvent) -> None:
        self._leave()
        super().leaveEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        run, key = self.run, Qt.Key(event.key())
        if key is Qt.Key.Key_Escape and (self.step is not None or self.steps.selection):
            if self.step is None:
                self.all_steps_requested.emit()
            self._leave()
        elif key in _KEYS and run is not None and run.has_steps:
            low, high = self.steps.of(run)
            first, last = max(run.first_step, math.ceil(low)), min(run.last_step, math.floor(high))
            place = last if self.step is None else self.step + _KEYS[key]
            self._pointer_y = None
            self.pointed.emit(min(max(place, first), last))
        else:
            event.ignore()

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self.focus_changed.emit(True)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self._leave()
        self.focus_changed.emit(False)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if hasattr(self, "hairline"):
            self.redraw()

    def paintEvent(self, event: QPaintEvent) -> None:
        begun = perf_counter()
        super().paintEvent(event)
        self.painting_ms = 1e3 * (perf_counter() - begun)
