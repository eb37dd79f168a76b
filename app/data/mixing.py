"""Which rows an epoch takes where several datasets are mixed, decided by seed and epoch alone.

An epoch is one pass over the dataset itself: each of its rows exactly once. Of every other one it
takes as many rows as make up that one's share of all. A dataset too large for its share is gone
through in a seeded order, epoch after epoch, and begun anew, in another order, once every row was
taken; one too small is so repeated within the epoch. So no row is taken twice before every other
row of its dataset has had its turn.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Indexes = npt.NDArray[np.intp]
_STREAM = 0x6D6978
"""Sets these random numbers apart from others of the same seed."""


@dataclass(frozen=True)
class Mixing:
    """Datasets whose rows stand one after the other, the first being the dataset itself."""

    sizes: tuple[int, ...]
    """Rows that each has; at least one."""
    taken: tuple[int, ...]
    """Rows of each that an epoch takes."""

    @classmethod
    def by_shares(cls, sizes: Sequence[int], shares: Sequence[float]) -> "Mixing":
        """`shares` are those of all but the first, of all rows of an epoch; together below 1."""
        whole = sizes[0] / (1 - sum(shares))
        return cls(tuple(sizes), (sizes[0], *(max(1, round(whole * share)) for share in shares)))

    @property
    def rows_per_epoch(self) -> int:
        return sum(self.taken)

    def epoch(self, seed: int, epoch: int) -> Indexes:
        """[rows_per_epoch]: the rows of epoch `epoch` (0-based), dataset after dataset."""
        begins = np.cumsum([0, *self.sizes[:-1]])
        drawn = [
            begin + _drawn((seed, _STREAM, dataset), size, epoch * taken, taken)
            for dataset, (begin, size, taken) in enumerate(
                zip(begins, self.sizes, self.taken, strict=True)
            )
        ]
        return np.concatenate(drawn)

    def dataset_of(self, rows: Indexes) -> Indexes:
        """[rows]: the number of the dataset that each is from."""
        return np.searchsorted(np.cumsum(self.sizes), rows, side="right")


def _drawn(key: tuple[int, ...], size: int, start: int, count: int) -> Indexes:
    """The rows at `start` and after in an endless sequence of passes, each in its own order."""
    passes = range(start // size, -(-(start + count) // size))
    rows = [np.random.default_rng((*key, number)).permutation(size) for number in passes]
    begin = start - passes.start * size
    return np.concatenate(rows)[begin : begin + count]
