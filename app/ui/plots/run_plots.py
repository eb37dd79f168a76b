"""All plots of a run, redrawn in turn and only while they are visible.

Plots are drawn one at a time, so that the window is never blocked for longer than one takes.
"""

from time import perf_counter

from PySide6.QtCore import QTimer
from PySide6.QtGui import QHideEvent, QResizeEvent, QShowEvent
from PySide6.QtWidgets import QGridLayout, QSizePolicy, QWidget

from app.ui.look.theme import LIGHT, Theme
from app.ui.plots.plot import Plot
from app.ui.plots.run_plot_cards import RunCards
from app.ui.plots.run_series import RunSeries

_COMPACT_BELOW_PX = 600
_ONE_COLUMN_BELOW_PX = 500
_MIN_PX = 156
"""The minimum height of cards that stretch; tier activity has a fixed height."""
_PLACES = {
    False: ((0, 0, 1), (0, 1, 1), (1, 0, 2), (2, 0, 1), (2, 1, 1)),
    True: tuple((row, 0, 2) for row in range(5)),
}
"""Row, column and column span of each card: in two columns (False) or in one (True)."""
_STRETCHES = {False: (5, 0, 4, 0, 0), True: (5, 4, 0, 4, 4)}
"""The stretch factor of each row."""


class RunPlots(QWidget):
    """Forgetting beside loss, then tier activity, then changes by tier beside changes by layer."""

    def __init__(
        self,
        parent: QWidget | None = None,
        theme: Theme = LIGHT,
        plots: tuple[Plot, ...] = (),
    ) -> None:
        """`plots`: one of each of `run_plot_cards.PLOTS`, if they already exist."""
        super().__init__(parent)
        self.series: RunSeries | None = None
        self.theme = theme
        self.parts = RunCards(theme, plots)
        self.cards, self.plots = self.parts.cards, self.parts.plots
        self.loss, self.forgetting = self.parts.loss, self.parts.forgetting
        self.raster = self.parts.raster
        self.deltas, self.heat = self.parts.deltas, self.parts.heat
        self._stale: list[Plot] = []
        self._is_forgetting_first = True
        self._pace = RedrawRate()
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._redraw_next)
        self._lay_out()
        self.show_series(None)

    # -- the run ------------------------------------------------------------------------------
    def show_series(self, series: RunSeries | None) -> None:
        """Show a run's measurements so far, which may grow, or the empty state."""
        self.series = series
        self.parts.show_run(series)
        self.redraw_now()

    def take_over(self, series: RunSeries) -> None:
        """Replace the series of the same run, which has grown or was read again. The visible steps
        are kept.
        """
        self.series = series
        self.parts.take_over(series)
        self.redraw_now()

    def note_news(self) -> None:
        """The series has grown: schedule a redraw of each plot."""
        # A plot that is already in the queue keeps its position.
        self._stale += [plot for plot in self.plots if plot not in self._stale]
        is_seen = self.isVisible() and not self.window().isMinimized()
        if is_seen and not self._timer.isActive():
            self._timer.start(self._pace.wait_ms)

    def finish(self) -> None:
        """The run has ended: show all steps, unless some are selected."""
        self.parts.show_all_steps()
        self.note_news()

    def set_theme(self, theme: Theme) -> None:
        """Apply a theme and redraw."""
        if theme is not self.theme:
            self.theme = theme
            self.parts.set_theme(theme)

    def redraw_now(self) -> None:
        """Draw all new values now."""
        self._timer.stop()
        self._stale = []
        self._put_measured_first()
        for plot in self.plots:
            self.parts.show_state(plot)
            plot.redraw()

    def _put_measured_first(self) -> None:
        """Put forgetting before the loss, unless the run didn't measure it."""
        series = self.series
        is_first = series is None or not series.has_steps or len(series.retention) > 0
        if is_first is not self._is_forgetting_first:
            self._is_forgetting_first = is_first
            self._place(has_one_column=self._has_one_column)

    def _redraw_next(self) -> None:
        if not self._stale:
            return
        self._put_measured_first()
        plot = self._stale.pop(0)
        begun = perf_counter()
        self.parts.show_state(plot)
        plot.redraw()
        self._pace.note(1e3 * (perf_counter() - begun) + plot.painting_ms)
        if self._stale:
            self._timer.start(self._pace.wait_ms)

    # -- scheduling ---------------------------------------------------------------------------
    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if self._stale:
            self._timer.start(self._pace.wait_ms)

    def hideEvent(self, event: QHideEvent) -> None:
        self._timer.stop()
        super().hideEvent(event)

    # -- layout -------------------------------------------------------------------------------
    def _lay_out(self) -> None:
        self.grid = QGridLayout(self)
        self.grid.setContentsMargins(0, 0, 0, 0)
        forgetting, loss, raster, deltas, heat = self.cards
        raster.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        for card in (forgetting, loss, deltas, heat):
            card.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        for column in (0, 1):
            self.grid.setColumnStretch(column, 1)
        self._place(has_one_column=False)

    def _place(self, *, has_one_column: bool) -> None:
        """Place the cards: two above tier activity and two below it, or all in one column."""
        self._has_one_column = has_one_column
        for card in self.cards:
            self.grid.removeWidget(card)
        forgetting, loss, *others = self.cards
        first = (forgetting, loss) if self._is_forgetting_first else (loss, forgetting)
        places = _PLACES[has_one_column]
        for card, (row, column, columns) in zip((*first, *others), places, strict=True):
            self.grid.addWidget(card, row, column, 1, columns)
        for row, stretch in enumerate(_STRETCHES[has_one_column]):
            self.grid.setRowMinimumHeight(row, _MIN_PX if stretch else 0)
            self.grid.setRowStretch(row, stretch)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if (self.width() < _ONE_COLUMN_BELOW_PX) != self._has_one_column:
            self._place(has_one_column=not self._has_one_column)
        is_compact = self._has_one_column or self.height() < _COMPACT_BELOW_PX
        self.grid.setSpacing(8 if is_compact else 12)
        for card in self.cards:
            card.set_compact(is_compact)


MIN_MS, MAX_MS = 50, 500
_SHARE = 0.06
"""Drawing plots takes at most this fraction of the time, unless MAX_MS is reached."""
_WEIGHT = 0.25


class RedrawRate:
    """Computes the wait between redraws from the time that drawing takes."""

    def __init__(self) -> None:
        self._drawing_ms = 0.0

    def note(self, drawing_ms: float) -> None:
        """Add a drawing time to the moving average."""
        self._drawing_ms += _WEIGHT * (drawing_ms - self._drawing_ms)

    @property
    def wait_ms(self) -> int:
        return int(min(MAX_MS, max(MIN_MS, self._drawing_ms / _SHARE)))
