"""How long the rest of the run in progress will take, for all who show it."""

import time

from PySide6.QtCore import QObject

from app.core.events import StepFinished
from app.ui.state.app_state import AppState, Phase
from app.ui.state.time_left import TimeLeft


class RunPace(QObject):
    def __init__(self, state: AppState) -> None:
        super().__init__(state)
        self._state, self._time_left = state, TimeLeft()
        state.run_event_received.connect(self._take)
        state.run_cleared.connect(self._clear)
        state.phase_changed.connect(self._follow_phase)

    @property
    def seconds_left(self) -> float | None:
        """None until enough steps came, and when no run is in progress."""
        started = self._state.started
        if started is None or not self._state.phase.is_active:
            return None
        return self._time_left.seconds_left(started.steps)

    def _take(self, event: object) -> None:
        if isinstance(event, StepFinished):
            self._time_left.note_step(event.step, time.monotonic())

    def _clear(self) -> None:
        self._time_left = TimeLeft()

    def _follow_phase(self) -> None:
        if self._state.phase is Phase.PAUSED:
            self._time_left.hold(time.monotonic())
        else:
            self._time_left.go_on(time.monotonic())
