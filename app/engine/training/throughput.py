"""How fast a run is: trained tokens per second over its last steps."""

from collections import deque

WINDOW_STEPS = 20


class Speed:
    """Counts only the time inside steps: validation and saving do not slow it down."""

    def __init__(self) -> None:
        self._recent: deque[tuple[int, float]] = deque(maxlen=WINDOW_STEPS)

    def add(self, tokens: int, seconds: float) -> None:
        self._recent.append((tokens, seconds))

    @property
    def tokens_per_second(self) -> float:
        seconds = sum(duration for _, duration in self._recent)
        return sum(tokens for tokens, _ in self._recent) / seconds if seconds else 0.0
