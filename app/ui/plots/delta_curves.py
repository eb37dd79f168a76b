"""Plots each tier's change per update, or its drift from the start, and the pull of the lasting
clock.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt

from app.core.text.translation import tr
from app.ui.look.theme import Theme
from app.ui.plots.downsampling import binned, sampled
from app.ui.plots.plot import Plot
from app.ui.plots.plot_items import Band
from app.ui.plots.run_series import RunSeries
from app.ui.plots.series import Series, Values
from app.ui.plots.style import MARKS, color
from app.ui.plots.tick_labels import value_text
from app.ui.plots.tier_raster import LASTING, clock_color, clock_words

_DOTS_PER_PX = 1 / 9
_MARKS_A_LINE = 8
_SAMPLE = 2_048
"""The number of updates per tier that are sampled for the range of the value axis."""


class TierCurve:
    """A tier's line, with a faint band behind it where updates are dense. Marks with the tier's
    shape are drawn at each update if there are few, else at some of them.
    """

    def __init__(self, mark: str, style: Qt.PenStyle = Qt.PenStyle.SolidLine) -> None:
        self._style = style
        self.band = Band()
        self.line = pg.PlotCurveItem(antialias=True)
        # Segments draw a jagged line in two thirds of the time, but they can't be dashed.
        is_solid = style is Qt.PenStyle.SolidLine
        self.line.setSegmentedLineMode("on" if is_solid else "off")
        self.marks = pg.ScatterPlotItem(size=6, symbol=mark, antialias=True, pen=None)

    @property
    def items(self) -> tuple[Any, ...]:
        return self.band, self.line, self.marks

    def recolor(self, value: str) -> None:
        self.band.fill = color(value, 0.18)
        self.line.setPen(pg.mkPen(value, width=1.6, style=self._style))
        self.marks.setBrush(pg.mkBrush(value))
        self.marks.setPen(pg.mkPen(value))  # for crosses, which have no area

    def draw(self, firings: Series, column: int, span: tuple[int, int], bins: int,
             most: int, shown: Callable[[Values], Values]) -> tuple[Any, Values]:  # fmt: skip
        """Draw a span of one column, with `shown` applied to its values.

        More than `most` updates are drawn as their range and mean. Returns the x coordinates and
        the values, or each bin's highest value.
        """
        count = span[1] - span[0]
        is_dense = count > most
        line = binned(firings, column, span, bins // 4 if is_dense else count)
        if is_dense:
            self.band.cover(line.x, shown(line.low), shown(line.high))
        else:
            self.band.clear()
        points = line.x, shown(line.mean)
        self.line.setData(*points)
        is_sparse = count <= bins * _DOTS_PER_PX and not is_dense
        self.marks.setData(*(points if is_sparse else every_so_often(*points)))
        return line.x, shown(line.high)


class DeltaCurves(Plot):
    """A curve per tier; `column` 0 is the change (delta), 1 the drift. The pull of the lasting
    clock is dashed and drawn only beside the changes.
    """

    left_label = ""
    column = 0
    is_log = False

    def _make_items(self) -> None:
        self.curves: list[TierCurve] = []
        self.pull: TierCurve | None = None

    def _recolor(self, theme: Theme) -> None:
        for tier, curve in enumerate(self.curves):
            curve.recolor(theme.tiers[tier % len(theme.tiers)])
        if self.pull is not None:
            self.pull.recolor(clock_color(theme, LASTING))

    def _all_curves(self) -> list[TierCurve]:
        return [*self.curves, *([self.pull] if self.pull is not None else [])]

    def _clear(self) -> None:
        for curve in self._all_curves():
            for item in curve.items:
                self.removeItem(item)
        tiers = self.run.tiers if self.run is not None else ()
        self.curves = [TierCurve(MARKS[tier % len(MARKS)]) for tier in range(len(tiers))]
        has_pulls = self.run is not None and self.run.clocks.lasting_pull > 0
        self.pull = TierCurve("o", Qt.PenStyle.DashLine) if has_pulls else None
        for curve in reversed(self._all_curves()):
            for item in curve.items:
                self.addItem(item)
        self._recolor(self.theme)

    def _draw(self, run: RunSeries, low: float, high: float) -> None:
        self.left.is_log = self.is_log
        self.left.picture = None
        seen, highest, bins = [], [], self.bins()
        spans = [firings.span(low, high) for firings in run.firings]
        # If one tier needs a band, tiers that are nearly as dense get one too, for comparison.
        is_busy = max(stop - start for start, stop in spans) > bins
        most = bins // 4 if is_busy else bins
        for curve, firings, span in zip(self.curves, run.firings, spans, strict=True):
            highest.append(curve.draw(firings, self.column, span, bins, most, self._shown))
            seen.append(sampled(firings.values(self.column)[slice(*span)], _SAMPLE))
        if self.pull is not None:
            is_shown = self.column == 0
            span = run.pulls.span(low, high) if is_shown else (0, 0)
            self.pull.draw(run.pulls, 0, span, bins, most, self._shown)
            seen.append(sampled(run.pulls.values()[slice(*span)], _SAMPLE))
        self.show_values(*value_range(self._shown(np.concatenate(seen)), self.is_log))
        places, values = (np.concatenate(part) for part in zip(*highest, strict=True))
        self.mark_clipped(places, values)

    def _shown(self, values: Values) -> Values:
        return np.log10(np.maximum(values, 1e-12)) if self.is_log else values

    def _describe(self, run: RunSeries, step: int, _: float | None) -> str:
        parts = [tr("step {step:,}", step=step)]
        for tier, firings in enumerate(run.firings):
            at = int(np.searchsorted(firings.steps, step, "right")) - 1
            if at >= 0:
                value = value_text(firings.values(self.column)[at])
                parts.append(tr("tier {tier}: {value}", tier=tier, value=value))
        parts += clock_words(run, step)
        return "  ·  ".join(parts)


def every_so_often(x: Any, y: Any) -> tuple[Any, Any]:
    """About eight of the points; they stay the same while a curve grows."""
    stride = 1 << max(0, (len(x) // _MARKS_A_LINE).bit_length())
    return x[stride // 2 :: stride], y[stride // 2 :: stride]


def value_range(values: Any, is_log: bool) -> tuple[float, float]:
    """From zero (from the smallest value on a log axis) to just above the largest value without
    outliers.
    """
    if not len(values):
        return 0.0, 1.0
    top = float(np.max(values))
    usual = float(np.percentile(values, 99))
    if is_log:
        bottom = float(np.percentile(values, 1))
        room = max(0.08, 0.06 * (top - bottom))
        return bottom - room, top + room
    top = top if top <= 2 * usual else 1.1 * usual
    return 0.0, (1.06 * top) or 1.0
