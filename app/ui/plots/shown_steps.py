"""The visible steps of a run's plots: all of them, the latest ones, or a selection."""

import math
from dataclasses import dataclass

from app.core.text.translation import tr
from app.ui.plots.run_series import RunSeries

LATEST_STEPS = 120
_LATEST_MOVE = 8
STEPS_AHEAD = 1 / 16
"""The maximum free space at the end of the axis, as a fraction of the visible steps. The axis then
isn't redrawn with each step.
"""


@dataclass
class ShownSteps:
    """Shared by all plots of a run, so that a step has the same position in each."""

    selection: tuple[float, float] | None = None
    follows_latest: bool = False
    latest_count: int = LATEST_STEPS

    def of(self, run: RunSeries) -> tuple[float, float]:
        """The limits of the step axis."""
        if self.selection:
            return self.selection
        if self._is_cut(run):
            # Moves in increments of several steps, so that the axis isn't redrawn with each.
            last = -(-run.last_step // _LATEST_MOVE) * _LATEST_MOVE
            return last - self.latest_count + 0.5, last + 0.5
        first = run.first_step - 1  # measurements before the first step are placed there
        last = first + with_room(max(run.last_step - first, 10))
        air = 0.006 * (last - first)
        return first - air, last + air

    def text(self, run: RunSeries) -> str:
        """For example "Steps 120–340"; empty if all steps are visible."""
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
    """`steps` rounded up by at most the fraction STEPS_AHEAD."""
    room = max(1, int(2 ** math.floor(math.log2(steps)) * STEPS_AHEAD))
    return -(-steps // room) * room
