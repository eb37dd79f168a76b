"""Aggregates a growing series in blocks of 64 points, each computed only once. Does not
import Qt.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

BLOCK = 64
"""The number of points per block: a power of two, as are the bin sizes of `downsampling`."""

Numbers = npt.NDArray[np.float64]


class Stretches(NamedTuple):
    """Aggregates of adjacent stretches of one column, as arrays of equal length."""

    counts: npt.NDArray[np.int64]
    """The number of points in each."""
    step_sums: Numbers
    sums: Numbers
    low: npt.NDArray[np.float32]
    high: npt.NDArray[np.float32]


def stretch(steps: npt.NDArray[Any], values: npt.NDArray[Any]) -> Stretches:
    """Aggregate points into one stretch, or into none if there are no points."""
    if not len(steps):
        return Stretches(*(np.zeros(0, kind) for kind in ("i8", "f8", "f8", "f4", "f4")))
    return Stretches(
        np.array([len(steps)]),
        np.array([steps.sum(dtype=np.float64)]),
        np.array([values.sum(dtype=np.float64)]),
        values.min(keepdims=True),
        values.max(keepdims=True),
    )


class Blocks:
    """The aggregates of a series' complete blocks; call `follow` after the series has grown."""

    def __init__(self, columns: int) -> None:
        self._count = 0
        self._step_sums: Numbers = np.empty(4)
        self._columns = np.empty((3, columns, 4))

    def __len__(self) -> int:
        return self._count

    @property
    def size_bytes(self) -> int:
        """The memory in use, including spare capacity."""
        return self._step_sums.nbytes + self._columns.nbytes

    def of(self, column: int, start: int, stop: int) -> Stretches:
        """The blocks from `start` to `stop` of one column."""
        sums, low, high = self._columns[:, column, start:stop]
        return Stretches(
            np.full(stop - start, BLOCK),
            self._step_sums[start:stop],
            sums,
            low.astype(np.float32),
            high.astype(np.float32),
        )

    def follow(self, steps: npt.NDArray[Any], values: npt.NDArray[Any]) -> None:
        """Aggregate the blocks that have become complete. `values` has all columns × steps from the
        start.
        """
        begun, whole = self._count, len(steps) // BLOCK
        if whole == begun:
            return
        self._make_room(whole)
        points = slice(begun * BLOCK, whole * BLOCK)
        self._step_sums[begun:whole] = steps[points].reshape(-1, BLOCK).sum(1, np.float64)
        blocks = values[:, points].reshape(len(values), -1, BLOCK)
        self._columns[0, :, begun:whole] = blocks.sum(2, np.float64)
        self._columns[1, :, begun:whole] = blocks.min(2)
        self._columns[2, :, begun:whole] = blocks.max(2)
        self._count = whole

    def _make_room(self, count: int) -> None:
        room = len(self._step_sums)
        if count > room:
            spare = max(count, 2 * room) - room
            self._step_sums = np.pad(self._step_sums, (0, spare))
            self._columns = np.pad(self._columns, ((0, 0), (0, 0), (0, spare)))
