"""The current state and the measurements of the run in progress, shared by all widgets that show
it.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from app.core.events import EvaluationFinished, RetentionMeasured, RunStarted, StepFinished
from app.core.text.translation import tr
from app.ui.look import formatting
from app.ui.state.app_state import AppState
from app.ui.state.run_pace import RunPace
from app.ui.state.run_state import Phase
from app.ui.system.deferred_calls import Throttle

if TYPE_CHECKING:
    from app.library.reading.run_summary import RunSummary
    from app.ui.plots.run_series import RunSeries


REFRESH_MS = 250
_WORDS = {
    Phase.RUNNING: "live",
    Phase.PAUSING: "pausing",
    Phase.PAUSED: "paused",
    Phase.STOPPING: "stopping",
}


@dataclass(frozen=True)
class LiveRun:
    run_dir: Path
    steps: int | None
    """None before the first step in this process."""
    best_val_loss: float | None
    outcome: str
    share: float = 0.0
    """The completed fraction of its steps."""
    seconds_left: float | None = None
    """The remaining time of its steps; None if unknown."""

    @classmethod
    def of(cls, state: AppState, pace: RunPace | None = None) -> "LiveRun | None":
        """None if no run is in progress, or if it has no folder yet."""
        run_dir, config = state.run_dir, state.run_config
        if run_dir is None or config is None or not state.phase.is_active:
            return None
        steps = state.step.step if state.step else None
        share = (steps or 0) / max(1, config.steps)
        left = pace.seconds_left if pace is not None else None
        return cls(run_dir, steps, state.best_val_loss, _WORDS[state.phase], share, left)

    @property
    def standing(self) -> str:
        """For example "Running · 45 % · 3 min left"."""
        parts = [formatting.outcome(self.outcome)]
        parts += [formatting.percent(self.share)] if self.steps else []
        is_timed = self.outcome == "live" and self.seconds_left is not None
        left = formatting.duration(self.seconds_left or 0)
        parts += [tr("{time} left", time=left)] if is_timed else []
        return " · ".join(parts)

    def over(self, run: "RunSummary") -> "RunSummary":
        """The summary from disk, updated with the values of the run in progress."""
        # A resumed run keeps the recorded steps and best loss until new values arrive.
        steps = run.steps if self.steps is None else self.steps
        best = run.best_val_loss if self.best_val_loss is None else self.best_val_loss
        return replace(run, steps=steps, best_val_loss=best, outcome=self.outcome)


class LiveRunWatch(QObject):
    changed = Signal(object)
    """Argument: LiveRun, or None if no run is in progress. Emitted a few times per second at most.
    """

    def __init__(self, state: AppState, pace: RunPace) -> None:
        super().__init__(state)
        self._state, self._pace = state, pace
        self._refreshing = Throttle(REFRESH_MS, self._emit_changed, self)
        state.run_event_received.connect(self._refreshing.request)
        state.phase_changed.connect(self._emit_changed)

    def _emit_changed(self) -> None:
        self.changed.emit(LiveRun.of(self._state, self._pace))


class LiveSeries(QObject):
    begun = Signal()
    """`series` was replaced or cleared."""
    grown = Signal()
    """`series` has new values."""

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
