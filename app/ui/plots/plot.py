"""One plot of a run: what all five share. Drag selects steps, a double click shows them all."""

import math
from time import perf_counter

import pyqtgraph as pg
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QPaintEvent, QResizeEvent, QWheelEvent
from PySide6.QtWidgets import QWidget

from app.ui.look.plain_text import PlainLabel
from app.ui.look.theme import Theme
from app.ui.plots.run_series import RunSeries
from app.ui.plots.step_view_box import StepBox
from app.ui.plots.style import (
    RIGHT_PX,
    STEP_AXIS_PX,
    TOP_PX,
    StepAxis,
    ValueAxis,
    small_font,
    style_axis,
)

STEPS_AHEAD = 1 / 16
"""Of the steps shown, at most so much room is left at the end: the axis then stands still while
steps come, and need not be drawn with each."""
STEADY = 0.9
"""A range of values is kept while what it must hold fills so much of it, for the same reason."""
MAX_BINS = 2_000
"""Bins across a curve, two points each, however wide the screen."""


class Plot(pg.PlotWidget):  # type: ignore[misc]
    """Shows a RunSeries. Subclasses fill `_make_items`, `_recolour`, `_draw` and `_describe`."""

    steps_selected = Signal(float, float)
    all_steps_requested = Signal()

    left_label = ""
    left_width = 52
    has_grid = True

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        self.box = StepBox()
        self.left = ValueAxis("left")
        self.bottom = StepAxis("bottom")
        axes = {"left": self.left, "bottom": self.bottom}
        super().__init__(parent, viewBox=self.box, axisItems=axes, enableMenu=False)
        self.theme = theme
        self.run: RunSeries | None = None
        self.selection: tuple[float, float] | None = None
        self.painting_ms = 0.0
        """How long it took to paint it the last time."""
        self._values_shown = (0.0, 0.0)
        self.hideButtons()
        self.setFrameShape(self.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.plotItem.setContentsMargins(0, TOP_PX, RIGHT_PX, 0)
        self.left.setWidth(self.left_width)
        self.bottom.setHeight(STEP_AXIS_PX)
        self.hairline = pg.InfiniteLine(angle=90)
        self.readout = PlainLabel("", self)
        self.readout.setFont(small_font())
        self.readout.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._make_items()
        self.addItem(self.hairline, ignoreBounds=True)
        self._hide_readout()
        self.box.dragged.connect(self.steps_selected)
        self.box.double_clicked.connect(self.all_steps_requested)
        self.scene().sigMouseMoved.connect(self._point_at)
        self.set_theme(theme)

    # -- for subclasses ----------------------------------------------------------------------
    def has_content(self, run: RunSeries) -> bool:
        """Whether there is something of the run to draw."""
        return run.has_steps

    def _make_items(self) -> None:
        raise NotImplementedError

    def _recolour(self, theme: Theme) -> None:
        raise NotImplementedError

    def _draw(self, run: RunSeries, low: float, high: float) -> None:
        raise NotImplementedError

    def _describe(self, run: RunSeries, step: int, y: float) -> str:
        raise NotImplementedError

    def _clear(self) -> None:
        raise NotImplementedError

    # -- for everyone ------------------------------------------------------------------------
    def show_run(self, run: RunSeries | None) -> None:
        """Turns to a run, or to none; `redraw` shows it."""
        self.run, self.selection = run, None
        self._hide_readout()
        self._clear()

    def set_theme(self, theme: Theme) -> None:
        """Takes a theme's colours over, at once."""
        self.theme = theme
        self.setBackground(theme.surface)
        style_axis(self.left, theme, self.left_label, grid=self.has_grid)
        style_axis(self.bottom, theme, "step", grid=False)
        self.hairline.setPen(pg.mkPen(theme.secondary_text, width=1))
        self.readout.setStyleSheet(
            f"background: {theme.raised}; color: {theme.text}; padding: 3px 6px;"
            f"border: 1px solid {theme.border}; border-radius: 5px;"
        )
        self._recolour(theme)
        self.redraw()

    def redraw(self) -> None:
        """Draws what there is of the run now."""
        if self.run is not None and self.has_content(self.run):
            low, high = self.step_range(self.run)
            self.box.setXRange(low, high, padding=0)
            self._draw(self.run, low, high)

    def step_range(self, run: RunSeries) -> tuple[float, float]:
        """The steps selected, or all from where the run began, with a little air at both ends."""
        if self.selection:
            return self.selection
        first = run.first_step - 1  # what is measured before the first step stands there
        last = first + with_room(max(run.last_step - first, 10))
        air = 0.006 * (last - first)
        return first - air, last + air

    def show_values(self, low: float, high: float) -> None:
        """Turns the value axis to hold `low` and `high`; it stays where they fill it well."""
        bottom, top = self._values_shown
        if not (bottom <= low and high <= top and high - low >= STEADY * (top - bottom)):
            self._values_shown = low, high
            self.box.setYRange(low, high, padding=0)

    def bins(self) -> int:
        """One bin a pixel."""
        return int(min(MAX_BINS, max(50, self.box.width())))

    def sizeHint(self) -> QSize:
        return QSize(320, 150)

    def minimumSizeHint(self) -> QSize:
        return QSize(180, 80)

    # -- pointing ----------------------------------------------------------------------------
    def _point_at(self, position: QPointF) -> None:
        area: QRectF = self.box.sceneBoundingRect()
        if self.run is None or not self.has_content(self.run) or not area.contains(position):
            self._hide_readout()
            return
        point = self.box.mapSceneToView(position)
        step = min(max(round(point.x()), self.run.first_step), self.run.last_step)
        self.hairline.setPos(step)
        self.hairline.show()
        self.readout.setText(self._describe(self.run, step, point.y()))
        self._place_readout(position.x(), area)

    def _place_readout(self, x: float, area: QRectF) -> None:
        # Over the step axis, where it covers no data.
        self.readout.adjustSize()
        room = self.width() - self.readout.width()
        left = min(max(0.0, x - self.readout.width() / 2), room)
        self.readout.move(int(left), int(area.bottom()) + 4)
        self.readout.show()

    def _hide_readout(self) -> None:
        self.hairline.hide()
        self.readout.hide()

    def leaveEvent(self, event: QEvent) -> None:
        self._hide_readout()
        super().leaveEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if hasattr(self, "hairline"):
            self.redraw()

    def paintEvent(self, event: QPaintEvent) -> None:
        begun = perf_counter()
        super().paintEvent(event)
        self.painting_ms = 1e3 * (perf_counter() - begun)

    def wheelEvent(self, event: QWheelEvent) -> None:
        event.ignore()


def with_room(steps: int) -> int:
    """`steps` rounded up, by STEPS_AHEAD of them at most."""
    room = max(1, int(2 ** math.floor(math.log2(steps)) * STEPS_AHEAD))
    return -(-steps // room) * room
