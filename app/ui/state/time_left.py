"""How long the rest of a run will take, from when its steps came; pauses don't count."""

from collections import deque

WINDOW_STEPS = 200
LEAST_STEPS = 3


class TimeLeft:
    """Fed with the clock's seconds by whoever owns it; reads no clock itself."""

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
        """None until enough steps came to say anything."""
        if len(self._seen) < LEAST_STEPS:
            return None
        (first, began), (last, ended) = self._seen[0], self._seen[-1]
        return (ended - began) / (last - first) * max(0, steps - last)
