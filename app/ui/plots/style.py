"""The common style of all plots: axes, fonts and colors; no menus or buttons."""

import math
from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QFont, QWheelEvent
from PySide6.QtWidgets import QWidget

from app.ui.look.theme import Theme
from app.ui.plots.tick_labels import power_ticks, step_ticks, value_ticks

TITLE_PX = 13
SMALL_PX = 11
TOP_PX, RIGHT_PX = 8, 18
"""Margins above and right of the data, so that end ticks and thick lines aren't clipped."""
STEP_AXIS_PX = 31
VALUE_AXIS_PX = 70
"""The width for labels such as "1.5×10⁻⁵"; the same in all plots, so that their left edges
align.
"""
MARKS = ("o", "s", "t1", "d", "+", "x", "star", "h")
"""Marks that distinguish tiers or runs in addition to color, in their order."""
RAW_ALPHA = 0.65
"""The opacity of lines through single steps, which are thinner than those through means."""


def small_font() -> QFont:
    """The application's font in the size of ticks, labels and subtitles."""
    font = QFont()
    font.setPixelSize(SMALL_PX)
    return font


class QuietAxis(pg.AxisItem):  # type: ignore[misc]
    """An axis with a fixed label."""

    def updateAutoSIPrefix(self) -> None:
        """Does nothing, because pyqtgraph would lay out the label again on each change of the
        range.
        """


class StepAxis(QuietAxis):
    """Ticks at whole steps only: "250", "20k"."""

    def tickValues(self, low: float, high: float, size: float) -> list[Any]:
        levels = super().tickValues(low, high, size)
        return [(spacing, ticks) for spacing, ticks in levels[:1] if spacing >= 1] or [
            (1, list(range(math.ceil(low), math.floor(high) + 1)))
        ]

    def tickStrings(self, values: Any, *_: float) -> list[str]:
        return step_ticks([round(float(v)) for v in values])


class ValueAxis(QuietAxis):
    """Plain decimals. With `is_log`, coordinates are log10 and ticks are at 1, 2, 5."""

    is_log = False

    def boundingRect(self) -> QRectF:
        """Adds room for labels at both ends."""
        bounds: QRectF = super().boundingRect()
        return bounds.adjusted(0, -8, 0, 8)

    def tickValues(self, low: float, high: float, size: float) -> list[Any]:
        if not self.is_log:
            return list(super().tickValues(low, high, size)[:1])
        decades = range(math.floor(low), math.ceil(high) + 1)
        factors = (1, 2, 5) if high - low < 1.6 else (1,)
        ticks = [decade + math.log10(factor) for decade in decades for factor in factors]
        ticks = [tick for tick in ticks if low <= tick <= high]
        most = max(2, int(size / 22))
        return [(1.0, ticks[:: math.ceil(len(ticks) / most)] if ticks else [])]

    def tickStrings(self, values: Any, _: float, spacing: float) -> list[str]:
        if self.is_log:
            return power_ticks([10 ** float(v) for v in values])
        return value_ticks([float(v) for v in values], spacing)


class QuietPlot(pg.PlotWidget):  # type: ignore[misc]
    """A plot without menu, buttons and frame; it ignores the mouse wheel, so that the page
    scrolls.
    """

    def __init__(
        self, box: pg.ViewBox, left: ValueAxis, bottom: QuietAxis, parent: QWidget | None = None
    ) -> None:
        self.box, self.left, self.bottom = box, left, bottom
        axes = {"left": left, "bottom": bottom}
        super().__init__(parent, viewBox=box, axisItems=axes, enableMenu=False)
        self.hideButtons()
        self.setFrameShape(self.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.plotItem.setContentsMargins(0, TOP_PX, RIGHT_PX, 0)
        left.setWidth(VALUE_AXIS_PX)
        bottom.setHeight(STEP_AXIS_PX)

    def wheelEvent(self, event: QWheelEvent) -> None:
        event.ignore()


def style_axis(axis: Any, theme: Theme, label: str, *, grid: bool) -> None:
    """Style an axis: small secondary text, a hairline grid or none, no axis line."""
    axis.setStyle(tickFont=small_font(), tickLength=0, maxTickLevel=0, hideOverlappingLabels=False)
    axis.enableAutoSIPrefix(False)
    axis.setTextPen(theme.secondary_text)
    axis.setPen(theme.border)
    axis.setTickPen(pg.mkPen(theme.grid, width=1))
    axis.setStyle(tickAlpha=255 if grid else 0)
    axis.setGrid(255 if grid else False)
    axis.setZValue(-10)
    if label:
        style = {"color": theme.secondary_text, "font-size": f"{SMALL_PX}px"}
        axis.setLabel(label, **style)


def color(value: str, alpha: float = 1.0) -> QColor:
    """A color with an opacity."""
    made = QColor(value)
    made.setAlphaF(alpha)
    return made


def heat_table(theme: Theme) -> Any:
    """A theme's heat colors as 256 × RGBA bytes."""
    stops = np.array([QColor(c).getRgb() for c in theme.heat], np.float64)
    places = np.linspace(0, 1, len(stops))
    wanted = np.linspace(0, 1, 256)
    channels = [np.interp(wanted, places, stops[:, c]) for c in range(4)]
    return np.stack(channels, axis=1).astype(np.ubyte)
