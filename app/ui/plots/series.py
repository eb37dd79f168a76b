"""Numbers that grow with a run, and their reduction to what a plot can show. Knows no Qt."""

from typing import Any

import numpy as np
import numpy.typing as npt

Steps = npt.NDArray[np.int32]
Values = npt.NDArray[np.float32]

_FIRST_CAPACITY = 256


class Series:
    """Ascending steps with `columns` finite values each: 4 bytes a number, and spare."""

    def __init__(self, columns: int) -> None:
        self._steps: Steps = np.empty(_FIRST_CAPACITY, np.int32)
        self._values: Values = np.empty((columns, _FIRST_CAPACITY), np.float32)
        self._length = 0

    def __len__(self) -> int:
        return self._length

    @property
    def steps(self) -> Steps:
        """All steps so far, a view."""
        return self._steps[: self._length]

    @property
    def size_bytes(self) -> int:
        """Memory held, spare room included."""
        return self._steps.nbytes + self._values.nbytes

    def values(self, column: int = 0) -> Values:
        """All values of one column so far, a view."""
        return self._values[column, : self._length]

    def append(self, step: int, *values: float) -> None:
        """Adds a step greater than all before; O(1) amortised."""
        if self._length == len(self._steps):
            self._grow()
        self._steps[self._length] = step
        self._values[:, self._length] = values
        self._length += 1

    def extend(self, steps: npt.NDArray[Any], *columns: npt.NDArray[Any]) -> None:
        """Adds many steps at once."""
        length = self._length + len(steps)
        while length > len(self._steps):
            self._grow()
        self._steps[self._length : length] = steps
        for column, values in enumerate(columns):
            self._values[column, self._length : length] = values
        self._length = length

    def span(self, low: float, high: float) -> tuple[int, int]:
        """Start and stop of the steps in [low, high], with one neighbour either side."""
        start = int(np.searchsorted(self.steps, low, "left"))
        stop = int(np.searchsorted(self.steps, high, "right"))
        return max(0, start - 1), min(self._length, stop + 1)

    def counts(self, edges: npt.NDArray[Any]) -> npt.NDArray[np.intp]:
        """How many steps lie in each [edges[i], edges[i + 1])."""
        return np.diff(np.searchsorted(self.steps, edges, "left"))

    def _grow(self) -> None:
        capacity = 2 * len(self._steps)
        self._steps = np.resize(self._steps, capacity)
        values = np.empty((len(self._values), capacity), np.float32)
        values[:, : self._length] = self._values[:, : self._length]
        self._values = values


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
