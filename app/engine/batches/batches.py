"""Batches of few distinct shapes, in an order decided by seed and epoch alone.

Every epoch visits every example exactly once, or those that a mixing of datasets takes: others in
each epoch, but none longer than in any other, so that the shapes stay. A batch is a row for each
example, padded to one length; or, packed, a single row in which each example has a place of its
own, padded to that of the few lengths that its shape has there (`bucketing.py`). Packed,
16 shapes offer 64 lengths where a batch has 4 examples: on long-tailed data 4 % of what is computed
is padding, not 10 %, and the largest batch is less than a third as large. A batch that is short is
filled up with examples in which nothing is trained, so that none is lost and no new shape arises.
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
"""The most lengths of a packed shape: each needs its own attention in every layer."""
LENGTH_STEP = 16
"""Rows of their own have lengths that are multiples of this, but for the longest."""
ENOUGH_PADDING = 0.05
"""The largest share of padding at which fewer shapes suffice."""
MAX_CELLS = 2
"""Times the mean batch: larger ones are split. Rows of long-tailed data are of similar length in a
batch, so the longest batch, which decides the peak of memory, has several times the mean's cells.
Few batches are that large, and their parts keep a device busy."""
_BATCHES_A_SHAPE = 4
"""A shape that fewer batches of an epoch have isn't worth its tracing."""


