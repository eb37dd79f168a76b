"""The five plots of a run in their cards, and the controls in the cards' corners."""

from PySide6.QtCore import QObject, QTimer

from app.core.events import RetentionMeasured
from app.core.text.translation import tr
from app.ui.look.formatting import shortened
from app.ui.look.theme import Theme
from app.ui.plots.delta_curves import DeltaCurves
from app.ui.plots.forgetting_plot import (
    BRIEF_MEASURE,
    KEPT,
    MEASURE,
    NOT_MEASURED,
    ForgettingPlot,
    latest_text,
    on_texts,
)
from app.ui.plots.layer_heat_map import LayerHeatMap
from app.ui.plots.loss_plot import LossPlot
from app.ui.plots.plot import Plot
from app.ui.plots.plot_card import EMPTY_TEXT, Card
from app.ui.plots.plot_card_controls import Choice, ColorScale, Legend
from app.ui.plots.run_series import RunSeries
from app.ui.plots.shown_steps import ShownSteps
from app.ui.plots.style import MARKS
from app.ui.plots.tier_raster import TierRaster, row_labels

PLOTS: tuple[type[Plot], ...] = (
    ForgettingPlot,
    LossPlot,
    TierRaster,
    DeltaCurves,
    LayerHeatMap,
)
"""In reading order."""
_LESSONS = (tr("Lessons"), "faint")
_MAX_NAMED, _MAX_LETTERS = 3, 14
"""The maximum number of retention curves named in the legend, and the maximum length of their
names.
"""
_ROW_PX, _AXIS_PX = 18, 41
_CHANGE = tr("Per update")
_CHANGE_AND_PULL = tr("Per update; dashed: lasting pull")
_MEASURES = (
    (tr("Change"), tr("How far each update moved the tier"), 0, False),
    (tr("Log scale"), tr("The same on a logarithmic scale"), 0, True),
    (tr("Drift"), tr("Distance of the tier from its start"), 1, False),
)
"""Label, tool tip, column of the updates, and whether the axis is logarithmic."""


