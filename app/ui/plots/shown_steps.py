"""Which steps all plots of a run show: all of them, the latest, or those that were selected."""

import math
from dataclasses import dataclass

from app.core.text.translation import tr
from app.ui.plots.run_series import RunSeries

LATEST_STEPS = 120
_LATEST_MOVE = 8
STEPS_AHEAD = 1 / 16
"""Of the steps shown, at most so much room is left at the end: the axis then stands still while
steps come, and need not be drawn with each."""


@dataclass
class ShownSteps:
    """One for all plots of a run, so that a step lies at the same place in each."""

    selection: tuple[float, float] | None = None
    follows_latest: bool = False
    latest_count: int = LATEST_STEPS

    def of(self, run: RunSeries) -> tuple[float, float]:
        """Where the step axis begins and ends."""
        if self.selection:
            return self.selection
        if self._is_cut(run):
            # It moves on by several steps at once, so that the axis need not be drawn with each.
            last = -(-run.last_step // _LATEST_MOVE) * _LATEST_MOVE
            return last - self.latest_count + 0.5, last + 0.5
        first = run.first_step - 1  # what is measured before the first step stands there
        last = first + with_room(max(run.last_step - first, 10))
        air = 0.006 * (last - first)
        return first - air, last + air

    def text(self, run: RunSeries) -> str:
        """ "Steps 120–340"; nothing while all steps are shown."""
        if self.selection:
            low, high = self.selection
            first, last = max(run.first_step, math.ceil(low)), min(run.last_step, math.floor(high))
            if last <= first:
                return tr("Step {step:,}", step=round((low + high) / 2))
            return tr("Steps {first:,}–{last:,}", first=first, last=last)
        if not self._is_cut(run):
            return ""
        return tr("Latest {steps:,} steps", steps=self.latest_count)

    def _is_cut(self, run: RunSeries) -> bool:
        return self.follows_latest and run.last_step - run.first_step >= self.latest_count


def with_room(steps: int) -> int:
    """`steps` rounded up, by STEPS_AHEAD of them at most."""
    room = max(1, int(2 ** math.floor(math.log2(steps)) * STEPS_AHEAD))
    return -(-steps // room) * room
