"""Plots the model's divergence from its base over the steps: at each validation, and at each
lesson.

Dashed lines show the rise of the loss on the retention set and on earlier runs' rows.
"""

from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt

from app.core.events import RetentionMeasured
from app.core.text.translation import tr, trn
from app.ui.look.theme import Theme
from app.ui.plots.downsampling import binned, extremes, sampled
from app.ui.plots.plot import Plot
from app.ui.plots.run_series import RunSeries
from app.ui.plots.series import Series, Values
from app.ui.plots.style import RAW_ALPHA, color
from app.ui.plots.tick_labels import value_text

NOT_MEASURED = tr(
    "This run did not measure forgetting.\n"
    "Turn on Measure Forgetting under Advanced for the next one."
)
MEASURE = tr("KL divergence from the base model on everyday text")
BRIEF_MEASURE = tr("KL divergence, everyday text")
KEPT = tr("Dashed: rise in loss")
_MAX_KEPT = 8
"""The maximum number of retention curves."""
_MIN_TOP = 1e-3
"""In nats. Prevents a flat curve from being scaled up."""
_SAMPLE = 2_048


class ForgettingPlot(Plot):
    """The divergence from the base model: measurements as joined points, lessons as a faint
    line.
    """

    left_label = tr("nats per token")

    def has_content(self, run: RunSeries) -> bool:
        return run.has_steps and len(run.retention) > 0

    def _make_items(self) -> None:
        self.lessons = pg.PlotCurveItem(antialias=True)
        self.line = pg.PlotCurveItem(antialias=True)
        self.points = pg.ScatterPlotItem(size=7, antialias=True)
        self.kept = [pg.PlotCurveItem(antialias=True) for _ in range(_MAX_KEPT)]
        for item in (self.lessons, *self.kept, self.line, self.points):
            self.addItem(item)

    def _recolor(self, theme: Theme) -> None:
        self.lessons.setPen(pg.mkPen(color(theme.accent, RAW_ALPHA), width=1))
        self.line.setPen(pg.mkPen(theme.warning, width=1.6))
        for item, run_color in zip(self.kept, theme.runs, strict=False):
            item.setPen(pg.mkPen(run_color, width=1.4, style=Qt.PenStyle.DashLine))
        self.points.setBrush(pg.mkBrush(theme.warning))
        self.points.setPen(pg.mkPen(theme.surface, width=1.2))

    def _clear(self) -> None:
        for item in (self.lessons, *self.kept, self.line, self.points):
            item.setData([], [])

    def _draw(self, run: RunSeries, low: float, high: float) -> None:
        bins = self.bins()
        measured, lessons = run.retention, run.lessons
        part, taken = measured.span(low, high), lessons.span(low, high)
        points = extremes(measured.steps, measured.values(), part, bins // 2)
        self.line.setData(*points)
        self.points.setData(*(points if len(points[0]) <= bins // 8 else ([], [])))
        each = binned(lessons, 0, taken, bins // 2)
        self.lessons.setData(each.x, each.mean)
        seen = [measured.values()[slice(*part)]]
        for item, series in zip(self.kept, run.kept.values(), strict=False):
            span = series.span(low, high)
            item.setData(*extremes(series.steps, series.values(), span, bins // 2))
            seen.append(series.values()[slice(*span)])
        values = np.concatenate(seen)
        top = _top(values, sampled(each.mean, _SAMPLE))
        self.show_values(min(0.0, 1.08 * float(np.min(values, initial=0.0))), top)
        self.mark_clipped(each.x, each.high)

    def _describe(self, run: RunSeries, step: int, _: float | None) -> str:
        parts = [tr("step {step:,}", step=step)]
        if measured := _last(run.retention, step):
            parts.append(tr("change {value} at {step:,}", **measured))
        if lesson := _last(run.lessons, step):
            parts.append(tr("lesson {value} at {step:,}", **lesson))
        for name, series in list(run.kept.items())[:_MAX_KEPT]:
            if rise := _last(series, step):
                parts.append(f"{name} {rise['value']}")
        return "  ·  ".join(parts)


def latest_text(measured: RetentionMeasured) -> str:
    """The last measurement as text."""
    value, step = value_text(measured.base_kl), measured.step
    return trn(
        "{value} at step {step:,}, on {n:,} text",
        "{value} at step {step:,}, on {n:,} texts",
        measured.texts, value=value, step=step,
    )  # fmt: skip


def on_texts(measured: RetentionMeasured) -> str:
    """The number of texts behind the curve; the result at the end of the run uses more."""
    return trn("On {n:,} text", "On {n:,} texts", measured.texts)


def _last(series: Series, step: int) -> dict[str, Any]:
    """The last value up to `step` and its step, for a format string; empty before the first."""
    at = int(np.searchsorted(series.steps, step, "right")) - 1
    if at < 0:
        return {}
    return {"value": value_text(series.values()[at]), "step": series.steps[at]}


def _top(measured: Values, lessons: Values) -> float:
    """The upper limit of the axis. Ignores spikes of the lessons, but no measurement."""
    usual = float(np.percentile(lessons, 98)) if len(lessons) else 0.0
    return 1.08 * max(_MIN_TOP, float(np.max(measured, initial=0.0)), usual)
