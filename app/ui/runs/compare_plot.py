"""One measure of several runs, overlaid: smoothed curves in bold, single steps faint
behind them.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QEvent, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QResizeEvent

from app.core.text.translation import tr
from app.ui.look.formatting import duration
from app.ui.look.plain_text import PlainLabel
from app.ui.look.theme import Theme
from app.ui.plots.delta_curves import every_so_often
from app.ui.plots.downsampling import extremes
from app.ui.plots.loss_plot import loss_range
from app.ui.plots.plot_items import StepBox
from app.ui.plots.style import (
    MARKS,
    TOP_PX,
    QuietPlot,
    StepAxis,
    ValueAxis,
    color,
    small_font,
    style_axis,
)
from app.ui.plots.tick_labels import step_text, value_text
from app.ui.runs.compared_losses import Curve

_AXIS_LABELS = {"step": tr("step"), "tokens": tr("tokens"), "time": tr("time")}
_LEAST = 1e-9
_FAINT, _MAX_BINS = 0.22, 1000
_DOTS_UP_TO = 60
_CLIPPED_PX = 8


class TimeAxis(StepAxis):
    """Formats steps and tokens as counts, seconds as durations."""

    is_time = False

    def tickStrings(self, values: Any, *rest: float) -> list[str]:
        if self.is_time:
            return [duration(float(value)) for value in values]
        return super().tickStrings(values, *rest)


class ComparePlot(QuietPlot):
    """A drag zooms in, a double click shows everything. Several plots share the cursor via
    `pointed`.
    """

    pointed = Signal(object)
    """Argument: the pointer's x coordinate, or None if the pointer is outside the plot."""
    selected = Signal(object)
    """Argument: the selected range (low, high) of the x axis, or None for all of it."""

    def __init__(self, theme: Theme, *, has_dots: bool, unit: str = "") -> None:
        """`unit` is the label of the y axis; the default is for losses."""
        super().__init__(StepBox(), ValueAxis("left"), TimeAxis("bottom"))
        self._theme, self._has_dots = theme, has_dots
        self._unit = unit or tr("loss")
        self._curves: tuple[Curve, ...] = ()
        self._names: tuple[str, ...] = ()
        self._items: list[tuple[Any, Any, Any]] = []
        self.hidden: frozenset[int] = frozenset()
        """The indexes of the runs whose curves are hidden."""
        self.axis = "step"
        self.is_log, self.is_clipped = False, True
        self.stretch: tuple[float, float] | None = None
        self.setAcceptDrops(False)
        self.viewport().setAcceptDrops(False)
        self.hairline = pg.InfiniteLine(angle=90)
        self.hairline.hide()
        self.clipped = pg.ScatterPlotItem(symbol="t1", size=_CLIPPED_PX, pen=None, antialias=True)
        self.clipped.setZValue(3)
        self.addItem(self.clipped, ignoreBounds=True)
        self.addItem(self.hairline, ignoreBounds=True)
        self.readout = PlainLabel("", self)
        self.readout.setFont(small_font())
        self.readout.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.readout.hide()
        self.box.dragged.connect(lambda low, high: self.selected.emit((low, high)))
        self.box.double_clicked.connect(lambda: self.selected.emit(None))
        self.scene().sigMouseMoved.connect(self._note_pointer)
        self.set_theme(theme)

    def show_curves(self, curves: Sequence[Curve], names: Sequence[str]) -> None:
        for items in self._items:
            for item in items:
                self.removeItem(item)
        self._curves, self._names = tuple(curves), tuple(names)
        self._items = [self._make_items(MARKS[run % len(MARKS)]) for run in range(len(curves))]
        self.stretch, self.hidden = None, frozenset()
        self.set_theme(self._theme)

    @property
    def has_points(self) -> bool:
        return any(len(curve.raw) for curve in self._curves)

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.setBackground(theme.surface)
        style_axis(self.left, theme, self._unit, grid=True)
        style_axis(self.bottom, theme, _AXIS_LABELS[self.axis], grid=False)
        self.hairline.setPen(pg.mkPen(theme.secondary_text, width=1))
        self.readout.setStyleSheet(
            f"background: {theme.raised}; color: {theme.text}; padding: 3px 6px;"
            f"border: 1px solid {theme.border}; border-radius: 5px;"
        )
        self.clipped.setBrush(pg.mkBrush(theme.secondary_text))
        for (raw, smooth, marks), tint in zip(self._items, theme.runs, strict=False):
            raw.setPen(pg.mkPen(color(tint, _FAINT), width=1))
            smooth.setPen(pg.mkPen(tint, width=1.8))
            marks.setBrush(pg.mkBrush(tint))
            marks.setPen(pg.mkPen(tint))
        self.redraw()

    def redraw(self) -> None:
        self.bottom.is_time = self.axis == "time"
        if self.bottom.labelText != _AXIS_LABELS[self.axis]:
            self.bottom.setLabel(_AXIS_LABELS[self.axis])
        self.left.is_log = self.is_log
        self.bottom.picture = self.left.picture = None
        low, high = self._span()
        self.box.setXRange(low, high, padding=0.006)
        spans = [
            (0, 0) if run in self.hidden else self._seen(curve, low, high)
            for run, curve in enumerate(self._curves)
        ]
        for curve, items, span in zip(self._curves, self._items, spans, strict=True):
            self._draw(curve, items, span)
        values = self._value_range(spans)
        self.box.setYRange(*values, padding=0)
        self._mark_clipped(spans, *values)

    def point_at(self, x: float | None) -> None:
        """Show the cursor at `x`, and each run's value there."""
        self.hairline.setVisible(x is not None and bool(self._curves))
        self.readout.setVisible(self.hairline.isVisible())
        if x is None or not self._curves:
            return
        self.hairline.setPos(x)
        unit = "" if self.axis == "time" else f"{_AXIS_LABELS[self.axis]} "
        runs = enumerate(zip(self._curves, self._names, strict=True))
        lines = [
            f"{name}: {self._value_at(curve, x)}"
            for run, (curve, name) in runs
            if run not in self.hidden
        ]
        self.readout.setText("\n".join([f"{unit}{self._x_text(x)}", *lines]))
        self.readout.adjustSize()
        left = self.box.mapViewToScene(QPointF(x, 0)).x() + 10
        if left + self.readout.width() > self.width():
            left -= self.readout.width() + 20
        self.readout.move(max(0, int(left)), TOP_PX)

    def _make_items(self, mark: str) -> tuple[Any, Any, Any]:
        raw, smooth = pg.PlotCurveItem(antialias=True), pg.PlotCurveItem(antialias=True)
        marks = pg.ScatterPlotItem(size=8, symbol=mark, antialias=True)
        for depth, item in enumerate((raw, smooth, marks)):
            item.setZValue(depth)
            self.addItem(item)
        return raw, smooth, marks

    def _span(self) -> tuple[float, float]:
        if self.stretch is not None:
            return self.stretch
        ends = [curve.x[self.axis][[0, -1]] for curve in self._curves if len(curve.raw)]
        if not ends:
            return 0.0, 1.0
        low, high = min(0.0, *(e[0] for e in ends)), max(e[1] for e in ends)
        return float(low), float(high) if high > low else low + 1

    def _seen(self, curve: Curve, low: float, high: float) -> tuple[int, int]:
        """The start and stop indexes of the visible points, plus one neighbor on each side."""
        x = curve.x[self.axis]
        start = max(0, int(np.searchsorted(x, low, "left")) - 1)
        return start, min(len(x), int(np.searchsorted(x, high, "right")) + 1)

    def _draw(self, curve: Curve, items: tuple[Any, Any, Any], span: tuple[int, int]) -> None:
        raw, smooth, marks = items
        x = curve.x[self.axis]
        bins = int(min(_MAX_BINS, max(50, self.box.width() / 2)))
        raw.setData(*self._shown(extremes(x, curve.raw, span, bins)))
        points = self._shown(extremes(x, curve.smooth, span, bins))
        smooth.setData(*points)
        is_few = self._has_dots and len(points[0]) <= _DOTS_UP_TO
        marks.setData(*(points if is_few else every_so_often(*points)))

    def _mark_clipped(self, spans: Sequence[tuple[int, int]], low: float, top: float) -> None:
        """Mark values above the visible range at the top edge."""
        bins = int(min(_MAX_BINS, max(50, self.box.width() / 2)))
        beyond = [np.zeros(0)]
        for curve, span in zip(self._curves, spans, strict=True):
            x, y = self._shown(extremes(curve.x[self.axis], curve.raw, span, bins))
            beyond.append(x[y > top])
        places = np.concatenate(beyond)
        inset = (top - low) * _CLIPPED_PX / max(1.0, 1.4 * self.box.height())
        self.clipped.setData(places, np.full(len(places), top - inset))

    def _shown(self, points: tuple[Any, Any]) -> tuple[Any, Any]:
        x, y = points
        return (x, np.log10(np.maximum(y, _LEAST))) if self.is_log else (x, y)

    def _value_range(self, spans: Sequence[tuple[int, int]]) -> tuple[float, float]:
        parts = [(c, slice(*span)) for c, span in zip(self._curves, spans, strict=True)]
        values = np.concatenate([np.zeros(0), *(c.raw[part] for c, part in parts)])
        if not len(values):
            return (-1.0, 1.0) if self.is_log else (0.0, 1.0)
        if self.is_clipped and not self._has_dots:
            tops = [np.max(c.smooth[part]) for c, part in parts if len(c.smooth[part])]
            low, high = loss_range(values, np.zeros(0, np.float32), np.array(tops))
        else:
            low, high = float(np.min(values)), float(np.max(values))
            room = 0.06 * (high - low) or 0.1
            low, high = max(0.0, low - room), high + room
        if not self.is_log:
            return low, high
        least = float(np.min(values[values > 0], initial=high))
        return float(np.log10(max(_LEAST, low, 0.9 * least))), float(np.log10(max(_LEAST, high)))

    def _value_at(self, curve: Curve, x: float) -> str:
        """The curve's last value up to `x`. In plots with few points, also where it was
        measured.
        """
        places = curve.x[self.axis]
        at = int(np.searchsorted(places, x, "right")) - 1
        if not len(curve.smooth) or at < 0 or x > places[-1] * 1.001:
            return "–"
        value = value_text(float(curve.smooth[at]))
        if not self._has_dots:
            return value
        return tr("{value} at {place}", value=value, place=self._x_text(places[at]))

    def _x_text(self, x: float) -> str:
        return duration(x) if self.axis == "time" else step_text(x)

    def _note_pointer(self, position: QPointF) -> None:
        area: QRectF = self.box.sceneBoundingRect()
        inside = area.contains(position) and self._curves
        self.pointed.emit(self.box.mapSceneToView(position).x() if inside else None)

    def leaveEvent(self, event: QEvent) -> None:
        self.pointed.emit(None)
        super().leaveEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if hasattr(self, "readout"):
            self.redraw()
