"""The plots of the opened run. They are created in idle time, or when the first run is opened."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QVBoxLayout, QWidget

from app.core.text.translation import tr
from app.ui.look.theme import LIGHT, Theme
from app.ui.plots.background_import import run_plots_in_steps

if TYPE_CHECKING:
    from app.ui.plots.run_plots import RunPlots
    from app.ui.plots.run_series import RunSeries


class LazyPlots(QWidget):
    def __init__(self) -> None:
        super().__init__()
        self._theme = LIGHT
        self.setObjectName("column")
        self.plots: RunPlots | None = None
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)

    def show_series(self, series: "RunSeries", *, is_same: bool, is_live: bool) -> None:
        """Show the plots of another run, or update those of the same run."""
        for _ in self.steps():
            pass
        plots = self.plots
        assert plots is not None
        from app.ui.plots.plot_card import EMPTY_TEXT

        plots.parts.set_empty_text(EMPTY_TEXT if is_live else tr("No measurements"))
        if not is_same or plots.series is None:
            plots.show_series(series)
        elif series is not plots.series:
            plots.take_over(series)
            if not is_live:
                plots.finish()

    def show_nothing(self) -> None:
        """Clear the plots for a run without measurements."""
        if self.plots is not None:
            self.plots.show_series(None)

    def note_news(self) -> None:
        """Update the plots after the shown series has grown."""
        if self.plots is not None:
            self.plots.note_news()

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        if self.plots is not None:
            self.plots.set_theme(theme)

    def steps(self) -> Iterator[None]:
        """Create the plots step by step; stops if opening a run has created them meanwhile."""
        for made in run_plots_in_steps(self._theme) if self.plots is None else ():
            if self.plots is not None:
                return
            if made is not None:
                self._put(made)
            yield

    def _put(self, made: "RunPlots") -> None:
        self.plots = made
        made.set_theme(self._theme)  # the theme may have changed since
        self._layout.addWidget(made)
