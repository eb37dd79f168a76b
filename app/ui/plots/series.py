"""Arrays that grow with a run. Does not import Qt."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from app.ui.plots.block_aggregates import Blocks

Steps = npt.NDArray[np.int32]
Values = npt.NDArray[np.float32]

_FIRST_CAPACITY = 256
_STEP_LIMITS = (0, 2**31 - 1)


class Series:
    """Ascending steps with `columns` finite values each; 4 bytes per number, plus spare
    capacity.
    """

    def __init__(self, columns: int) -> None:
        self._steps: Steps = np.empty(_FIRST_CAPACITY, np.int32)
        self._values: Values = np.empty((columns, _FIRST_CAPACITY), np.float32)
        self._length = 0
        self.blocks = Blocks(columns)

    def __len__(self) -> int:
        return self._length

    @property
    def steps(self) -> Steps:
        """All steps so far, as a view."""
        return self._steps[: self._length]

    @property
    def size_bytes(self) -> int:
        """The memory in use, including spare capacity."""
        return self._steps.nbytes + self._values.nbytes + self.blocks.size_bytes

    def values(self, column: int = 0) -> Values:
        """All values of one column so far, as a view."""
        return self._values[column, : self._length]

    def append(self, step: int, *values: float) -> None:
        """Add a step greater than all before; amortized O(1)."""
        if self._length == len(self._steps):
            self._grow()
        self._steps[self._length] = step
        self._values[:, self._length] = values
        self._grown_to(self._length + 1)

    def extend(self, steps: npt.NDArray[Any], *columns: npt.NDArray[Any]) -> None:
        """Add many steps at once."""
        length = self._length + len(steps)
        while length > len(self._steps):
            self._grow()
        self._steps[self._length : length] = steps
        for column, values in enumerate(columns):
            self._values[column, self._length : length] = values
        self._grown_to(length)

    def span(self, low: float, high: float) -> tuple[int, int]:
        """The start and stop indexes of the steps in [low, high], plus one neighbor on each
        side.
        """
        # Searches for integers: for a float, numpy would convert all steps to floats.
        ends = np.clip([math.ceil(low), math.floor(high)], *_STEP_LIMITS).astype(np.int32)
        start = int(np.searchsorted(self.steps, ends[0], "left"))
        stop = int(np.searchsorted(self.steps, ends[1], "right"))
        return max(0, start - 1), min(self._length, stop + 1)

    def counts(self, edges: npt.NDArray[Any]) -> npt.NDArray[np.intp]:
        """The number of steps in each [edges[i], edges[i + 1])."""
        whole = np.clip(np.ceil(edges), *_STEP_LIMITS).astype(np.int32)
        found: npt.NDArray[np.intp] = np.diff(np.searchsorted(self.steps, whole, "left"))
        return found

    def _grown_to(self, length: int) -> None:
        self._length = length
        self.blocks.follow(self.steps, self._values[:, :length])

    def _grow(self) -> None:
        capacity = 2 * len(self._steps)
        self._steps = np.resize(self._steps, capacity)
        values = np.empty((len(self._values), capacity), np.float32)
        values[:, : self._length] = self._values[:, : self._length]
        self._values = values
