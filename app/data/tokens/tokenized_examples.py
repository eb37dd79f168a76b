"""Tokenized examples as single values and as arrays of many rows.

The tokens may stay on disk and be read row by row.
"""

from array import array
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Protocol

import numpy as np
import numpy.typing as npt

from app.data.row_values import RowLocation

Ints = npt.NDArray[np.int64]
LONGEST = 2**31
"""The longest possible row, in tokens."""


@dataclass(frozen=True)
class TokenizedExample:
    """One example as the model sees it."""

    tokens: tuple[int, ...]
    trained: tuple[tuple[int, int], ...]
    """Half-open spans of target positions p >= 1; token p is predicted from those before it."""
    place: RowLocation
    last_reply_only: bool = False
    """Whether earlier replies are not trained because the template changes them when more turns
    follow."""
    digest: int = 0
    """A 64-bit hash of the row's content."""
    notes: int = 0
    """A RowNote."""

    @property
    def length(self) -> int:
        return len(self.tokens)

    @property
    def trained_tokens(self) -> int:
        return sum(end - start for start, end in self.trained)


class Tokens(Protocol):
    """An array, [tokens], or an object that reads slices of one from disk."""

    def __len__(self) -> int: ...
    def __getitem__(self, part: slice, /) -> npt.NDArray[np.uint32]: ...


@dataclass(frozen=True)
class TokenRows:
    """Rows in the order of their file, not truncated."""

    tokens: Tokens
    """The tokens of all rows, one row after the other."""
    lengths: npt.NDArray[np.uint32]
    """[rows]"""
    spans: npt.NDArray[np.uint32]
    """[spans, 2]: the target spans of all rows, as in TokenizedExample."""
    span_counts: npt.NDArray[np.uint32]
    """[rows]"""
    places: npt.NDArray[np.int64]
    """[rows, 2]: each a RowLocation."""
    digests: npt.NDArray[np.uint64]
    """[rows]"""
    last_reply_only: npt.NDArray[np.bool_]
    """[rows]"""
    notes: npt.NDArray[np.uint16]
    """[rows]: each a RowNote."""

    def __len__(self) -> int:
        return len(self.lengths)

    @cached_property
    def starts(self) -> Ints:
        """[rows + 1]: the start of each row's tokens."""
        return _starts(self.lengths)

    @cached_property
    def span_starts(self) -> Ints:
        """[rows + 1]: the start of each row's spans."""
        return _starts(self.span_counts)

    def tokens_of(self, row: int, most: int = LONGEST) -> npt.NDArray[np.uint32]:
        """A row's tokens, at most the first `most`."""
        start = int(self.starts[row])
        return self.tokens[start : start + min(int(self.lengths[row]), most)]

    def spans_of(self, row: int) -> npt.NDArray[np.uint32]:
        """[spans, 2]: a row's target spans."""
        return self.spans[self.span_starts[row] : self.span_starts[row + 1]]

    def trained_counts(self, limit: int) -> Ints:
        """[rows]: the number of trained tokens of each row, truncated at `limit`."""
        within = np.minimum(self.spans.astype(np.int64), limit)
        total = np.concatenate(([0], np.cumsum(within[:, 1] - within[:, 0])))
        return total[self.span_starts[1:]] - total[self.span_starts[:-1]]

    @classmethod
    def of(cls, examples: Sequence[TokenizedExample]) -> "TokenRows":
        tokens = array("I")  # fills from tuples several times as fast as a numpy array
        for example in examples:
            tokens.extend(example.tokens)
        spans = [span for example in examples for span in example.trained]
        return cls(
            tokens=np.frombuffer(tokens, np.uint32),
            lengths=np.array([example.length for example in examples], np.uint32),
            spans=np.array(spans, np.uint32).reshape(-1, 2),
            span_counts=np.array([len(example.trained) for example in examples], np.uint32),
            places=np.array([example.place for example in examples], np.int64).reshape(-1, 2),
            digests=np.array([example.digest for example in examples], np.uint64),
            last_reply_only=np.array([example.last_reply_only for example in examples], np.bool_),
            notes=np.array([example.notes for example in examples], np.uint16),
        )


def concat_in_memory(parts: Sequence[TokenRows]) -> TokenRows:
    """Concatenate rows in memory."""
    arrays = {
        name: np.concatenate([getattr(part, name)[:] for part in parts])
        for name in TokenRows.__dataclass_fields__
    }
    return TokenRows(**arrays)


class Rows(Protocol):
    """The interface of TokenRows and ConcatRows."""

    @property
    def lengths(self) -> npt.NDArray[np.uint32]: ...
    @property
    def places(self) -> npt.NDArray[np.int64]: ...
    @property
    def digests(self) -> npt.NDArray[np.uint64]: ...
    @property
    def last_reply_only(self) -> npt.NDArray[np.bool_]: ...
    @property
    def notes(self) -> npt.NDArray[np.uint16]: ...

    def __len__(self) -> int: ...
    def tokens_of(self, row: int, most: int = LONGEST) -> npt.NDArray[np.uint32]: ...
    def spans_of(self, row: int) -> npt.NDArray[np.uint32]: ...
    def trained_counts(self, limit: int) -> Ints: ...


def are_further_examples(places: Ints) -> npt.NDArray[np.bool_]:
    """[rows]: whether an example has the same location, and so the same chat, as the one before."""
    are_further = np.zeros(len(places), np.bool_)
    are_further[1:] = (places[1:] == places[:-1]).all(axis=1)
    return are_further


def place_of(rows: Rows, row: int) -> RowLocation:
    """The location of a row in its file."""
    return RowLocation(*rows.places[row].tolist())


def _starts(counts: npt.NDArray[np.uint32]) -> Ints:
    return np.concatenate((np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)))


class ConcatRows:
    """Concatenated rows of several files; tokens and spans are not copied."""

    def __init__(self, parts: Sequence[Rows]) -> None:
        self._parts = parts
        self._begins = [0, *accumulate(len(part) for part in parts)]
        self.lengths = np.concatenate([part.lengths for part in parts])
        self.places = np.concatenate([part.places for part in parts])
        self.digests = np.concatenate([part.digests for part in parts])
        self.last_reply_only = np.concatenate([part.last_reply_only for part in parts])
        self.notes = np.concatenate([part.notes for part in parts])

    def __len__(self) -> int:
        return self._begins[-1]

    def tokens_of(self, row: int, most: int = LONGEST) -> npt.NDArray[np.uint32]:
        part, within = self._place(row)
        return part.tokens_of(within, most)

    def spans_of(self, row: int) -> npt.NDArray[np.uint32]:
        part, within = self._place(row)
        return part.spans_of(within)

    def trained_counts(self, limit: int) -> Ints:
        return np.concatenate([part.trained_counts(limit) for part in self._parts])

    def _place(self, row: int) -> tuple[Rows, int]:
        part = bisect_right(self._begins, row) - 1
        return self._parts[part], row - self._begins[part]


def concat_rows(parts: Sequence[Rows]) -> Rows:
    return parts[0] if len(parts) == 1 else ConcatRows(parts)
