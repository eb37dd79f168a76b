"""What the plots remember of one run: its events, turned into growing series. Knows no Qt."""

import math
from typing import TYPE_CHECKING

import numpy as np

from app.core.events import EvaluationFinished, RunStarted, StepFinished, TierFacts
from app.ui.plots.heat_bins import HeatBins
from app.ui.plots.series import Series, Steps, Values

if TYPE_CHECKING:
    from app.library.step_records import StepTable

_CHUNK = 16_384
"""Steps whose layers' changes are decoded at a time."""


class RunSeries:
    """One run's measurements, each kept once; all plots read from here."""

    def __init__(self, started: RunStarted) -> None:
        self.tiers: tuple[TierFacts, ...] = started.tiers
        self.layers: tuple[int, ...] = started.adapted_layers
        self.losses = Series(2)
        """Columns: each step's loss, and the smoothed loss. Void steps have none."""
        self.validation = Series(1)
        self.firings = tuple(Series(2) for _ in started.tiers)
        """Per tier, a row a firing. Columns: delta and drift."""
        self.voids = Series(0)
        self.heat = HeatBins(len(started.adapted_layers))
        self.first_step = 0
        self.last_step = 0
        self._smoothing_steps = min(200.0, max(10.0, started.steps / 100))
        self._smoothed = 0.0

    @property
    def has_steps(self) -> bool:
        """Whether there is a step to show."""
        return self.last_step > 0

    @property
    def size_bytes(self) -> int:
        """Memory held by the series that grow with the run."""
        series = (self.losses, self.validation, self.voids, *self.firings)
        return sum(one.size_bytes for one in series)

    def add_step(self, event: StepFinished) -> None:
        """Takes a step in; steps ascend."""
        self.first_step = self.first_step or event.step
        self.last_step = event.step
        if event.void:
            self.voids.append(event.step)
        if math.isfinite(event.loss):
            self._add_loss(event.step, event.loss)
        for tier in event.fired:
            delta, drift = event.deltas[tier], event.drifts[tier]
            if math.isfinite(delta) and math.isfinite(drift):
                self.firings[tier].append(event.step, delta, drift)
        self.heat.add(event.step, event.layer_deltas)

    def add_table(self, table: "StepTable") -> None:
        """Takes many steps in at once, as they were recorded."""
        if not len(table):
            return
        steps, rows = table.steps, table.rows
        self.first_step = self.first_step or int(steps[0])
        self.last_step = int(steps[-1])
        self.voids.extend(steps[rows["void"] > 0])
        self._add_losses(steps, rows["loss"])
        for tier, firings in enumerate(self.firings[: table.tiers]):
            deltas, drifts = rows["deltas"][:, tier], rows["drifts"][:, tier]
            moved = table.fired(tier) & np.isfinite(deltas) & np.isfinite(drifts)
            firings.extend(steps[moved], deltas[moved], drifts[moved])
        for start in range(0, len(table), _CHUNK):
            stop = start + _CHUNK
            self.heat.add_many(steps[start:stop], table.layer_deltas(start, stop))

    def add_evaluation(self, event: EvaluationFinished) -> None:
        """Takes a validation in; one that isn't finite, or read other rows, leaves no point."""
        if math.isfinite(event.val_loss) and not event.is_last:
            self.validation.append(event.step, event.val_loss)

    def _add_loss(self, step: int, loss: float) -> None:
        self._smooth(loss, len(self.losses))
        self.losses.append(step, loss, self._smoothed)

    def _add_losses(self, steps: Steps, losses: Values) -> None:
        is_finite = np.isfinite(losses)
        known, smoothed = len(self.losses), []
        for index, loss in enumerate(losses[is_finite].tolist()):
            self._smooth(loss, known + index)
            smoothed.append(self._smoothed)
        self.losses.extend(steps[is_finite], losses[is_finite], np.array(smoothed, np.float32))

    def _smooth(self, loss: float, known: int) -> None:
        # An exponential mean whose memory grows with the run: it starts without bias and follows
        # the steep beginning.
        share = max(1 / self._smoothing_steps, 3 / (known + 3))
        self._smoothed += share * (loss - self._smoothed)
