"""Which rows an epoch takes where several datasets are mixed, decided by seed and epoch alone.

An epoch is one pass over the dataset itself: each of its rows exactly once. Of every other one it
takes as many rows as make up that one's share of all: a systematic sample. The rows stand in a
circle in the order of their lengths, those of equal length by chance, and the sample is where so
many hands point, evenly spaced; in the next epoch each hand points at the next row. So every epoch
has as many short and as many long rows as the dataset itself, and since evenly spaced arcs of equal
length cover each place of a circle as often as any other, but for one, no row is taken twice before
every other row of its dataset has had its turn.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Indexes = npt.NDArray[np.intp]
Ints = npt.NDArray[np.int64]
_STREAM = 0x6D6978
"""Sets these random numbers apart from others of the same seed."""


@dataclass(frozen=True)
class Mixing:
    """Datasets whose rows stand one after the other, the first being the dataset itself."""

    sizes: tuple[int, ...]
    """Rows that each has; at least one."""
    rows_per_dataset: tuple[int, ...]
    """Rows of each that an epoch takes."""

    @classmethod
    def from_fractions(cls, sizes: Sequence[int], shares: Sequence[float]) -> "Mixing":
        """`shares` are those of all but the first, of all rows of an epoch; together below 1."""
        whole = sizes[0] / (1 - sum(shares))
        return cls(tuple(sizes), (sizes[0], *(max(1, round(whole * share)) for share in shares)))

    @property
    def rows_per_epoch(self) -> int:
        return sum(self.rows_per_dataset)

    def epoch(self, seed: int, epoch: int, lengths: Ints) -> Indexes:
        """[rows_per_epoch]: the rows of epoch `epoch` (0-based), the shortest first.

        `lengths` are those of all rows; `longest` says how long each of these can be.
        """
        begins = np.cumsum([0, *self.sizes[:-1]])
        samples = [
            begin
            + _systematic_sample(
                _shuffled_by_length((seed, _STREAM, dataset), part), rows_per_dataset, epoch
            )
            for dataset, (begin, part, rows_per_dataset) in enumerate(
                zip(begins, self._parts(lengths), self.rows_per_dataset, strict=True)
            )
        ]
        rows = np.concatenate(samples)
        by_chance = np.random.default_rng((seed, _STREAM, len(self.sizes), epoch))
        return rows[_by_length(lengths[rows], by_chance)]

    def longest(self, lengths: Ints) -> Ints:
        """[rows_per_epoch], ascending: how long an epoch's rows can be, whichever epoch it is.

        Of a circle's first n rows, at least as many are taken, rounded down, as is their share.
        """
        longest = []
        for part, rows_per_dataset in zip(self._parts(lengths), self.rows_per_dataset, strict=True):
            enough = -(-np.arange(1, rows_per_dataset + 1) * len(part) // rows_per_dataset)
            longest.append(np.sort(part)[enough - 1])
        return np.sort(np.concatenate(longest))

    def dataset_of(self, rows: Indexes) -> Indexes:
        """[rows]: the number of the dataset that each is from."""
        return np.searchsorted(np.cumsum(self.sizes), rows, side="right")

    def _parts(self, lengths: Ints) -> list[Ints]:
        return np.split(lengths, np.cumsum(self.sizes)[:-1])


def _shuffled_by_length(key: tuple[int, ...], lengths: Ints) -> Indexes:
    """All rows by length, begun anywhere."""
    random = np.random.default_rng(key)
    return np.roll(_by_length(lengths, random), random.integers(len(lengths)))


def _by_length(lengths: Ints, random: np.random.Generator) -> Indexes:
    return np.lexsort((random.permutation(len(lengths)), lengths))


def _systematic_sample(ordered: Indexes, count: int, offset: int) -> Indexes:
    """Where so many hands point, evenly spaced, each moved on by so many rows."""
    size = len(ordered)
    return ordered[(np.arange(count) * size // count + offset) % size]
