"""Plots the steps at which each tier and each clock acted: a mark each, or their density if there
are too many steps.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pyqtgraph as pg
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QFontMetrics, QPainter

from app.core.text.translation import tr, trn
from app.ui.look.theme import Theme
from app.ui.plots.plot import Plot
from app.ui.plots.run_series import RunSeries
from app.ui.plots.series import Series
from app.ui.plots.shown_steps import LATEST_STEPS
from app.ui.plots.style import QuietAxis, color, small_font, style_axis
from app.ui.plots.tick_labels import period_label, value_text

_STEP_PX = 4
"""Minimum width of a step, so that neighboring steps stay distinct."""
_BIN_PX = 3
_ROW_FILL = 0.66
_PERIOD_AXIS_PX, _PERIOD_GAP_PX = 84, 8
_MARK_FILL = 0.62

SLOW, LASTING = "slow", "lasting"

Shares = npt.NDArray[np.float64]


class Marks(pg.GraphicsObject):  # type: ignore[misc]
    """Rectangles, one per row and bin; the opacity grows with the share of steps with an update."""

    def __init__(self) -> None:
        super().__init__()
        self.edges = np.zeros(1)
        self.rows: list[tuple[QColor, Shares]] = []
        self.voids: Shares = np.zeros(0)
        self.void_color = QColor()
        self.gap_fill = 1.0
        self._area = QRectF()

    def set_marks(
        self, edges: npt.NDArray[np.float64], rows: list[tuple[QColor, Shares]], voids: Shares
    ) -> None:
        """`edges` of n bins; for each row a color and n shares from 0 to 1; n counts of
        void steps.
        """
        self.prepareGeometryChange()
        self.edges, self.rows, self.voids = edges, rows, voids
        width = edges[1] - edges[0] if len(edges) > 1 else 1
        self.gap_fill = _MARK_FILL if width == 1 else 1.0
        self._area = QRectF(edges[0], -0.5, edges[-1] - edges[0], max(1, len(rows)))
        self.update()

    def mark_count(self) -> int:
        """The number of marks, without void steps."""
        return sum(int(np.count_nonzero(shares)) for _, shares in self.rows)

    def boundingRect(self) -> QRectF:
        return self._area

    def paint(self, painter: QPainter, *_: object) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, self.gap_fill < 1)
        painter.setPen(Qt.PenStyle.NoPen)
        for row, (tint, shares) in enumerate(self.rows):
            self._paint_row(painter, row, tint, shares)
        found = np.flatnonzero(self.voids)
        painter.setBrush(self.void_color)
        painter.drawRects(self._rectangles(found, -0.5, len(self.rows)))

    def _paint_row(self, painter: QPainter, row: int, tint: QColor, shares: Shares) -> None:
        # Sixteen levels are enough for the eye, and need only one brush per level.
        levels = np.ceil(np.sqrt(shares) * 16).astype(int)
        for level in np.unique(levels[levels > 0]):
            strength = QColor(tint)
            strength.setAlphaF(min(1.0, 0.12 + 0.88 * level / 16))
            painter.setBrush(strength)
            columns = np.flatnonzero(levels == level)
            painter.drawRects(self._rectangles(columns, row - _ROW_FILL / 2, _ROW_FILL))

    def _rectangles(self, columns: npt.NDArray[np.intp], top: float, height: float) -> Any:
        left, right = self.edges[columns], self.edges[columns + 1]
        inset = (right - left) * (1 - self.gap_fill) / 2
        widths = right - left - 2 * inset
        return [
            QRectF(x, top, width, height)
            for x, width in zip((left + inset).tolist(), widths.tolist(), strict=True)
        ]


class TierRaster(Plot):
    """Rows are tiers, the fastest at the top, then the active clocks; the right axis shows their
    periods.
    """

    has_grid = False

    def _make_items(self) -> None:
        self.marks = Marks()
        self.addItem(self.marks)
        self.box.invertY(True)
        self.right = QuietAxis("right")
        self.plotItem.setAxisItems({"right": self.right})
        self.plotItem.showAxis("right")
        self.right.setWidth(_PERIOD_AXIS_PX)
        self.right.setStyle(tickTextOffset=_PERIOD_GAP_PX)

    def _recolor(self, theme: Theme) -> None:
        style_axis(self.right, theme, "", grid=False)
        self.right.setPen(None)
        self.marks.void_color = color(theme.danger)

    def _clear(self) -> None:
        self.marks.set_marks(np.zeros(1), [], np.zeros(0))
        rows = row_labels(self.run) if self.run is not None else []
        for axis, column in ((self.left, 0), (self.right, 1)):
            axis.setTicks([[(row, labels[column]) for row, labels in enumerate(rows)]])
        metrics = QFontMetrics(small_font())  # an axis leaves out labels that are too wide
        widest = max((metrics.horizontalAdvance(labels[1]) for labels in rows), default=0)
        self.right.setWidth(max(_PERIOD_AXIS_PX, widest + 2 * _PERIOD_GAP_PX))
        self.box.setYRange(-0.5, max(0.5, len(rows) - 0.5), padding=0)

    def latest_count(self) -> int:
        """The number of latest steps that this width can show as separate marks."""
        return max(1, min(LATEST_STEPS, int(self.box.width() / _STEP_PX)))

    def _draw(self, run: RunSeries, low: float, high: float) -> None:
        first, last = math.floor(low + 0.5), math.ceil(high - 0.5)
        edges = self._edges(run, max(run.first_step, first) - 0.5, min(run.last_step, last) + 0.5)
        rows = [
            (QColor(self.theme.tiers[i % len(self.theme.tiers)]), _shares(firings, edges, run))
            for i, firings in enumerate(run.firings)
        ] + [
            (QColor(clock_color(self.theme, name)), _shares(series, edges, run))
            for name, series in clock_series(run).items()
        ]
        self.marks.set_marks(edges, rows, run.voids.counts(edges).astype(np.float64))

    def _edges(self, run: RunSeries, low: float, high: float) -> npt.NDArray[np.float64]:
        most = max(20, int(self.box.width() / _BIN_PX))
        periods = [t.period for t in run.tiers] + [run.clocks.slow_every or 1]
        width = even_width(math.ceil((high - low) / most), periods)
        first = math.floor((low + 0.5 - 1) / width) * width + 1
        return np.arange(first, high + width, width, dtype=np.float64) - 0.5

    def _describe(self, run: RunSeries, step: int, _: float | None) -> str:
        where = tr("step {step:,}", step=step)
        if run.voids.counts(np.array([step, step + 1]))[0]:
            return "  ·  ".join((where, tr("void: nothing was applied")))
        moved = [i for i, f in enumerate(run.firings) if f.counts(np.array([step, step + 1]))[0]]
        names = ", ".join(str(tier) for tier in moved)
        tiers = tr("no tier moved")
        if moved:
            tiers = trn("moved: tier {tiers}", "moved: tiers {tiers}", len(moved), tiers=names)
        return "  ·  ".join((where, tiers, *clock_words(run, step)))


def row_labels(run: RunSeries) -> list[tuple[str, str]]:
    """The name and period of each row from top to bottom."""
    tiers = [
        (tr("Tier {n}", n=row), period_label(tier.period)) for row, tier in enumerate(run.tiers)
    ]
    labels = {
        SLOW: (tr("Slow"), period_label(run.clocks.slow_every)),
        LASTING: (tr("Lasting"), period_label(1)),
    }
    return tiers + [labels[name] for name in clock_series(run)]


def clock_series(run: RunSeries) -> dict[str, Series]:
    """The active clocks with the steps at which they acted."""
    slow = {SLOW: run.lessons} if run.clocks.slow_every else {}
    return slow | ({LASTING: run.pulls} if run.clocks.lasting_pull else {})


def clock_color(theme: Theme, name: str) -> str:
    """A color that no tier has."""
    return theme.text if name == SLOW else theme.secondary_text


def clock_words(run: RunSeries, step: int) -> list[str]:
    """The actions of the clocks at one step as text."""
    found = []
    for name, series in clock_series(run).items():
        at = int(np.searchsorted(series.steps, step, "left"))
        if at < len(series) and series.steps[at] == step:
            value = value_text(float(series.values()[at]))
            is_lesson = name == SLOW
            found.append(
                tr("lesson: change from base {value}", value=value)
                if is_lesson
                else tr("pulled back by {value}", value=value)
            )
    return found


def _shares(firings: Series, edges: npt.NDArray[np.float64], run: RunSeries) -> Shares:
    ends = np.clip(edges, run.first_step - 0.5, run.last_step + 0.5)
    steps = np.maximum(1, np.diff(ends))
    return firings.counts(edges) / steps


def even_width(width: int, periods: list[int]) -> int:
    """`width`, or a larger multiple of all periods, so that bins don't alias with them."""
    if width <= 1:
        return 1
    together = math.lcm(*periods)
    return -(-width // together) * together if together <= 2 * width else width
