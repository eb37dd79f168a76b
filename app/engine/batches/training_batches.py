"""The batches that a run trains on, in an order decided by seed and epoch alone.

Where a dataset has early rows, they share batches with each other only, and the first epoch takes
these first; in later epochs their batches come among all others. Until the other rows are tokens
the early ones are all there is.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from app.engine.batches.batches import Batch, BatchLoader, BatchShape

_STREAM = 11
"""Apart from the random numbers that the seed gives elsewhere."""

_Place = tuple[BatchLoader, npt.NDArray[np.intp]]
"""A batch as the indexes of its examples."""


class TrainingBatchLoader:
    def __init__(self, early: BatchLoader | None, others: BatchLoader | None) -> None:
        """One of them may be missing."""
        self._early, self._others = early, others
        self._parts = [part for part in (early, others) if part is not None]
        self.shapes = list(dict.fromkeys(shape for part in self._parts for shape in part.shapes))
        """The distinct shapes of all batches."""

    @property
    def early_shapes(self) -> list[BatchShape]:
        return self._early.shapes if self._early else []

    @property
    def at_once(self) -> int:
        """How many of the first epoch are there from the start, whether all rows are or not."""
        return len(self._parts[0])

    def __len__(self) -> int:
        """Batches per epoch."""
        return sum(map(len, self._parts))

    def blanks(self) -> Iterator[Batch]:
        """A batch of each shape for tracing."""
        seen = set()
        for part in self._parts:
            for shape in part.shapes:
                if shape not in seen:
                    seen.add(shape)
                    yield part.blank(shape)

    def infinite(self, seed: int, start: int = 0) -> Iterator[Batch]:
        """Batch number `start` of the run and all that follow, epoch after epoch."""
        epoch, skip = divmod(start, len(self))
        while True:
            for part, indexes in self._epoch(seed, epoch)[skip:]:
                yield part.batch(indexes)
            epoch, skip = epoch + 1, 0

    def rows_by_dataset(self, seed: int, batches: int) -> list[int]:
        """How many rows of each mixed dataset the run's first batches hold; empty for one."""
        return self._others.rows_by_dataset(seed, batches) if self._others else []

    def _epoch(self, seed: int, epoch: int) -> list[_Place]:
        taken = [(part, one) for part in self._parts for one in part.epoch(seed, epoch)]
        if epoch == 0 or len(self._parts) == 1:
            return taken
        random = np.random.default_rng((seed, _STREAM, epoch))
        return [taken[i] for i in random.permutation(len(taken))]
