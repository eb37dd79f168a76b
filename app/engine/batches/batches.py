"""Batches of few distinct shapes, in an order that seed and epoch alone determine.

An epoch visits every example once. Of mixed datasets it visits a sample, which changes with each
epoch, but its lengths don't, so the shapes stay the same. Unpacked, a batch has one row per
example, padded to one length. Packed, it is a single row with one slot per example; the batch's
shape sets the length of each slot (`bucketing.py`). With 4 examples per batch, 16 packed shapes
offer 64 slot lengths: on long-tailed data, padding is 4 % of the tokens instead of 10 %, and the
largest batch is less than a third as large. A short batch is filled up with untrained examples, so
no example is dropped and no new shape arises.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from app.core.errors import RunError
from app.data.tokens.token_view import TokenView
from app.engine.batches.bucketing import BLANK, MIN_BATCHES, make_buckets

MAX_SHAPES = 16
"""Each shape is traced once, and its graph stays in memory (16–24 MB at 32 layers)."""
MAX_STRATA = 4
"""The most slot lengths of a packed shape: each needs a separate attention call in every layer."""
LENGTH_STEP = 16
"""Unpacked rows have lengths that are multiples of this, except the longest."""
ENOUGH_PADDING = 0.05
"""The largest share of padding at which fewer shapes suffice."""
MAX_CELLS = 2
"""Batches with more than this many times the mean number of cells are split. The rows of a batch
have similar lengths, so with long-tailed data the longest batch has several times the mean's cells
and sets the peak of memory. Few batches are that large, and their parts keep a device busy."""
_BATCHES_A_SHAPE = 4
"""A shape is worth tracing only if an epoch has at least this many batches per shape."""


@dataclass(frozen=True)
class BatchShape:
    """The slots of a batch, one for each example."""

    places: tuple[int, ...]
    """Length of each slot, in tokens, the longest first."""
    is_packed: bool = False
    """Whether all slots share one row; otherwise each slot is a row, and all have one length."""
    splits: int = 1
    """Number of micro-batches for the gradients."""

    @property
    def micro_batch(self) -> "BatchShape":
        """The shape of one of its micro-batches."""
        return replace(self, places=self.places[:: self.splits], splits=1)

    @property
    def longest(self) -> int:
        return self.places[0]

    @property
    def cells(self) -> int:
        return sum(self.places)

    @property
    def size(self) -> tuple[int, int]:
        """Shape of its arrays: rows and length."""
        return (1, self.cells) if self.is_packed else (len(self.places), self.longest)

    @property
    def read_size(self) -> tuple[int, int]:
        """Shape of the model's input: `size` without the last token of each slot."""
        rows, length = self.size
        return rows, length - len(self.places) // rows

    @property
    def input_lengths(self) -> tuple[int, ...]:
        """If packed, the input tokens of each slot; otherwise empty."""
        return tuple(place - 1 for place in self.places) if self.is_packed else ()

    def with_longest(self, length: int) -> "BatchShape":
        """This shape with its longest slot extended to `length`; unpacked, all slots."""
        longest = max(length, self.longest)
        others = self.places[1:] if self.is_packed else (longest,) * (len(self.places) - 1)
        return replace(self, places=(longest, *others))

    def resized(self, batch_size: int, longest: int) -> "BatchShape":
        """The approximate shape for a batch size that divides its own, and a shorter limit."""
        every = self.places[:: len(self.places) // batch_size]
        return BatchShape(tuple(min(place, longest) for place in every), self.is_packed)


@dataclass(frozen=True)
class Batch:
    tokens: npt.NDArray[np.int32]
    """[rows, length], padded with 0."""
    trained: npt.NDArray[np.float32]
    """[rows, length], 1.0 where the token is a target."""
    places: tuple[int, ...] = ()
    """Length of each example's slot in a packed batch, in order; empty if unpacked."""
    splits: int = 1
    """Number of micro-batches, as in `BatchShape`."""

    @property
    def trained_tokens(self) -> int:
        return int(self.trained.sum())

    @property
    def read(self) -> npt.NDArray[np.intp]:
        """Columns of the model's input: all but the last of each slot. The target of each column
        is the column after it."""
        last = [end - 1 for end in _ends(self.places or self.tokens.shape[1:])]
        return np.delete(np.arange(self.tokens.shape[1]), last)

    @property
    def input_lengths(self) -> tuple[int, ...]:
        """If packed, the input tokens of each slot; otherwise empty."""
        return tuple(place - 1 for place in self.places)

    def part(self, examples: Sequence[int]) -> "Batch":
        """A batch of these examples, by index."""
        if not self.places:
            rows = list(examples)
            return replace(self, tokens=self.tokens[rows], trained=self.trained[rows])
        ends = _ends(self.places)
        columns = np.concatenate([np.arange(ends[i] - self.places[i], ends[i]) for i in examples])
        places = tuple(self.places[i] for i in examples)
        return Batch(self.tokens[:, columns], self.trained[:, columns], places)

    def micro_batches(self) -> "Iterator[Batch]":
        """Its rows in `splits` parts, to limit the activations in memory at once."""
        if self.splits == 1:
            yield self
            return
        size = -(-len(self.tokens) // self.splits)
        for start in range(0, len(self.tokens), size):
            rows = slice(start, start + size)
            yield Batch(self.tokens[rows], self.trained[rows])


class BatchLoader:
    """The batches of a dataset, in training order, or each once for evaluation."""

    def __init__(
        self,
        examples: TokenView,
        batch_size: int,
        *,
        is_packed: bool = False,
        has_free_shapes: bool = False,
        splits_large: bool = False,
        vocabulary: int | None = None,
        most_shapes: int = MAX_SHAPES,
    ) -> None:
        """`has_free_shapes` says that nothing is traced, so that additional shapes cost nothing.
        With `splits_large`, batches far above the mean size are split into micro-batches.

        `vocabulary` is the model's number of tokens: `batch` rejects larger ids, for which MLX
        would read memory outside the embedding.
        """
        self._examples, self._vocabulary = examples, vocabulary
        self._batch_size = batch_size
        self._trained_share = examples.trained_tokens / max(1, int(examples.lengths.sum()))
        lengths = examples.epoch_lengths if is_packed else _in_steps(examples.epoch_lengths)
        worth_it = len(self) // (MIN_BATCHES if has_free_shapes else _BATCHES_A_SHAPE)
        self._kinds = make_buckets(
            lengths,
            batch_size,
            strata=MAX_STRATA if is_packed else 1,
            most=min(most_shapes, max(1, worth_it)),
            enough_padding=0.0 if has_free_shapes else ENOUGH_PADDING,
        )
        self.shapes = [BatchShape(kind.places, is_packed) for kind in self._kinds]
        """The distinct shapes of all batches."""
        if splits_large and not is_packed:
            self.shapes = self._with_splits()
        self._smallest_first = sorted(self.shapes, key=lambda shape: shape.cells)

    def __len__(self) -> int:
        """Batches per epoch."""
        return -(-self._examples.rows_per_epoch // self._batch_size)

    def epoch(self, seed: int, epoch: int) -> list[npt.NDArray[np.intp]]:
        """The example indexes of each batch of an epoch (0-based), in training order."""
        random = np.random.default_rng((seed, epoch))
        rows = self._examples.epoch(seed, epoch)
        batches = self._arranged(random)
        return [rows[batches[i]] for i in random.permutation(len(batches))]

    def infinite(self, seed: int, start: int = 0) -> Iterator[Batch]:
        """The run's batches from number `start` (0-based) on, epoch after epoch, without end."""
        epoch, skip = divmod(start, len(self))
        while True:
            for indexes in self.epoch(seed, epoch)[skip:]:
                yield self.batch(indexes)
            epoch, skip = epoch + 1, 0

    def rows_by_dataset(self, seed: int, batches: int) -> list[int]:
        """How many rows of each mixed dataset the run's first `batches` have; empty for a single
        dataset."""
        if (mixing := self._examples.mixing) is None:
            return []
        epochs, rest = divmod(batches, len(self))
        counts = epochs * np.array(mixing.rows_per_dataset)
        for indexes in self.epoch(seed, epochs)[:rest]:
            counts += np.bincount(mixing.dataset_of(indexes), minlength=len(counts))
        return [int(count) for count in counts]

    def once(self) -> Iterator[Batch]:
        """Every example once, in the same batches every time. Not for mixed datasets."""
        assert self._examples.mixing is None
        for indexes in self._arranged(None):
            yield self.batch(indexes)

    def rows_once(self) -> Iterator[npt.NDArray[np.intp]]:
        """The example indexes of each batch of `once`, in the order of its rows."""
        for indexes in self._arranged(None):
            yield self._longest_first(indexes)

    def batch(self, indexes: npt.NDArray[np.intp]) -> Batch:
        """The batch of these examples, the longest first.

        Raises RunError if a token is beyond the vocabulary.
        """
        indexes = self._longest_first(indexes)
        batch = self._empty(self._smallest_shape(self._examples.lengths[indexes]))
        # The longest example goes to the longest slot, and so on, so each fits.
        for index, (row, start) in zip(indexes, _starts(batch), strict=False):
            tokens, spans = self._examples.row_arrays(int(index))
            batch.tokens[row, start : start + len(tokens)] = tokens
            for first, end in spans.tolist():
                batch.trained[row, start + first : start + end] = 1.0
        # Compared as unsigned numbers, so that ids of 2³¹ and more aren't negative.
        if self._vocabulary and batch.tokens.view(np.uint32).max() >= self._vocabulary:
            self._refuse(indexes, self._vocabulary)
        return batch

    def _longest_first(self, indexes: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
        return indexes[np.argsort(-self._examples.lengths[indexes], kind="stable")]

    def _refuse(self, indexes: npt.NDArray[np.intp], vocabulary: int) -> None:
        """Raise RunError that names the first row with a token beyond the vocabulary."""
        for index in indexes.tolist():
            largest = int(self._examples.row_arrays(index)[0].max())
            if largest >= vocabulary:
                raise RunError(
                    f"{self._examples.name(index)}: token {largest:,} is beyond the {vocabulary:,} "
                    "tokens that the model has.",
                    "Train with the tokenizer that belongs to the model.",
                )

    def blank(self, shape: BatchShape) -> Batch:
        """A batch of zeros for tracing this shape, with the dataset's share of trained tokens."""
        batch = self._empty(shape)
        for place, (row, start) in zip(shape.places, _starts(batch), strict=True):
            count = max(1, round(self._trained_share * (place - 1)))
            batch.trained[row, start + 1 : start + 1 + count] = 1.0
        return batch

    def _smallest_shape(self, lengths: npt.NDArray[np.int64]) -> BatchShape:
        """The smallest shape whose slots fit examples of these lengths, the longest first."""
        return next(
            shape
            for shape in self._smallest_first
            if (lengths <= shape.places[: len(lengths)]).all()
        )

    def _with_splits(self) -> list[BatchShape]:
        """The shapes, each split so that no micro-batch has more cells than MAX_CELLS allows."""
        counts = [len(kind.strata[0]) // kind.rows[0] for kind in self._kinds]
        cells = [shape.cells for shape in self.shapes]
        most = MAX_CELLS * np.average(cells, weights=counts)
        rows = self._batch_size
        divisors = [n for n in range(1, rows + 1) if rows % n == 0]
        return [
            replace(
                shape, splits=next((n for n in divisors if shape.cells / n <= most), rows)
            )
            for shape in self.shapes
        ]  # fmt: skip

    def _arranged(self, random: np.random.Generator | None) -> list[npt.NDArray[np.intp]]:
        """For each batch, the indexes of its examples among an epoch's rows."""
        batches = [batch for kind in self._kinds for batch in kind.batches(random)]
        # The first batch of the first kind is the only one that may be short.
        batches[0] = batches[0][batches[0] != BLANK]
        return batches

    def _empty(self, shape: BatchShape) -> Batch:
        tokens, trained = np.zeros(shape.size, np.int32), np.zeros(shape.size, np.float32)
        places = shape.places if shape.is_packed else ()
        return Batch(tokens, trained, places, shape.splits)


def _starts(batch: Batch) -> list[tuple[int, int]]:
    """The row and column where each example's slot begins."""
    if not batch.places:
        return [(row, 0) for row in range(len(batch.tokens))]
    return [(0, end - place) for end, place in zip(_ends(batch.places), batch.places, strict=True)]


def _ends(places: Iterable[int]) -> list[int]:
    """The end column of each slot."""
    return list(accumulate(places))


def _in_steps(lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Lengths rounded up to LENGTH_STEP, at most to the longest: a limit of 2,000 stays 2,000."""
    return np.minimum(-(-lengths // LENGTH_STEP) * LENGTH_STEP, max(2, int(lengths.max())))