@dataclass(frozen=True)
class BatchShape:
    """Where the examples of a batch lie."""

    places: tuple[int, ...]
    """The room for each example, in tokens, the longest first."""
    is_packed: bool = False
    """One after the other in a single row; otherwise each in a row, and all places are equal."""
    splits: int = 1
    """Into how many micro-batches its rows are split for their gradients."""

    @property
    def micro_batch(self) -> "BatchShape":
        """The shape of which a step computes gradients at once."""
        return replace(self, places=self.places[:: self.splits], splits=1)

    @property
    def longest(self) -> int:
        return self.places[0]

    @property
    def cells(self) -> int:
        return sum(self.places)

    @property
    def size(self) -> tuple[int, int]:
        """Rows and length of its arrays."""
        return (1, self.cells) if self.is_packed else (len(self.places), self.longest)

    @property
    def read_size(self) -> tuple[int, int]:
        """The lengths that the model reads: all but the last token of each slot."""
        rows, length = self.size
        return rows, length - len(self.places) // rows

    @property
    def input_lengths(self) -> tuple[int, ...]:
        """If packed, of each place; otherwise none."""
        return tuple(place - 1 for place in self.places) if self.is_packed else ()

    def with_longest(self, length: int) -> "BatchShape":
        """This shape with a slot for an example of this length."""
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
    """Of a packed batch, which is a single row: the length of each example's place, in order."""
    splits: int = 1
    """As of its `BatchShape`."""

    @property
    def trained_tokens(self) -> int:
        return int(self.trained.sum())

    @property
    def read(self) -> npt.NDArray[np.intp]:
        """The columns that the model reads, all but the last of each example: the token that each
        is to predict stands in the column after it."""
        last = [end - 1 for end in _ends(self.places or self.tokens.shape[1:])]
        return np.delete(np.arange(self.tokens.shape[1]), last)

    @property
    def input_lengths(self) -> tuple[int, ...]:
        """Of a packed batch: how many tokens the model reads of each place."""
        return tuple(place - 1 for place in self.places)

    def part(self, examples: Sequence[int]) -> "Batch":
        """Some of its examples, by number."""
        if not self.places:
            rows = list(examples)
            return replace(self, tokens=self.tokens[rows], trained=self.trained[rows])
        ends = _ends(self.places)
        columns = np.concatenate([np.arange(ends[i] - self.places[i], ends[i]) for i in examples])
        places = tuple(self.places[i] for i in examples)
        return Batch(self.tokens[:, columns], self.trained[:, columns], places)

    def micro_batches(self) -> "Iterator[Batch]":
        """Its rows in `splits` parts, so that the activations of one part exist at a time."""
        if self.splits == 1:
            yield self
            return
        size = -(-len(self.tokens) // self.splits)
        for start in range(0, len(self.tokens), size):
            rows = slice(start, start + size)
            yield Batch(self.tokens[rows], self.trained[rows])


class BatchLoader:
    """The batches of a dataset, addressed by number, or each once for evaluation."""

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
        """`has_free_shapes` where nothing is traced: then a shape more costs nothing.

        `splits_large`: gradients of batches far above the mean are computed in parts.

        `vocabulary`: how many tokens the model has. A batch with a token beyond them would read
        memory that is not the model's; it is refused.
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
        """The example indexes of each batch of epoch `epoch` (0-based), in training order."""
        random = np.random.default_rng((seed, epoch))
        rows = self._examples.epoch(seed, epoch)
        batches = self._arranged(random)
        return [rows[batches[i]] for i in random.permutation(len(batches))]

    def infinite(self, seed: int, start: int = 0) -> Iterator[Batch]:
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
        counts = epochs * np.array(mixing.rows_per_dataset)
        for indexes in self.epoch(seed, epochs)[:rest]:
            counts += np.bincount(mixing.dataset_of(indexes), minlength=len(counts))
        return [int(count) for count in counts]

    def once(self) -> Iterator[Batch]:
        """Every example once; the same batches every time. Not of mixed datasets."""
        assert self._examples.mixing is None
        for indexes in self._arranged(None):
            yield self.batch(indexes)

    def rows_once(self) -> Iterator[npt.NDArray[np.intp]]:
        """The examples of each batch of `once`, in the order of its rows."""
        for indexes in self._arranged(None):
            yield self._longest_first(indexes)

    def batch(self, indexes: npt.NDArray[np.intp]) -> Batch:
        """The examples of one of an epoch's batches, the longest first. Raises RunError."""
        indexes = self._longest_first(indexes)
        batch = self._empty(self._smallest_shape(self._examples.lengths[indexes]))
        # The longest example goes to the longest slot, and so on, so each fits.
        for index, (row, start) in zip(indexes, _starts(batch), strict=False):
            tokens, spans = self._examples.row_arrays(int(index))
            batch.tokens[row, start : start + len(tokens)] = tokens
            for first, end in spans.tolist():
                batch.trained[row, start + first : start + end] = 1.0
        # As they are stored, without a sign: the largest ones are not below 0 then.
        if self._vocabulary and batch.tokens.view(np.uint32).max() >= self._vocabulary:
            self._refuse(indexes, self._vocabulary)
        return batch

    def _longest_first(self, indexes: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
        return indexes[np.argsort(-self._examples.lengths[indexes], kind="stable")]

    def _refuse(self, indexes: npt.NDArray[np.intp], vocabulary: int) -> None:
        """Name the first row that holds a token beyond the vocabulary."""
        for index in indexes.tolist():
            largest = int(self._examples.row_arrays(index)[0].max())
            if largest >= vocabulary:
                raise RunError(
                    f"{self._examples.name(index)}: token {largest:,} is beyond the {vocabulary:,} "
                    "tokens that the model has.",
                    "Train with the tokenizer that belongs to the model.",
                )

    def blank(self, shape: BatchShape) -> Batch:
        """A batch of this shape for tracing, with as many trained tokens as are likely."""
        batch = self._empty(shape)
        for place, (row, start) in zip(shape.places, _starts(batch), strict=True):
            count = max(1, round(self._trained_share * (place - 1)))
            batch.trained[row, start + 1 : start + 1 + count] = 1.0
        return batch

    def _smallest_shape(self, lengths: npt.NDArray[np.int64]) -> BatchShape:
        """The smallest shape with a place for each of a batch's examples, the longest first."""
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
        """Of each batch, which of an epoch's rows it holds."""
        batches = [batch for kind in self._kinds for batch in kind.batches(random)]
        # The first batch of the first kind is the only one that may be short.
        batches[0] = batches[0][batches[0] != BLANK]
        return batches

    def _empty(self, shape: BatchShape) -> Batch:
        tokens, trained = np.zeros(shape.size, np.int32), np.zeros(shape.size, np.float32)
        places = shape.places if shape.is_packed else ()
        return Batch(tokens, trained, places, shape.splits)


def _starts(batch: Batch) -> list[tuple[int, int]]:
    """The row and the column at which each example's place begins."""
    if not batch.places:
        return [(row, 0) for row in range(len(batch.tokens))]
    return [(0, end - place) for end, place in zip(_ends(batch.places), batch.places, strict=True)]


def _ends(places: Iterable[int]) -> list[int]:
    """The column after each place."""
    return list(accumulate(places))


def _in_steps(lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Lengths rounded up, except for the longest: a limit of 2,000 is still 2,000."""
    return np.minimum(-(-lengths // LENGTH_STEP) * LENGTH_STEP, max(2, int(lengths.max())))
