"""What the run in progress has measured, as the plots need it: filled once, for all who draw it."""

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from app.core.events import EvaluationFinished, RetentionMeasured, RunStarted, StepFinished
from app.ui.state.app_state import AppState

if TYPE_CHECKING:
    from app.ui.plots.run_series import RunSeries


class LiveSeries(QObject):
    begun = Signal()
    """`series` is another run's, or none."""
    grown = Signal()
    """There is more in `series`."""

    def __init__(self, state: AppState) -> None:
        super().__init__(state)
        self._state = state
        self.series: RunSeries | None = None
        state.run_event_received.connect(self._take)
        state.run_cleared.connect(self._clear)

    def _take(self, event: object) -> None:
        if isinstance(event, RunStarted):
            self._begin(event)
        elif self.series is not None and isinstance(event, StepFinished):
            self.series.add_step(event)
            self.grown.emit()
        elif self.series is not None and isinstance(event, EvaluationFinished):
            self.series.add_evaluation(event)
            self.grown.emit()
        elif self.series is not None and isinstance(event, RetentionMeasured):
            self.series.add_retention(event)
            self.grown.emit()

    def _begin(self, event: RunStarted) -> None:
        from app.ui.plots.run_series import RunSeries

        self.series = RunSeries(event)
        if (earlier := self._state.take_earlier()) is not None:
            self.series.add_table(earlier.table)
            for evaluation in earlier.evaluations:
                self.series.add_evaluation(evaluation)
            for measured in earlier.retention:
                self.series.add_retention(measured)
        self.begun.emit()

    def _clear(self) -> None:
        self.series = None
        self.begun.emit()
