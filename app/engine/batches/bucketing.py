"""Length bucketing: sorts examples into batches of few shapes with little padding, shuffled anew
every epoch.

The examples are sorted by length and cut into strata of equal size. A batch takes the same number
from each stratum, and its shape has a slot length for each. So a few shapes offer several times as
many lengths, and no batch has long examples only. The longest examples of one stratum are combined
with the shortest of the others, so the size of batches varies little.

With a single stratum, all examples of a batch have similar lengths, as an unpacked batch needs.
Knows lengths, not tokens.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Indexes = npt.NDArray[np.intp]

BLANK = -1
"""The index of a missing example in a batch with too few."""
MIN_BATCHES = 2
"""The fewest batches of a shape, so that batches differ between epochs. Not with a single stratum:
a few long examples would extend the padding of other batches."""
_SHORTEST = 2
"""Tokens of the shortest slot: one input and one target."""
_MAX_CUTS = 512
"""The most candidates for the bucket boundaries."""


@dataclass(frozen=True)
class BatchBucket:
    """Batches of one shape."""

    places: tuple[int, ...]
    """Length of each slot, in tokens, the longest first."""
    strata: tuple[Indexes, ...]
    """The bucket's examples in each stratum; BLANKs come first and are fewer than a batch."""
    rows: tuple[int, ...]
    """How many examples of each stratum a batch takes."""

    def batches(self, random: np.random.Generator | None) -> Indexes:
        """[batches, batch size]: each example once, shuffled by `random`, or in order if None."""
        return np.concatenate(
            [
                _mixed(stratum, random).reshape(-1, rows)
                for stratum, rows in zip(self.strata, self.rows, strict=True)
            ],
            axis=1,
        )


def make_buckets(
    lengths: Ints, batch_size: int, strata: int, most: int, enough_padding: float
) -> list[BatchBucket]:
    """The buckets of an epoch's batches: at most `most`, with the least padding.

    Uses fewer buckets if their padding is at most `enough_padding`, as a share of all tokens.
    """
    cut = _LengthStrata(lengths, batch_size, min(strata, batch_size))
    ends = _best_ends(cut, most, lengths.sum() / (1 - enough_padding))
    return [cut.kind(start, end) for start, end in zip([0, *ends[:-1]], ends, strict=True)]


class _LengthStrata:
    """The examples in strata, each in the order in which batches take them."""

    def __init__(self, lengths: Ints, batch_size: int, count: int) -> None:
        self.count = count
        self.batches = -(-len(lengths) // batch_size)
        self._lengths = lengths
        self._rows = [batch_size // count + (i < batch_size % count) for i in range(count)]
        ascending = np.argsort(lengths, kind="stable")
        missing, start = self.batches * batch_size - len(lengths), 0
        self._strata: list[Indexes] = []
        for number, rows in enumerate(self._rows, 1):
            # All blanks belong to the first batch.
            blanks = min(missing, rows)
            missing -= blanks
            end = start + self.batches * rows - blanks
            examples = ascending[start:end] if number == count else ascending[start:end][::-1]
            self._strata.append(np.concatenate((np.full(blanks, BLANK), examples)))
            start = end

    def kind(self, start: int, end: int) -> BatchBucket:
        """The bucket of the batches `start:end`."""
        parts = [s[start * r : end * r] for s, r in zip(self._strata, self._rows, strict=True)]
        places = [
            self._longest(part) for part, rows in zip(parts, self._rows, strict=True)
            for _ in range(rows)
        ]  # fmt: skip
        return BatchBucket(tuple(sorted(places, reverse=True)), tuple(parts), tuple(self._rows))

    def slot_sums(self) -> tuple[Ints, Ints]:
        """Two arrays, [batches]: the slot lengths of the last stratum, which grow with the batch
        number, and those of the other strata, which shrink.

        A bucket of the batches `i` to `j` needs the first array's value at `j` and the second's at
        `i`.
        """
        per_batch = [
            rows * np.where(part == BLANK, 0, self._lengths[part]).reshape(-1, rows).max(axis=1)
            for part, rows in zip(self._strata, self._rows, strict=True)
        ]
        shrinking = [np.maximum.accumulate(sums[::-1])[::-1] for sums in per_batch[:-1]]
        growing = np.maximum.accumulate(per_batch[-1])
        return growing, np.sum(shrinking, axis=0, dtype=np.int64) + np.zeros_like(growing)

    def _longest(self, part: Indexes) -> int:
        examples = part[part != BLANK]
        return max(_SHORTEST, int(self._lengths[examples].max())) if len(examples) else _SHORTEST


def _best_ends(cut: _LengthStrata, most: int, enough: float) -> list[int]:
    """The end of each bucket as a batch number, ascending; dynamic programming over the cuts."""
    growing, shrinking = cut.slot_sums()
    at = _possible_cuts(growing, shrinking)
    # cost[j, i]: cells of the batches between the cuts i and j, as one bucket.
    count = at[:, None] - at[None, :]
    cost = count * (np.append(0, growing)[at][:, None] + np.append(shrinking, 0)[at][None, :])
    min_batches = min(MIN_BATCHES, cut.batches) if cut.count > 1 else 1
    cost = np.where(count >= min_batches, cost, np.inf)
    cells = np.full(len(at), np.inf)
    cells[0] = 0.0
    choices: list[Indexes] = []
    best, best_cells = 0, np.inf
    while len(choices) < most and best_cells > enough:
        choices.append((cells + cost).argmin(axis=1))
        cells = (cells + cost).min(axis=1)
        if cells[-1] < best_cells:
            best, best_cells = len(choices), cells[-1]
    ends, last = [], len(at) - 1
    for choice in reversed(choices[:best]):
        ends.append(int(at[last]))
        last = int(choice[last])
    return ends[::-1]


def _possible_cuts(growing: Ints, shrinking: Ints) -> Ints:
    """Candidates for the ends of buckets, including the first and the last.

    If there are more than `_MAX_CUTS`, they are denser where lengths change fast.
    """
    count = len(growing)
    if count <= _MAX_CUTS:
        return np.arange(count + 1)
    so_far = np.arange(count) / count
    for sums in (growing, shrinking):
        change = np.abs(sums - sums[0])
        so_far = so_far + change / max(1, change[-1])
    evenly_spaced = np.linspace(0, so_far[-1], _MAX_CUTS)
    return np.unique(np.concatenate((np.searchsorted(so_far, evenly_spaced), [count])))


def _mixed(examples: Indexes, random: np.random.Generator | None) -> Indexes:
    if random is None:
        return examples
    is_blank = examples == BLANK
    return np.concatenate((examples[is_blank], random.permutation(examples[~is_blank])))
