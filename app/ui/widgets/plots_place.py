"""Holds the plots' place until they are loaded.

The plotting library takes a second to import, so the window appears without it.
"""

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QVBoxLayout, QWidget

from app.ui.app_state import AppState, Phase
from app.ui.live_series import LiveSeries
from app.ui.theme import LIGHT, Theme

if TYPE_CHECKING:
    from app.ui.plots.run_plots import RunPlots


class PlotsPlace(QWidget):
    def __init__(self, state: AppState, live: LiveSeries) -> None:
        super().__init__()
        self._state, self._live = state, live
        self._theme = LIGHT
        self.plots: RunPlots | None = None
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        live.begun.connect(self._show_run)
        live.grown.connect(self._note_news)
        state.phase_changed.connect(self._note_end)

    def load(self) -> None:
        """Import the plots and put them in place."""
        if self.plots is not None:
            return
        from app.ui.plots.run_plots import RunPlots

        self.plots = RunPlots(theme=self._theme)
        for part in self.plots.findChildren(QWidget):
            part.setAcceptDrops(False)  # the window takes what is dropped, wherever it is dropped
        self._layout.addWidget(self.plots)
        self._show_run()
        self._note_end()

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        if self.plots is not None:
            self.plots.set_theme(theme)

    def _show_run(self) -> None:
        if self.plots is not None:
            self.plots.show_series(self._live.series, is_live=True)

    def _note_news(self) -> None:
        if self.plots is not None:
            self.plots.note_news()

    def _note_end(self) -> None:
        if self.plots is not None and self._state.phase in (Phase.FINISHED, Phase.FAILED):
            self.plots.finish()
