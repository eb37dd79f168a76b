"""Batches of few distinct lengths, in an order decided by seed and epoch alone.

Every epoch visits every example exactly once, or those that a mixing of datasets takes. Rows of a
batch are of similar length; a last batch that is short is filled up with rows in which nothing is
trained, so that no example is lost and no new shape arises.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.data.token_rows import TokenView

MAX_LENGTHS = 16
"""Each length is traced once, and its graph stays in memory (16–24 MB at 32 layers)."""
LENGTH_STEP = 16
ENOUGH_PADDING = 0.05
"""With no more of the cells being padding, fewer lengths do."""
_BATCHES_A_LENGTH = 4
"""A length that fewer batches of an epoch have isn't worth its tracing."""
_MOST_EDGES = 512


@dataclass(frozen=True)
class Batch:
    tokens: npt.NDArray[np.int32]
    """[batch, length], padded with 0."""
    trained: npt.NDArray[np.float32]
    """[batch, length], 1.0 where the token is a target."""

    @property
    def trained_tokens(self) -> int:
        return int(self.trained.sum())


class Batches:
    """The batches of a dataset, addressed by epoch, or in file order for evaluation."""

    def __init__(
        self, examples: TokenView, batch_size: int, max_lengths: int = MAX_LENGTHS
    ) -> None:
        self._examples = examples
        self._batch_size = batch_size
        self._example_lengths = examples.lengths
        self._trained_share = examples.trained_tokens / max(1, int(examples.lengths.sum()))
        worth_it = max(1, len(self) // _BATCHES_A_LENGTH)
        self.lengths = bucket_lengths(self._example_lengths, min(max_lengths, worth_it))
        """The distinct padded lengths, ascending."""

    def __len__(self) -> int:
        """Batches per epoch."""
        return -(-self._examples.rows_per_epoch // self._batch_size)

    def epoch(self, seed: int, epoch: int) -> list[npt.NDArray[np.intp]]:
        """The example indexes of each batch of epoch `epoch` (0-based), in training order."""
        random = np.random.default_rng((seed, epoch))
        shuffled = random.permutation(self._examples.epoch(seed, epoch))
        # A stable sort keeps examples of one bucket shuffled: batches differ between epochs.
        buckets = np.searchsorted(self.lengths, self._example_lengths[shuffled]).astype(np.uint16)
        ordered = shuffled[np.argsort(buckets, kind="stable")]
        batches = self._chunks(ordered)
        return [batches[i] for i in random.permutation(len(batches))]

    def endless(self, seed: int, start: int = 0) -> Iterator[Batch]:
        """Batch number `start` of the run and all that follow, epoch after epoch."""
        epoch, skip = divmod(start, len(self))
        while True:
            for indexes in self.epoch(seed, epoch)[skip:]:
                yield self.batch(indexes)
            epoch, skip = epoch + 1, 0

    def rows_by_dataset(self, seed: int, batches: int) -> list[int]:
        """How many rows of each mixed dataset the run's first batches hold; empty for one."""
        if (mixing := self._examples.mixing) is None:
            return []
        epochs, rest = divmod(batches, len(self))
        counts = epochs * np.array(mixing.taken)
        for indexes in self.epoch(seed, epochs)[:rest]:
            counts += np.bincount(mixing.dataset_of(indexes), minlength=len(counts))
        return [int(count) for count in counts]

    def once(self) -> Iterator[Batch]:
        """Every example once, shortest first; the same batches every time."""
        for indexes in self._chunks(np.argsort(self._example_lengths, kind="stable")):
            yield self.batch(indexes)

    def batch(self, indexes: npt.NDArray[np.intp]) -> Batch:
        longest = int(self._example_lengths[indexes].max())
        length = self.lengths[int(np.searchsorted(self.lengths, longest))]
        tokens = np.zeros((self._batch_size, length), np.int32)
        trained = np.zeros((self._batch_size, length), np.float32)
        for row, index in enumerate(indexes):
            example, spans = self._examples.arrays(int(index))
            tokens[row, : len(example)] = example
            for start, end in spans.tolist():
                trained[row, start:end] = 1.0
        return Batch(tokens, trained)

    def blank(self, length: int) -> Batch:
        """A batch of this length for tracing, with as many trained tokens as are likely."""
        batch = Batch(
            np.zeros((self._batch_size, length), np.int32),
            np.zeros((self._batch_size, length), np.float32),
        )
        batch.trained[:, 1 : 1 + max(1, round(self._trained_share * (length - 1)))] = 1.0
        return batch

    def _chunks(self, ordered: npt.NDArray[np.intp]) -> list[npt.NDArray[np.intp]]:
        size = self._batch_size
        return [ordered[i : i + size] for i in range(0, len(ordered), size)]


def bucket_lengths(lengths: npt.NDArray[np.int64], max_lengths: int) -> list[int]:
    """The padded lengths that cover `lengths` with the least padding, ascending.

    There are as few as leave ENOUGH_PADDING, and never more than `max_lengths`.
    """
    longest = max(2, int(lengths.max()))
    step = LENGTH_STEP * -(-longest // (LENGTH_STEP * _MOST_EDGES))
    # The longest bucket ends where the longest example ends: a limit of 2048 stays 2048.
    rounded = np.minimum(-(-lengths // step) * step, longest)
    edges, rows = np.unique(rounded, return_counts=True)
    enough = lengths.sum() / (1 - ENOUGH_PADDING)
    # cost[j, i]: cells of the rows from edge i to edge j, all padded to edge j.
    before = np.concatenate(([0], np.cumsum(rows)))
    cost = edges[:, None] * (before[1:, None] - before[None, :-1]).astype(float)
    cost[np.triu_indices(len(edges), 1)] = np.inf
    cells = np.full(len(edges) + 1, np.inf)
    cells[0] = 0.0
    choices: list[npt.NDArray[np.intp]] = []
    while len(choices) < min(max_lengths, len(edges)) and cells[-1] > enough:
        choices.append((cells[:-1] + cost).argmin(axis=1))
        best = (cells[:-1] + cost).min(axis=1)
        cells = np.concatenate(([np.inf], best))
    return _chosen_edges(edges, choices)


def _chosen_edges(edges: npt.NDArray[np.int64], choices: list[npt.NDArray[np.intp]]) -> list[int]:
    """The best edges, from the last to the first, each telling where the one before it ends."""
    chosen, end = [], len(edges)
    for choice in reversed(choices):
        chosen.append(int(edges[end - 1]))
        end = int(choice[end - 1])
    return chosen[::-1]
