"""Estimates the remaining time of the run in progress."""

import time
from collections import deque

from PySide6.QtCore import QObject

from app.core.events import StepFinished
from app.ui.state.app_state import AppState
from app.ui.state.run_state import Phase


class RunPace(QObject):
    def __init__(self, state: AppState) -> None:
        super().__init__(state)
        self._state, self._time_left = state, TimeLeft()
        state.run_event_received.connect(self._take)
        state.run_cleared.connect(self._clear)
        state.phase_changed.connect(self._follow_phase)

    @property
    def seconds_left(self) -> float | None:
        """None until there are enough steps, and if no run is in progress."""
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


WINDOW_STEPS = 200
MIN_STEPS = 3


class TimeLeft:
    """Estimates from timestamps that the caller supplies; reads no clock itself."""

    def __init__(self) -> None:
        self._seen: deque[tuple[int, float]] = deque(maxlen=WINDOW_STEPS)
        self._paused_s = 0.0
        self._paused_since: float | None = None

    def note_step(self, step: int, now_s: float) -> None:
        self._seen.append((step, now_s - self._paused_s))

    def hold(self, now_s: float) -> None:
        """The run was paused."""
        self._paused_since = now_s

    def go_on(self, now_s: float) -> None:
        if self._paused_since is not None:
            self._paused_s += now_s - self._paused_since
            self._paused_since = None

    def seconds_left(self, steps: int) -> float | None:
        """None until there are enough steps for an estimate."""
        if len(self._seen) < MIN_STEPS:
            return None
        (first, began), (last, ended) = self._seen[0], self._seen[-1]
        return (ended - began) / (last - first) * max(0, steps - last)
