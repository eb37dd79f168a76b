"""A histogram of the rows' lengths, with the limit as a line that can be dragged."""

import math
from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QSize, Qt, Signal

from app.core.text.translation import decimal, tr
from app.data.training_set.length_distribution import LengthDistribution
from app.ui.look.theme import LIGHT, Theme
from app.ui.plots.style import QuietAxis, QuietPlot, ValueAxis, color, small_font, style_axis

BARS_AN_OCTAVE = 6
_ROWS_AXIS_PX = 52
MIN_LIMIT, MAX_LIMIT = 8, 1_000_000
_BESIDE = [(-0.06, 0.5), (1.06, 0.5)]
"""The anchors of a line's label, left and right of the line."""
_HEADROOM = 1.3
"""The space above the highest bar for the labels."""
_ROUND_FROM, _ROUND_TO = 128, 8
"""From the first length on, a dragged limit is rounded to a multiple of the second."""


class LengthAxis(QuietAxis):
    """Tokens on a logarithmic scale: "64", "1,024", "16k". The coordinates are log2."""

    def tickValues(self, low: float, high: float, size: float) -> list[Any]:
        powers = list(range(math.ceil(low), math.floor(high) + 1))
        apart = max(1, math.ceil(len(powers) * 56 / max(size, 1)))
        return [(float(apart), powers[::apart])]

    def tickStrings(self, values: Any, *_: float) -> list[str]:
        return [length_words(2 ** round(float(value))) for value in values]


class RowsAxis(ValueAxis):
    """Ticks at whole numbers only."""

    def tickValues(self, low: float, high: float, size: float) -> list[Any]:
        ticks = super().tickValues(low, high, size)
        if not ticks or ticks[0][0] >= 1:
            return ticks
        return [(1.0, [float(rows) for rows in range(math.ceil(low), math.floor(high) + 1)])]


