"""Counters of a run: steps without finite numbers, tokens per second."""

from collections import deque
from collections.abc import Iterator

from app.core.errors import RunError
from app.core.events import LogMessage

MAX_IN_A_ROW = 3


_OF_THE_UPDATES = "Lower the learning rate or the scale, or choose another base model."


_OF_THE_BASE = (
    "No step gave one, and a new adapter changes nothing: the base model's weights or config.json "
    "may be damaged. Download the model again, or choose another."
)


class NonFiniteSteps:
    """How many there were, in a row up to now and in the whole run."""

    def __init__(self, in_a_row: int, in_all: int) -> None:
        self.in_a_row, self.in_all = in_a_row, in_all

    def take(self, step: int, is_void: bool) -> Iterator[LogMessage]:
        """Note `step`. Raises RunError when there were several void ones in a row."""
        if not is_void:
            self.in_a_row = 0
            return
        self.in_a_row, self.in_all = self.in_a_row + 1, self.in_all + 1
        yield LogMessage(f"Step {step} is void: the loss or its gradient is not a finite number.")
        if self.in_a_row == MAX_IN_A_ROW:
            raise RunError(
                f"The loss or its gradient was not a finite number {self.in_a_row} times in a row, "
                f"last at step {step}.",
                _OF_THE_BASE if self.in_all == step else _OF_THE_UPDATES,
            )

    def summary(self) -> str:
        """For the end of the run's last sentence; empty if there were none."""
        if not self.in_all:
            return ""
        many = f"{self.in_all} steps were" if self.in_all > 1 else "1 step was"
        return f" {many} void: nothing was learned there."


WINDOW_STEPS = 20


class Throughput:
    """Counts only the time inside steps: validation and saving do not slow it down."""

    def __init__(self) -> None:
        self._recent: deque[tuple[int, float]] = deque(maxlen=WINDOW_STEPS)

    def add(self, tokens: int, seconds: float) -> None:
        self._recent.append((tokens, seconds))

    @property
    def tokens_per_second(self) -> float:
        seconds = sum(duration for _, duration in self._recent)
        return sum(tokens for tokens, _ in self._recent) / seconds if seconds else 0.0
