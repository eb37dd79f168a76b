"""Sorts examples into buckets of batches: few shapes, little padding, a new choice every epoch.

Sorted by length, the examples are cut into strata of one size, and a batch takes as many from each
as it does from the others. A shape says how much room a batch has for an example of each stratum,
so a few shapes offer a multiple of that many lengths, and no batch holds long examples alone. The
longest of one stratum meet the shortest of the others: what a batch computes varies little.

With a single stratum all examples of a batch are of similar length, as rows of one array must be.
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
"""Of a shape, so that batches are other ones in every epoch. Not where all examples of a batch are
of similar length: there a few long ones would make those beside them as long."""
_SHORTEST = 2
"""Tokens: one to be read, one to be predicted."""
_MAX_CUTS = 512


@dataclass(frozen=True)
class BatchBucket:
    """Batches of one shape."""

    places: tuple[int, ...]
    """The room for each example, in tokens, the longest first."""
    strata: tuple[Indexes, ...]
    """The examples of each stratum, so many for every batch of this kind; BLANKs go first, and
    there are fewer of them than make a batch."""
    rows: tuple[int, ...]
    """How many of each stratum a batch takes."""

    def batches(self, random: np.random.Generator | None) -> Indexes:
        """[batches, batch size]: each example once, by chance, or in order where that is None."""
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
    """The kinds that an epoch of batches has, with the least padding that `most` kinds can have.

    There are fewer where those leave no more than `enough_padding`, a share of all tokens.
    """
    cut = _LengthStrata(lengths, batch_size, min(strata, batch_size))
    ends = _best_ends(cut, most, lengths.sum() / (1 - enough_padding))
    return [cut.kind(start, end) for start, end in zip([0, *ends[:-1]], ends, strict=True)]


class _LengthStrata:
    """The examples in strata, each in the order in which they go to batches."""

    def __init__(self, lengths: Ints, batch_size: int, count: int) -> None:
        self.count = count
        self.batches = -(-len(lengths) // batch_size)
        self._lengths = lengths
        self._rows = [batch_size // count + (i < batch_size % count) for i in range(count)]
        ascending = np.argsort(lengths, kind="stable")
        missing, start = self.batches * batch_size - len(lengths), 0
        self._strata: list[Indexes] = []
        for number, rows in enumerate(self._rows, 1):
            # All blanks belong to the same batch, the first.
            blanks = min(missing, rows)
            missing -= blanks
            end = start + self.batches * rows - blanks
            found = ascending[start:end] if number == count else ascending[start:end][::-1]
            self._strata.append(np.concatenate((np.full(blanks, BLANK), found)))
            start = end

    def kind(self, start: int, end: int) -> BatchBucket:
        """Of the batches from number `start` to the one before `end`."""
        parts = [s[start * r : end * r] for s, r in zip(self._strata, self._rows, strict=True)]
        places = [
            self._longest(part) for part, rows in zip(parts, self._rows, strict=True)
            for _ in range(rows)
        ]  # fmt: skip
        return BatchBucket(tuple(sorted(places, reverse=True)), tuple(parts), tuple(self._rows))

    def slot_sums(self) -> tuple[Ints, Ints]:
        """[batches] each: the slot size of the last stratum, which grows, and that of the others,
        which shrinks.

        Batches `i` to `j` all need the first of `j`, and the second of `i`.
        """
        per_batch = [
            rows * np.where(part == BLANK, 0, self._lengths[part]).reshape(-1, rows).max(axis=1)
            for part, rows in zip(self._strata, self._rows, strict=True)
        ]
        shrinking = [np.maximum.accumulate(sums[::-1])[::-1] for sums in per_batch[:-1]]
        growing = np.maximum.accumulate(per_batch[-1])
        return growing, np.sum(shrinking, axis=0, dtype=np.int64) + np.zeros_like(growing)

    def _longest(self, part: Indexes) -> int:
        found = part[part != BLANK]
        return max(_SHORTEST, int(self._lengths[found].max())) if len(found) else _SHORTEST


def _best_ends(cut: _LengthStrata, most: int, enough: float) -> list[int]:
    """After which batches a kind ends, ascending, the last one included."""
    growing, shrinking = cut.slot_sums()
    at = _possible_cuts(growing, shrinking)
    # cost[j, i]: cells of the batches from the cut i to the cut j, all with the room they need.
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
    """Numbers of batches between which a kind may end, the first and the last included.

    Where there are many, they are dense where lengths change fast.
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