class LengthPlot(QuietPlot):
    limit_dragged = Signal(int)

    def __init__(self) -> None:
        box = pg.ViewBox(enableMenu=False, enableMouse=False, defaultPadding=0)
        super().__init__(box, RowsAxis("left"), LengthAxis("bottom"))
        self._theme = LIGHT
        self._edges = np.zeros(0, np.int64)
        self._counts = np.zeros(0, np.int64)
        self.limit = 0
        self.setAccessibleName(tr("Lengths of the rows"))
        self.left.setWidth(_ROWS_AXIS_PX)
        self.kept = pg.BarGraphItem(x0=[], x1=[], height=[])
        self.cut = pg.BarGraphItem(x0=[], x1=[], height=[])
        self.line = pg.InfiniteLine(angle=90, movable=True, label="", labelOpts={
            "position": 0.95, "anchors": _BESIDE, "movable": False})  # fmt: skip
        self.line.label.setFont(small_font())
        self.line.setCursor(Qt.CursorShape.SizeHorCursor)
        self.line.sigDragged.connect(self._drag)
        self.context = pg.InfiniteLine(angle=90, movable=False, label="", labelOpts={
            "position": 0.85, "anchors": _BESIDE, "movable": False})  # fmt: skip
        self.context.label.setFont(small_font())
        self.context.setVisible(False)
        for item in (self.kept, self.cut, self.context, self.line):
            self.addItem(item, ignoreBounds=True)
        self.set_theme(LIGHT)

    def show_lengths(self, parts: tuple[LengthDistribution, ...], limit: int) -> None:
        """Show the rows of all parts together."""
        lengths = [part.shortest for part in parts if part.rows]
        longest = max((part.longest for part in parts), default=1)
        self._edges = bar_edges(min(lengths, default=1), longest)
        self._counts = np.sum([part.counts(self._edges) for part in parts], axis=0)
        self.limit = 0
        self.show_limit(limit)
        self.getViewBox().setYRange(
            0, max(1, int(self._counts.max(initial=0))) * _HEADROOM, padding=0
        )

    def show_limit(self, limit: int) -> None:
        """Move the line and recolor the bars on both sides of it."""
        if limit == self.limit:
            return
        self.limit = limit
        place = math.log2(max(limit, 1))
        self.line.blockSignals(True)
        self.line.setValue(place)
        self.line.blockSignals(False)
        self.line.label.setText(tr("limit {tokens:,}", tokens=limit))
        self._draw_bars(limit)
        if len(self._edges):
            low = min(math.log2(self._edges[0] or 1), place)
            high = max(math.log2(self._edges[-1]), place)
            air = 0.03 * max(high - low, 1.0)
            self.getViewBox().setXRange(low - air, high + air, padding=0)

    def show_context(self, tokens: int | None) -> None:
        """Mark the model's context length, unless all rows are shorter or it equals the limit.
        None: unknown.
        """
        longest = int(self._edges[-1]) - 1 if len(self._edges) else 0
        self.context.setVisible(tokens is not None and longest > tokens != self.limit)
        if tokens is not None:
            self.context.setValue(math.log2(tokens))
            self.context.label.setText(tr("model context {tokens:,}", tokens=tokens))

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.setBackground(theme.surface)
        style_axis(self.left, theme, tr("rows"), grid=True)
        style_axis(self.bottom, theme, tr("tokens in a row"), grid=False)
        for bars, brush in ((self.kept, color(theme.accent, 0.75)),
                            (self.cut, color(theme.danger, 0.75))):  # fmt: skip
            bars.setOpts(brush=brush, pen=pg.mkPen(theme.surface, width=1))
        self.line.setPen(pg.mkPen(theme.text, width=2))
        self.context.setPen(pg.mkPen(theme.warning, width=1, style=Qt.PenStyle.DashLine))
        self.context.label.setColor(theme.text)
        self.context.label.fill = pg.mkBrush(color(theme.surface, 0.85))
        self.line.setHoverPen(pg.mkPen(theme.accent, width=3))
        self.line.label.setColor(theme.text)
        self.line.label.fill = pg.mkBrush(color(theme.surface, 0.85))

    def sizeHint(self) -> QSize:
        return QSize(480, 220)

    def minimumSizeHint(self) -> QSize:
        return QSize(220, 150)

    def _draw_bars(self, limit: int) -> None:
        if not len(self._edges):
            return
        # A bar that contains cut rows counts as cut.
        is_cut = self._edges[1:] - 1 > limit
        places = np.log2(np.maximum(self._edges, 1))
        for bars, chosen in ((self.kept, ~is_cut), (self.cut, is_cut)):
            bars.setOpts(x0=places[:-1][chosen], x1=places[1:][chosen],
                         height=self._counts[chosen])  # fmt: skip

    def _drag(self) -> None:
        wanted = 2 ** float(self.line.value())
        limit = round(wanted)
        if wanted >= _ROUND_FROM:
            limit = round(wanted / _ROUND_TO) * _ROUND_TO
        limit = min(max(limit, MIN_LIMIT), MAX_LIMIT)
        self.line.label.setText(tr("limit {tokens:,}", tokens=limit))
        if limit != self.limit:
            self.limit = limit
            self._draw_bars(limit)
            self.limit_dragged.emit(limit)


def bar_edges(shortest: int, longest: int) -> "np.ndarray[Any, np.dtype[np.int64]]":
    """Edges of the bars at whole lengths, evenly spaced on the logarithmic scale; the last is past
    the longest row.
    """
    low = math.floor(math.log2(max(shortest, 1)) * BARS_AN_OCTAVE)
    high = math.ceil(math.log2(longest + 1) * BARS_AN_OCTAVE)
    powers = np.arange(low, high + 1) / BARS_AN_OCTAVE
    edges = np.unique(np.floor(2.0**powers).astype(np.int64))
    edges[-1] = max(edges[-1], longest + 1)
    return edges if len(edges) > 1 else np.array([edges[0], edges[0] + 1])


def length_words(length: int) -> str:
    return decimal(f"{length:,}") if length < 10_000 else f"{length // 1024}k"
