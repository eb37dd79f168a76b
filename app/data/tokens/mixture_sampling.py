"""Chooses an epoch's rows from several mixed datasets; seed and epoch alone determine them.

An epoch takes each row of the main dataset once. Of every other dataset it takes a systematic
sample, whose size is the dataset's share of the epoch: the rows are ordered by length in a circle,
rows of equal length at random, and the sample takes evenly spaced rows. Each epoch shifts the
sample by one row. So every epoch has the datasets' proportions of short and long rows, and no row
repeats before every other row of its dataset was used.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Indexes = npt.NDArray[np.intp]
Ints = npt.NDArray[np.int64]
_STREAM = 0x6D6978
"""Separates these random numbers from others of the same seed."""


@dataclass(frozen=True)
class Mixing:
    """The sizes of concatenated datasets and their rows per epoch; the main dataset is first."""

    sizes: tuple[int, ...]
    """Rows of each dataset, at least one."""
    rows_per_dataset: tuple[int, ...]
    """Rows of each dataset that an epoch takes."""

    @classmethod
    def from_fractions(cls, sizes: Sequence[int], shares: Sequence[float]) -> "Mixing":
        """`shares` are the shares of an epoch's rows for all datasets except the first; their sum
        is below 1.
        """
        whole = sizes[0] / (1 - sum(shares))
        return cls(tuple(sizes), (sizes[0], *(max(1, round(whole * share)) for share in shares)))

    @property
    def rows_per_epoch(self) -> int:
        return sum(self.rows_per_dataset)

    def epoch(self, seed: int, epoch: int, lengths: Ints) -> Indexes:
        """[rows_per_epoch]: the rows of an epoch (0-based), the shortest first.

        `lengths` are those of all rows. `max_lengths` gives upper bounds of the chosen lengths.
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

    def max_lengths(self, lengths: Ints) -> Ints:
        """[rows_per_epoch], ascending: upper bounds of the lengths of an epoch's rows, for all
        epochs.

        An epoch takes at least a proportional part, rounded down, of a circle's n shortest rows.
        """
        longest = []
        for part, rows_per_dataset in zip(self._parts(lengths), self.rows_per_dataset, strict=True):
            enough = -(-np.arange(1, rows_per_dataset + 1) * len(part) // rows_per_dataset)
            longest.append(np.sort(part)[enough - 1])
        return np.sort(np.concatenate(longest))

    def dataset_of(self, rows: Indexes) -> Indexes:
        """[rows]: the number of each row's dataset."""
        return np.searchsorted(np.cumsum(self.sizes), rows, side="right")

    def _parts(self, lengths: Ints) -> list[Ints]:
        return np.split(lengths, np.cumsum(self.sizes)[:-1])


def _shuffled_by_length(key: tuple[int, ...], lengths: Ints) -> Indexes:
    """All rows in a circle by length, from a random start."""
    random = np.random.default_rng(key)
    return np.roll(_by_length(lengths, random), random.integers(len(lengths)))


def _by_length(lengths: Ints, random: np.random.Generator) -> Indexes:
    return np.lexsort((random.permutation(len(lengths)), lengths))


def _systematic_sample(ordered: Indexes, count: int, offset: int) -> Indexes:
    """`count` evenly spaced rows of the circle, shifted by `offset` rows."""
    size = len(ordered)
    return ordered[(np.arange(count) * size // count + offset) % size]
