"""Holds the plots' place until they are loaded.

The plotting library takes a second to import, so the window appears without it.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QVBoxLayout, QWidget

from app.ui.app_state import AppState, Phase
from app.ui.live_series import LiveSeries
from app.ui.plots.making import run_plots_in_steps
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

    def loading(self) -> Iterator[None]:
        """Makes the plots in steps and puts them in place."""
        for made in run_plots_in_steps(self._theme):
            if made is not None:
                self._put(made)
            yield

    def _put(self, made: "RunPlots") -> None:
        self.plots = made
        made.set_theme(self._theme)  # it may have changed on the way
        self._layout.addWidget(made)
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
