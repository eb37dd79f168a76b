"""Plots the training and validation loss over the steps."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyqtgraph as pg

from app.core.text.translation import tr
from app.ui.look.theme import Theme
from app.ui.plots.downsampling import binned, extremes, sampled
from app.ui.plots.plot import Plot
from app.ui.plots.plot_items import Band
from app.ui.plots.run_series import RunSeries
from app.ui.plots.series import Series, Values
from app.ui.plots.style import RAW_ALPHA, color
from app.ui.plots.tick_labels import value_text

_SAMPLE = 4_096
_STRETCHES = 64
_FEW = 20
_NEAR = 1.5
_NONE: Values = np.zeros(0, np.float32)


class LossPlot(Plot):
    """Single steps as a faint line, the smoothed loss in bold, validation as joined points."""

    left_label = tr("loss")

    def _make_items(self) -> None:
        self.band = Band()
        self.raw = pg.PlotCurveItem(antialias=True)
        self.smooth = pg.PlotCurveItem(antialias=True)
        self.validation_line = pg.PlotCurveItem(antialias=True)
        self.validation_points = pg.ScatterPlotItem(size=7, antialias=True)
        for item in (self.band, *self._curves()):
            self.addItem(item)

    def _recolor(self, theme: Theme) -> None:
        self.band.fill = color(theme.accent, 0.2)
        self.raw.setPen(pg.mkPen(color(theme.accent, RAW_ALPHA), width=1))
        self.smooth.setPen(pg.mkPen(theme.accent, width=2))
        self.validation_line.setPen(pg.mkPen(theme.warning, width=1.4))
        self.validation_points.setBrush(pg.mkBrush(theme.warning))
        self.validation_points.setPen(pg.mkPen(theme.surface, width=1.2))

    def _clear(self) -> None:
        self.band.clear()
        for item in self._curves():
            item.setData([], [])

    def _curves(self) -> tuple[Any, ...]:
        return self.raw, self.smooth, self.validation_line, self.validation_points

    def _draw(self, run: RunSeries, low: float, high: float) -> None:
        losses, validation = run.losses, run.validation
        span = losses.span(low, high)
        bins = self.bins()
        highest = self._draw_raw(losses, span, bins)
        smooth = binned(losses, 1, span, bins // 2)
        self.smooth.setData(smooth.x, smooth.mean)
        part = validation.span(low, high)
        points = extremes(validation.steps, validation.values(), part, bins // 2)
        self.validation_line.setData(*points)
        self.validation_points.setData(*(points if len(points[0]) <= bins // 8 else ([], [])))
        seen = losses.values(0)[slice(*span)], validation.values()[slice(*part)]
        self.show_values(*loss_range(*seen, smooth.mean))
        self.mark_clipped(*highest)

    def _draw_raw(
        self, losses: Series, span: tuple[int, int], bins: int
    ) -> tuple[npt.NDArray[Any], Values]:
        """Draw the single steps. Returns the x coordinates and the values, or each bin's highest
        value.
        """
        if span[1] - span[0] > bins:
            each = binned(losses, 0, span, bins // 3)
            self.band.cover(each.x, each.low, each.high)
            self.raw.setData([], [])
            return each.x, each.high
        self.band.clear()
        points = losses.steps[slice(*span)], losses.values(0)[slice(*span)]
        self.raw.setData(*points)
        return points

    def _describe(self, run: RunSeries, step: int, _: float | None) -> str:
        parts = [tr("step {step:,}", step=step)]
        losses, validation = run.losses, run.validation
        if len(losses):
            at = max(0, int(np.searchsorted(losses.steps, step, "right")) - 1)
            loss, smooth = losses.values(0)[at], losses.values(1)[at]
            parts.append(tr("loss {value}", value=value_text(loss)))
            parts.append(tr("smoothed {value}", value=value_text(smooth)))
        last = int(np.searchsorted(validation.steps, step, "right")) - 1
        if last >= 0:
            where, value = validation.steps[last], value_text(validation.values()[last])
            parts.append(tr("validation {value} at {step:,}", value=value, step=where))
        return "  ·  ".join(parts)


def loss_range(losses: Values, validation: Values, smooth: Values = _NONE) -> tuple[float, float]:
    """The axis limits that contain the curves but not isolated spikes.

    The few largest values of each short stretch are ignored: that keeps a steep start and drops
    spikes.
    """
    kept: list[float] = []
    if 0 < len(losses) < _FEW:
        kept += [float(v) for v in losses if v <= 3 * abs(np.median(losses))]
    elif len(losses):
        sample = sampled(losses, _SAMPLE)
        stretches = np.array_split(sample, min(_STRETCHES, len(sample) // 5))
        kept += [_usual_top(stretch) for stretch in stretches]
        kept.append(float(np.percentile(sample, 0.5)))
    # Values slightly above the top are not spikes; most belong to the start of the curves.
    near = _NEAR * max(kept, default=0.0)
    kept += [float(np.max(smooth))] if len(smooth) and np.max(smooth) <= near else []
    if len(validation):
        usual = 4 * float(np.median(validation))
        kept += [float(v) for v in validation if v <= max(usual, near)]
    if not kept:
        return 0.0, 1.0
    bottom, top = min(kept), max(kept)
    room = 0.06 * (top - bottom) or 0.05 * abs(top) or 0.5
    return max(0.0, bottom - room) if bottom >= 0 else bottom - room, top + room


def _usual_top(stretch: Values) -> float:
    ignored = min(len(stretch) // 3, 1 + len(stretch) // 20)
    return float(np.sort(stretch)[-1 - ignored])
