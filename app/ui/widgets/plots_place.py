"""Holds the plots' place until they are loaded, and what they have missed until then.

The plotting library takes a second to import, so the window appears without it.
"""

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QVBoxLayout, QWidget

from app.core.events import EvaluationFinished, RunStarted, StepFinished
from app.ui.app_state import AppState, Phase
from app.ui.theme import LIGHT, Theme

if TYPE_CHECKING:
    from app.ui.plots.run_plots import RunPlots

PlotEvent = RunStarted | StepFinished | EvaluationFinished


class PlotsPlace(QWidget):
    def __init__(self, state: AppState) -> None:
        super().__init__()
        self._state = state
        self._theme = LIGHT
        self._missed: list[PlotEvent] = []
        self.plots: RunPlots | None = None
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        state.run_event_received.connect(self._take)
        state.run_cleared.connect(self._clear)
        state.phase_changed.connect(self._note_end)

    def load(self) -> None:
        """Import the plots, put them in place and tell them what they have missed."""
        if self.plots is not None:
            return
        from app.ui.plots.run_plots import RunPlots

        self.plots = RunPlots(theme=self._theme)
        for part in self.plots.findChildren(QWidget):
            part.setAcceptDrops(False)  # the window takes what is dropped, wherever it is dropped
        self._layout.addWidget(self.plots)
        missed, self._missed = self._missed, []
        for event in missed:
            self._take(event)
        self._note_end()

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        if self.plots is not None:
            self.plots.set_theme(theme)

    def _take(self, event: object) -> None:
        if not isinstance(event, PlotEvent):
            return
        if self.plots is None:
            self._missed.append(event)
        elif isinstance(event, StepFinished):
            self.plots.add_step(event)
        elif isinstance(event, EvaluationFinished):
            self.plots.add_evaluation(event)
        else:
            self.plots.start(event)
            self._add_earlier(self.plots)

    def _add_earlier(self, plots: "RunPlots") -> None:
        """What a run that goes on had measured before."""
        if (earlier := self._state.take_earlier()) is not None and plots.series is not None:
            plots.series.add_table(earlier.table)
            for evaluation in earlier.evaluations:
                plots.add_evaluation(evaluation)

    def _clear(self) -> None:
        self._missed = []
        if self.plots is not None:
            self.plots.clear()

    def _note_end(self) -> None:
        if self.plots is not None and self._state.phase in (Phase.FINISHED, Phase.FAILED):
            self.plots.finish()
