"""The plots of the run that is opened; made when the first one is."""

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QVBoxLayout, QWidget

from app.ui.theme import LIGHT, Theme

if TYPE_CHECKING:
    from app.ui.plots.run_plots import RunPlots
    from app.ui.plots.run_series import RunSeries


class OpenedPlots(QWidget):
    def __init__(self) -> None:
        super().__init__()
        self._theme = LIGHT
        self.plots: RunPlots | None = None
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)

    def show_series(self, series: "RunSeries", *, is_same: bool, is_live: bool) -> None:
        """Shows another run, or the same one as it stands now."""
        plots = self.plots = self.plots or self._make_plots()
        if not is_same or plots.series is None:
            plots.show_series(series, is_live=is_live)
        elif series is not plots.series:
            plots.take_over(series)
            if not is_live:
                plots.finish()

    def note_news(self) -> None:
        """The series that is shown has grown."""
        if self.plots is not None:
            self.plots.note_news()

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        if self.plots is not None:
            self.plots.set_theme(theme)

    def _make_plots(self) -> "RunPlots":
        from app.ui.plots.run_plots import RunPlots

        made = RunPlots(theme=self._theme)
        for part in made.findChildren(QWidget):
            part.setAcceptDrops(False)
        for frame in made.cards:
            frame.empty.setText("No measurements")
        self._layout.addWidget(made)
        return made
