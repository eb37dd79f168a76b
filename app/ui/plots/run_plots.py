"""All plots of one run, for the Train page; redrawn at 20 Hz at most, and only when seen."""

from PySide6.QtCore import QTimer
from PySide6.QtGui import QHideEvent, QResizeEvent, QShowEvent
from PySide6.QtWidgets import QGridLayout, QSizePolicy, QWidget

from app.core.events import EvaluationFinished, RunStarted, StepFinished
from app.ui.plots.card import Card
from app.ui.plots.corners import Choice, ColourScale, Legend
from app.ui.plots.delta_curves import DeltaCurves
from app.ui.plots.layer_heat_map import LayerHeatMap
from app.ui.plots.loss_plot import LossPlot
from app.ui.plots.plot import Plot
from app.ui.plots.run_series import RunSeries
from app.ui.plots.tier_raster import TierRaster
from app.ui.theme import LIGHT, Theme

REDRAW_MS = 50
_COMPACT_BELOW_PX = 600
_ROW_PX, _AXIS_PX = 18, 41
_MEASURES = (
    ("Change", "How far each firing moved the tier", 0, False),
    ("Log", "The same on a logarithmic scale", 0, True),
    ("Drift", "How far the tier is from where it began", 1, False),
)
"""Label, tooltip, column of the firings, whether logarithmic."""


class RunPlots(QWidget):
    """Loss on top, tier activity below it, then changes per tier and per layer side by side."""

    def __init__(self, parent: QWidget | None = None, theme: Theme = LIGHT) -> None:
        super().__init__(parent)
        self.series: RunSeries | None = None
        self.loss = LossPlot(theme)
        self.raster = TierRaster(theme)
        self.deltas = DeltaCurves(theme)
        self.heat = LayerHeatMap(theme)
        self._make_corners()
        self._make_cards()
        self._has_news = False
        self._timer = QTimer(self, singleShot=True, interval=REDRAW_MS)
        self._timer.timeout.connect(self.redraw_now)
        for plot in self.plots:
            plot.steps_selected.connect(self._select)
            plot.all_steps_requested.connect(self._select_all)
        self._lay_out()
        self.set_theme(theme)
        self.clear()

    @property
    def plots(self) -> tuple[Plot, ...]:
        """From top to bottom."""
        return self.loss, self.raster, self.deltas, self.heat

    # -- a run -------------------------------------------------------------------------------
    def start(self, event: RunStarted) -> None:
        """Forgets the last run and waits for the first step of a new one."""
        self._show_run(RunSeries(event))

    def add_step(self, event: StepFinished) -> None:
        """Takes a step in; it is drawn with the next redraw."""
        if self.series is not None:
            self.series.add_step(event)
            self._note_news()

    def add_evaluation(self, event: EvaluationFinished) -> None:
        """Takes a validation in; it is drawn with the next redraw."""
        if self.series is not None:
            self.series.add_evaluation(event)
            self._note_news()

    def finish(self) -> None:
        """The run is over: tier activity shows all of it."""
        self._set_live(False)
        self._note_news()

    def clear(self) -> None:
        """Back to the empty state."""
        self._show_run(None)

    def set_theme(self, theme: Theme) -> None:
        """Takes a theme's colours over, at once."""
        self.legend.set_colours(theme.secondary_text, (theme.accent, theme.accent, theme.warning))
        self.heat_scale.set_theme(theme)
        for choice in (self.live_choice, self.measure_choice):
            choice.set_theme(theme)
        for card, plot in zip(self.cards, self.plots, strict=True):
            card.set_theme(theme)
            plot.set_theme(theme)

    def redraw_now(self) -> None:
        """Draws everything that came in since the last time."""
        self._timer.stop()
        self._has_news = False
        is_empty = self.series is None or not self.series.has_steps
        for card in self.cards:
            card.show_empty(is_empty)
        for plot in self.plots:
            plot.redraw()

    # -- when to draw ------------------------------------------------------------------------
    def _note_news(self) -> None:
        self._has_news = True
        if self.isVisible() and not self._timer.isActive():
            self._timer.start()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if self._has_news:
            self._timer.start()

    def hideEvent(self, event: QHideEvent) -> None:
        self._timer.stop()
        super().hideEvent(event)

    # -- what to draw ------------------------------------------------------------------------
    def _show_run(self, series: RunSeries | None) -> None:
        self.series = series
        for plot in self.plots:
            plot.show_run(series)
        rows = len(series.tiers) if series else 3
        self.cards[1].stack.setFixedHeight(max(2, rows) * _ROW_PX + _AXIS_PX)
        self._set_live(True)
        self.redraw_now()

    def _set_live(self, is_live: bool) -> None:
        self.raster.is_live = is_live
        self.live_choice.choose(0 if is_live else 1)

    def _choose_live(self, index: int) -> None:
        self._set_live(index == 0)
        self._select_all()

    def _choose_measure(self, index: int) -> None:
        _, _, self.deltas.column, self.deltas.is_log = _MEASURES[index]
        self.deltas.redraw()

    def _select(self, low: float, high: float) -> None:
        for plot in self.plots:
            plot.selection = (low, high)
        self.live_choice.choose(None)
        self.redraw_now()

    def _select_all(self) -> None:
        for plot in self.plots:
            plot.selection = None
        self._set_live(self.raster.is_live)
        self.redraw_now()

    # -- how it is laid out ------------------------------------------------------------------
    def _make_corners(self) -> None:
        self.legend = Legend((("Each step", "faint"), ("Smoothed", "bold"), ("Validation", "dots")))
        self.live_choice = Choice(
            "Steps shown", (("Latest", "The last 120 steps"), ("All", "The whole run"))
        )
        self.measure_choice = Choice("Measure", tuple(m[:2] for m in _MEASURES))
        self.heat_scale = ColourScale()
        self.live_choice.chosen.connect(self._choose_live)
        self.measure_choice.chosen.connect(self._choose_measure)
        self.heat.top_changed.connect(self.heat_scale.set_top)

    def _make_cards(self) -> None:
        self.cards = (
            Card(
                "Loss",
                "How surprised the model is by what it should write; lower is better",
                self.loss,
                self.legend,
            ),
            Card(
                "Tier activity",
                "Which tier's weights moved at which step, read from the weights",
                self.raster,
                self.live_choice,
            ),
            Card(
                "Tier change",
                "How far a tier moves when it fires",
                self.deltas,
                self.measure_choice,
            ),
            Card("Layer change", "Where in the model the weights move", self.heat, self.heat_scale),
        )

    def _lay_out(self) -> None:
        self.grid = QGridLayout(self)
        self.grid.setContentsMargins(0, 0, 0, 0)
        loss, raster, deltas, heat = self.cards
        self.grid.addWidget(loss, 0, 0, 1, 2)
        self.grid.addWidget(raster, 1, 0, 1, 2)
        raster.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.grid.addWidget(deltas, 2, 0)
        self.grid.addWidget(heat, 2, 1)
        for column, card in enumerate((deltas, heat)):
            self.grid.setColumnStretch(column, 1)
            card.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.grid.setRowStretch(0, 5)
        self.grid.setRowStretch(2, 4)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        is_compact = self.height() < _COMPACT_BELOW_PX
        self.grid.setSpacing(8 if is_compact else 12)
        for card in self.cards:
            card.set_compact(is_compact)
