"""How often plots are drawn: at most so often, and seldom where drawing takes long.

On a busy machine a plot of 2 ms can take 20; drawn as often as before, it would hold up the window.
Knows no Qt.
"""

LEAST_MS, MOST_MS = 50, 500
_SHARE = 0.06
"""Of the time, plots take at most so much, as long as MOST_MS allows."""
_WEIGHT = 0.25


class RedrawRate:
    """Told how long each drawing took, it says how long to wait for the next."""

    def __init__(self) -> None:
        self._drawing_ms = 0.0

    def note(self, drawing_ms: float) -> None:
        """The last drawings count most."""
        self._drawing_ms += _WEIGHT * (drawing_ms - self._drawing_ms)

    @property
    def wait_ms(self) -> int:
        return int(min(MOST_MS, max(LEAST_MS, self._drawing_ms / _SHARE)))
