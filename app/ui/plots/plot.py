"""One plot of a run: what all five share. A drag selects steps, a double click shows them all, the
arrow keys and the pointer move a line over the steps.
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
"""A range of values is kept while what it must hold fills so much of it: its axis then need not be
drawn with each step."""
MAX_BINS = 2_000
"""Bins across a curve, two points each, however wide the screen."""
_CLIPPED_PX = 8
_KEYS = {
    Qt.Key.Key_Left: -1,
    Qt.Key.Key_Right: 1,
    Qt.Key.Key_PageUp: -10,
    Qt.Key.Key_PageDown: 10,
}
"""Steps that a key moves the line by."""


class Plot(QuietPlot):
    """Shows a RunSeries. Subclasses fill `_make_items`, `_recolour`, `_draw` and `_describe`."""

    steps_selected = Signal(float, float)
    all_steps_requested = Signal()
    pointed = Signal(object)
    """The step that the pointer or a key is at; None: at none."""
    readout_changed = Signal(str)
    """The values at that step, in words; empty without one."""
    focus_changed = Signal(bool)

    left_label = ""
    has_grid = True

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(StepBox(), ValueAxis("left"), StepAxis("bottom"), parent)
        self.theme = theme
        self.run: RunSeries | None = None
        self.steps = ShownSteps()
        """Of all plots of the run, once they stand together."""
        self.step: int | None = None
        """Where the line stands."""
        self.readout = ""
        self._pointer_y: float | None = None
        self.painting_ms = 0.0
        """How long it took to paint it the last time."""
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
        """Whether there is something of the run to draw."""
        return run.has_steps

    def _make_items(self) -> None:
        raise NotImplementedError

    def _recolor(self, theme: Theme) -> None:
        raise NotImplementedError

    def _draw(self, run: RunSeries, low: float, high: float) -> None:
        raise NotImplementedError

    def _describe(self, run: RunSeries, step: int, y: float | None) -> str:
        """The values at a step; `y` is where the pointer is, if it is on this plot."""
        raise NotImplementedError

    def _clear(self) -> None:
        raise NotImplementedError

    # -- for everyone ------------------------------------------------------------------------
    def show_run(self, run: RunSeries | None) -> None:
        """Turns to a run, or to none; `redraw` shows it."""
        self.run, self._pointer_y = run, None
        self.point_at(None)
        self._clear()

    def set_theme(self, theme: Theme) -> None:
        """Takes a theme's colours over, at once."""
        self.theme = theme
        self.setBackground(theme.surface)
        style_axis(self.left, theme, self.left_label, grid=self.has_grid)
        style_axis(self.bottom, theme, tr("step"), grid=False)
        self.hairline.setPen(pg.mkPen(theme.secondary_text, width=1))
        self.clipped.setBrush(pg.mkBrush(theme.secondary_text))
        self._recolor(theme)
        self.redraw()

    def redraw(self) -> None:
        """Draws what there is of the run now."""
        if self.run is not None and self.has_content(self.run):
            low, high = self.steps.of(self.run)
            self.box.setXRange(low, high, padding=0)
            self._draw(self.run, low, high)

    def show_values(self, low: float, high: float) -> None:
        """Turns the value axis to hold `low` and `high`; it stays where they fill it well."""
        bottom, top = self._values_shown
        if not (bottom <= low and high <= top and high - low >= STEADY * (top - bottom)):
            self._values_shown = low, high
            self.box.setYRange(low, high, padding=0)

    def mark_clipped(self, x: npt.NDArray[Any], values: Values) -> None:
        """Shows at the top edge where values lie above it."""
        low, top = self._values_shown
        beyond = x[values > top] if len(x) else x
        self.clipped.setVisible(len(beyond) > 0)
        if len(beyond):
            inset = (top - low) * _CLIPPED_PX / max(1.0, 1.4 * self.box.height())
            self.clipped.setData(beyond, np.full(len(beyond), top - inset))

    def latest_text(self) -> str:
        """The values at the last step, for who can't see the plot."""
        if self.run is None or not self.has_content(self.run):
            return ""
        return self._describe(self.run, self.run.last_step, None)

    def bins(self) -> int:
        """One bin a pixel."""
        return int(min(MAX_BINS, max(50, self.box.width())))

    def sizeHint(self) -> QSize:
        return QSize(320, 150)

    def minimumSizeHint(self) -> QSize:
        return QSize(180, 80)

    # -- pointing ----------------------------------------------------------------------------
    def point_at(self, step: int | None) -> None:
        """Moves the line to a step, with the values there; None takes it away."""
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