class RunCards(QObject):
    """Creates plots and cards in the order of `PLOTS`, and synchronizes their visible steps and
    cursors.
    """

    def __init__(self, theme: Theme, plots: tuple[Plot, ...] = ()) -> None:
        """`plots`: one of each of `PLOTS`, if they already exist."""
        super().__init__()
        self._empty_text = EMPTY_TEXT
        self._lessons_named = True
        self._take_plots(plots or tuple(kind(theme) for kind in PLOTS))
        self._make_corners()
        self._make_cards()
        self.steps = ShownSteps()
        self._step: int | None = None
        self._following: list[Plot] = []
        self._next = QTimer(self, interval=0, singleShot=True)
        self._next.timeout.connect(self._move_next_line)
        for plot, card in zip(self.plots, self.cards, strict=True):
            self._link(plot, card)
        self._set_card_themes(theme)  # the plots already have it

    def show_run(self, series: RunSeries | None) -> None:
        """Show a run in all plots, or none."""
        self.steps.selection, self.steps.follows_latest = None, False
        self.live_choice.choose(1)
        for plot in self.plots:
            plot.show_run(series)
        tiers = len(series.tiers) if series is not None else 0
        self.tier_legend.set_entries(
            tuple((str(tier), MARKS[tier % len(MARKS)]) for tier in range(tiers))
        )
        rows = len(row_labels(series)) if series is not None else 3
        self.cards[2].stack.setFixedHeight(max(2, rows) * _ROW_PX + _AXIS_PX)
        has_pulls = series is not None and series.clocks.lasting_pull > 0
        self.cards[3].set_subtitle(_CHANGE_AND_PULL if has_pulls else _CHANGE)

    def take_over(self, series: RunSeries) -> None:
        """Replace the series of the same run in all plots."""
        for plot in self.plots:
            plot.run = series

    def show_state(self, plot: Plot) -> None:
        """Show a plot, or its empty state if the run has nothing for it."""
        run = plot.run
        is_empty = run is None or not plot.has_content(run)
        card = self.cards[self.plots.index(plot)]
        card.show_empty(is_empty)
        card.show_zoom(self.steps.text(run) if run is not None else "")
        card.describe(plot.latest_text())
        if plot is self.raster:
            self.steps.latest_count = self.raster.latest_count()
        if plot is self.forgetting:
            is_measured = run is not None and not is_empty
            has_lessons = run is not None and run.clocks.slow_every > 0
            kept = tuple(run.kept)[:_MAX_NAMED] if run is not None and is_measured else ()
            measured = run.latest_retention if run and is_measured else None
            self._name_curves(kept, measured, has_lessons=has_lessons)
            about = " · ".join((BRIEF_MEASURE, KEPT) if kept else (BRIEF_MEASURE,))
            latest = f": {latest_text(measured)}" if measured is not None else ""
            card.set_subtitle(about, f"{MEASURE}{latest}")
            # A run that measures forgetting has a measurement before its first step.
            card.empty.setText(NOT_MEASURED if run and run.has_steps else self._empty_text)

    def _name_curves(
        self, kept: tuple[str, ...], measured: RetentionMeasured | None, *, has_lessons: bool
    ) -> None:
        points = () if measured is None else ((on_texts(measured), "dots"),)
        lines = (_LESSONS, *points) if has_lessons else points
        names = ((shortened(name, _MAX_LETTERS), "dashed") for name in kept)
        self.forgetting_legend.set_entries((*lines, *names))
        self._lessons_named = has_lessons
        self._color_forgetting(self.forgetting.theme)

    def _color_forgetting(self, theme: Theme) -> None:
        lines = (theme.accent, theme.warning) if self._lessons_named else (theme.warning,)
        self.forgetting_legend.set_colors(theme.secondary_text, (*lines, *theme.runs))

    def set_empty_text(self, text: str) -> None:
        """Set the text of the empty state."""
        self._empty_text = text
        for card in self.cards:
            card.empty.setText(text)

    def show_all_steps(self) -> None:
        """Stop following the latest steps; selected steps stay selected."""
        self.steps.follows_latest = False
        self._show_steps(self.steps.selection)

    def set_theme(self, theme: Theme) -> None:
        """Apply a theme and redraw."""
        self._set_card_themes(theme)
        for plot in self.plots:
            plot.set_theme(theme)

    def _set_card_themes(self, theme: Theme) -> None:
        strokes = (theme.accent, theme.accent, theme.warning)
        self.legend.set_colors(theme.secondary_text, strokes)
        self._color_forgetting(theme)
        self.heat_scale.set_theme(theme)
        self.tier_legend.set_colors(theme.secondary_text, theme.tiers)
        for choice in (self.live_choice, self.measure_choice):
            choice.set_theme(theme)
        for card in self.cards:
            card.set_theme(theme)

    def _choose_live(self, index: int) -> None:
        self.steps.follows_latest = index == 0
        self._show_steps(None)

    def _choose_measure(self, index: int) -> None:
        _, _, self.deltas.column, self.deltas.is_log = _MEASURES[index]
        self.deltas.redraw()

    def _select(self, low: float, high: float) -> None:
        self._show_steps((low, high))

    def _select_all(self) -> None:
        self.steps.follows_latest = False
        self._show_steps(None)

    def _show_steps(self, selection: tuple[float, float] | None) -> None:
        self.steps.selection = selection
        for plot in self.plots:
            self.show_state(plot)
            plot.redraw()
        self.live_choice.choose(None if selection else 0 if self.steps.follows_latest else 1)

    def _link(self, plot: Plot, card: Card) -> None:
        """Connect a plot, so that all plots share the cursor and the visible steps."""
        plot.steps = self.steps
        plot.steps_selected.connect(self._select)
        plot.all_steps_requested.connect(self._select_all)
        plot.readout_changed.connect(card.show_readout)
        plot.focus_changed.connect(card.show_focus)
        card.all_steps_requested.connect(self._select_all)
        plot.pointed.connect(lambda step: self._point_at(plot, step))

    def _point_at(self, pointed: Plot, step: int | None) -> None:
        """Move the cursor: at once in the plot under the pointer, then in the others one by one, so
        that the window is never blocked for longer than one plot takes to paint.
        """
        self._step = step
        self._following = [plot for plot in self.plots if plot is not pointed]
        self._next.start()

    def _move_next_line(self) -> None:
        if self._following:
            self._following.pop(0).point_at(self._step)
        if self._following:
            self._next.start()

    def _take_plots(self, plots: tuple[Plot, ...]) -> None:
        self.plots = plots
        forgetting, loss, raster, deltas, heat = plots
        assert isinstance(loss, LossPlot)
        assert isinstance(forgetting, ForgettingPlot)
        assert isinstance(raster, TierRaster)
        assert isinstance(deltas, DeltaCurves)
        assert isinstance(heat, LayerHeatMap)
        self.loss, self.forgetting, self.raster = loss, forgetting, raster
        self.deltas, self.heat = deltas, heat

    def _make_corners(self) -> None:
        self.legend = Legend(
            ((tr("Each step"), "faint"), (tr("Smoothed"), "bold"), (tr("Validation"), "dots"))
        )
        self.forgetting_legend = Legend((_LESSONS,))
        self.live_choice = Choice(
            tr("Steps shown"),
            ((tr("Latest"), tr("The latest steps, one by one")), (tr("All"), tr("The whole run"))),
        )
        self.measure_choice = Choice(tr("Measure"), tuple(measure[:2] for measure in _MEASURES))
        self.tier_legend = Legend((), what=tr("Tiers"))
        self.heat_scale = ColorScale()
        self.live_choice.chosen.connect(self._choose_live)
        self.measure_choice.chosen.connect(self._choose_measure)
        self.heat.top_changed.connect(self.heat_scale.set_top)

    def _make_cards(self) -> None:
        self.cards = (
            Card(
                tr("Change from base"),
                BRIEF_MEASURE,
                self.forgetting,
                self.forgetting_legend,
            ),
            Card(
                tr("Loss"),
                tr("Lower is better"),
                self.loss,
                self.legend,
            ),
            Card(
                tr("Tier activity"),
                tr("Tiers updated at each step, read from the weights"),
                self.raster,
                choice=self.live_choice,
            ),
            Card(
                tr("Tier change"),
                _CHANGE,
                self.deltas,
                self.tier_legend,
                self.measure_choice,
            ),
            Card(
                tr("Layer change"),
                tr("Accurate to ±5 %"),
                self.heat,
                self.heat_scale,
            ),
        )
