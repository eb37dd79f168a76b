"""The plots of the run that is opened; made beforehand, or when the first one is."""

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
        """Shows another run, or the same one as it stands now."""
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
        """No run has measured anything yet."""
        if self.plots is not None:
            self.plots.show_series(None)

    def note_news(self) -> None:
        """The series that is shown has grown."""
        if self.plots is not None:
            self.plots.note_news()

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        if self.plots is not None:
            self.plots.set_theme(theme)

    def steps(self) -> Iterator[None]:
        """Makes the plots in steps; nothing is left to do where a run was opened meanwhile."""
        for made in run_plots_in_steps(self._theme) if self.plots is None else ():
            if self.plots is not None:
                return
            if made is not None:
                self._put(made)
            yield

    def _put(self, made: "RunPlots") -> None:
        self.plots = made
        made.set_theme(self._theme)  # it may have changed on the way
        self._layout.addWidget(made)
