"""The batches that a run trains on, in an order that seed and epoch alone determine.

If a dataset has early rows, these share batches only with each other. The first epoch begins with
their batches; later epochs mix them with the others. Until the other rows are tokenized, only the
early ones are available.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from app.engine.batches.batches import Batch, BatchLoader, BatchShape

_STREAM = 11
"""Separates these random numbers from others of the same seed."""

_BatchIndexes = tuple[BatchLoader, npt.NDArray[np.intp]]
"""A batch: its loader, and the indexes of its examples there."""


class TrainingBatchLoader:
    """The batches of early rows and of all others, in training order."""

    def __init__(self, early: BatchLoader | None, others: BatchLoader | None) -> None:
        """At most one of them is None."""
        self._early, self._others = early, others
        self._parts = [part for part in (early, others) if part is not None]
        self.shapes = list(dict.fromkeys(shape for part in self._parts for shape in part.shapes))
        """The distinct shapes of all batches."""

    @property
    def early_shapes(self) -> list[BatchShape]:
        return self._early.shapes if self._early else []

    @property
    def at_once(self) -> int:
        """How many batches of the first epoch need only the early rows, or all batches without
        early rows."""
        return len(self._parts[0])

    def __len__(self) -> int:
        """Batches per epoch."""
        return sum(map(len, self._parts))

    def blanks(self) -> Iterator[Batch]:
        """A blank batch of each shape, for tracing."""
        seen = set()
        for part in self._parts:
            for shape in part.shapes:
                if shape not in seen:
                    seen.add(shape)
                    yield part.blank(shape)

    def infinite(self, seed: int, start: int = 0) -> Iterator[Batch]:
        """The run's batches from number `start` (0-based) on, epoch after epoch, without end."""
        epoch, skip = divmod(start, len(self))
        while True:
            for part, indexes in self._epoch(seed, epoch)[skip:]:
                yield part.batch(indexes)
            epoch, skip = epoch + 1, 0

    def rows_by_dataset(self, seed: int, batches: int) -> list[int]:
        """How many rows of each mixed dataset the run's first `batches` have; empty for a single
        dataset."""
        return self._others.rows_by_dataset(seed, batches) if self._others else []

    def _epoch(self, seed: int, epoch: int) -> list[_BatchIndexes]:
        batches = [(part, indexes) for part in self._parts for indexes in part.epoch(seed, epoch)]
        if epoch == 0 or len(self._parts) == 1:
            return batches
        random = np.random.default_rng((seed, _STREAM, epoch))
        return [batches[i] for i in random.permutation(len(batches))]
