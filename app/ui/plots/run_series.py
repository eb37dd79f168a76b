"""The measurements of one run for all plots: its events as growing series. Does not import Qt."""

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from app.core.events import (
    EvaluationFinished,
    RetentionMeasured,
    RunStarted,
    StepFinished,
    TierFacts,
)
from app.ui.plots.series import Series, Steps, Values

if TYPE_CHECKING:
    from app.library.run.step_table import StepTable


_CHUNK = 16_384
"""The number of steps whose layer changes are decoded at once."""


class RunSeries:
    """One run's measurements, each stored once; all plots read from here."""

    def __init__(self, started: RunStarted) -> None:
        self.tiers: tuple[TierFacts, ...] = started.tiers
        self.clocks = started.clocks
        self.layers: tuple[int, ...] = started.adapted_layers
        self.losses = Series(2)
        """Columns: each step's loss, and the smoothed loss. Void steps have none."""
        self.validation = Series(1)
        self.retention = Series(1)
        """The divergence from the base model at each measurement."""
        self.kept: dict[str, Series] = {}
        """By name of the retention set or earlier run: the rise of its loss since the start."""
        self._kept_before: dict[str, float] = {}
        self.latest_retention: RetentionMeasured | None = None
        """The latest point of the curve, without the measurement at the end of the run."""
        self.firings = tuple(Series(2) for _ in started.tiers)
        """One series per tier with a row per update. Columns: delta and drift."""
        self.lessons = Series(1)
        """The slow clock: each lesson's divergence from the base model before its update."""
        self.pulls = Series(1)
        """The lasting clock: the norm of its pull over all tiers."""
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
        """The memory of the series that grow with the run."""
        series = (self.losses, self.validation, self.voids, *self.firings)
        series += (self.retention, self.lessons, self.pulls, *self.kept.values())
        return sum(one.size_bytes for one in series)

    def add_step(self, event: StepFinished) -> None:
        """Add a step; steps must ascend."""
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
        if math.isfinite(event.base_kl):
            self.lessons.append(event.step, event.base_kl)
        if 0 < (pull := math.hypot(*event.pulls)) < math.inf:
            self.pulls.append(event.step, pull)
        self.heat.add(event.step, event.layer_deltas)

    def add_table(self, table: "StepTable") -> None:
        """Add many recorded steps at once."""
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
        if table.has_clocks:
            self._add_clocks(steps, rows["base_kl"], rows["pulls"])
        for start in range(0, len(table), _CHUNK):
            stop = start + _CHUNK
            self.heat.add_many(steps[start:stop], table.layer_deltas(start, stop))

    def add_evaluation(self, event: EvaluationFinished) -> None:
        """Add a validation. Not added to the curve if it isn't finite or used other rows."""
        if math.isfinite(event.val_loss) and not event.is_last:
            self.validation.append(event.step, event.val_loss)

    def add_retention(self, event: RetentionMeasured) -> None:
        """Add a measurement of forgetting. Not added to the curve: the last one, which uses more
        texts, and a second one at the same step after a run was resumed.
        """
        if not math.isfinite(event.base_kl) or event.is_last:
            return
        self.latest_retention = event
        if not len(self.retention) or event.step > self.retention.steps[-1]:
            self.retention.append(event.step, event.base_kl)
            for one in event.kept:
                if math.isfinite(one.val_loss):
                    rise = one.val_loss - self._kept_before.setdefault(one.name, one.val_loss)
                    self.kept.setdefault(one.name, Series(1)).append(event.step, rise)

    def _add_clocks(self, steps: Steps, lessons: Values, pulls: Values) -> None:
        is_lesson = np.isfinite(lessons)
        self.lessons.extend(steps[is_lesson], lessons[is_lesson])
        over_tiers = np.linalg.norm(pulls, axis=1)
        is_pulled = np.isfinite(over_tiers) & (over_tiers > 0)
        self.pulls.extend(steps[is_pulled], over_tiers[is_pulled])

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
        # An exponential mean whose window grows with the run: it starts unbiased and follows the
        # steep beginning.
        share = max(1 / self._smoothing_steps, 3 / (known + 3))
        self._smoothed += share * (loss - self._smoothed)


class HeatBins:
    """The largest value per row and time bin, in at most `capacity` bins for any length of run.

    When the table is full, adjacent bins are merged and the bin width doubles.
    """

    def __init__(self, rows: int, capacity: int = 400) -> None:
        self._table: Values = np.zeros((capacity, rows), np.float32)
        self.width = 1
        """The number of steps per bin."""
        self.first_step = 1
        self.count = 0
        """The number of bins in use."""

    @property
    def table(self) -> Values:
        """The bins in use × rows, as a view."""
        return self._table[: self.count]

    def add(self, step: int, values: tuple[float, ...]) -> None:
        """Add the values of one step; values that aren't finite count as no change."""
        if not self.count:
            self.first_step = step
        while (column := (step - self.first_step) // self.width) >= len(self._table):
            self._fold()
        row = np.asarray(values, np.float32)
        row = np.where(np.isfinite(row), row, np.float32(0))
        np.maximum(self._table[column], row, out=self._table[column])
        self.count = max(self.count, column + 1)

    def add_many(self, steps: npt.NDArray[Any], values: Values) -> None:
        """Add the values (steps × rows) of many steps."""
        if not len(steps):
            return
        if not self.count:
            self.first_step = int(steps[0])
        while (int(steps[-1]) - self.first_step) // self.width >= len(self._table):
            self._fold()
        columns = (steps.astype(np.int64) - self.first_step) // self.width
        starts = np.flatnonzero(np.diff(columns, prepend=-1))
        finite = np.where(np.isfinite(values), values, np.float32(0))
        largest = np.maximum.reduceat(finite, starts, axis=0)
        places = columns[starts]
        self._table[places] = np.maximum(self._table[places], largest)
        self.count = max(self.count, int(columns[-1]) + 1)

    def _fold(self) -> None:
        pairs = self._table.reshape(-1, 2, self._table.shape[1]).max(axis=1)
        self._table[: len(pairs)] = pairs
        self._table[len(pairs) :] = 0
        self.width *= 2
        self.count = -(-self.count // 2)
