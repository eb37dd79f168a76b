"""The largest change per layer and stretch of time, for the heat map. Knows no Qt."""

from typing import Any

import numpy as np
import numpy.typing as npt

from app.ui.plots.series import Values


class HeatBins:
    """The largest value per row and time bin, in at most `capacity` bins however long the run.

    A full table folds neighbours together and doubles its bins' width.
    """

    def __init__(self, rows: int, capacity: int = 400) -> None:
        self._table: Values = np.zeros((capacity, rows), np.float32)
        self.width = 1
        """Steps in a bin."""
        self.first_step = 1
        self.count = 0
        """Bins in use."""

    @property
    def table(self) -> Values:
        """Bins in use × rows, a view."""
        return self._table[: self.count]

    def add(self, step: int, values: tuple[float, ...]) -> None:
        """Takes one step's values in; those that aren't finite count as no change."""
        if not self.count:
            self.first_step = step
        while (column := (step - self.first_step) // self.width) >= len(self._table):
            self._fold()
        row = np.asarray(values, np.float32)
        row = np.where(np.isfinite(row), row, np.float32(0))
        np.maximum(self._table[column], row, out=self._table[column])
        self.count = max(self.count, column + 1)

    def add_many(self, steps: npt.NDArray[Any], values: Values) -> None:
        """Takes many steps' values in at once: steps × rows."""
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
