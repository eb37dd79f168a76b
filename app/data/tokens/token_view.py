"""A selection of rows, each truncated at a limit, and its digest."""

import hashlib
from collections.abc import Iterable, Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

from app.data.tokens.mixture_sampling import Mixing
from app.data.tokens.tokenized_examples import (
    LONGEST,
    Ints,
    Rows,
    TokenizedExample,
    TokenRows,
    place_of,
)

_ROWS = 2_000
"""A larger view hashes the tokens of only this many rows, and the lengths and target counts of all.
"""


class TokenView:
    """Selected rows, each truncated at a limit."""

    def __init__(
        self,
        rows: Rows,
        chosen: npt.NDArray[np.intp],
        limit: int,
        mixing: Mixing | None = None,
        files: Sequence[tuple[int, str]] = (),
    ) -> None:
        """`mixing` chooses an epoch's rows; without it, an epoch has all rows.

        `files` has, for each file, the index of its first row in `rows`, and its name.
        """
        self._rows, self._files = rows, files
        self._chosen = chosen
        self._limit = limit
        self.mixing = mixing
        self.lengths: Ints = np.minimum(rows.lengths[chosen], limit).astype(np.int64)
        """[rows], in tokens."""

    @classmethod
    def of(cls, examples: Iterable[TokenizedExample], limit: int = LONGEST) -> "TokenView":
        rows = TokenRows.of(list(examples))
        return cls(rows, np.arange(len(rows)), limit)

    def part(self, indexes: npt.NDArray[np.intp]) -> "TokenView":
        """A view of the rows at these indexes; not for mixed datasets."""
        return TokenView(self._rows, self._chosen[indexes], self._limit, files=self._files)

    def __len__(self) -> int:
        return len(self._chosen)

    @property
    def digests(self) -> npt.NDArray[np.uint64]:
        """[rows]"""
        return self._rows.digests[self._chosen]

    @property
    def notes(self) -> npt.NDArray[np.uint16]:
        """[rows]: each a RowNote."""
        return self._rows.notes[self._chosen]

    @property
    def cut_count(self) -> int:
        """The number of rows longer than the limit."""
        return int((self._rows.lengths[self._chosen] > self._limit).sum())

    def __getitem__(self, index: int) -> TokenizedExample:
        tokens, spans = self.row_arrays(index)
        row = self._chosen[index]
        return TokenizedExample(
            tokens=tuple(tokens.tolist()),
            trained=tuple((start, end) for start, end in spans.tolist()),
            place=place_of(self._rows, row),
            last_reply_only=bool(self._rows.last_reply_only[row]),
            digest=int(self._rows.digests[row]),
            notes=int(self._rows.notes[row]),
        )

    def row_arrays(self, index: int) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]]:
        """The tokens of a row, and its spans, [spans, 2]; no copies unless the row is truncated."""
        row = int(self._chosen[index])
        tokens, spans = self._rows.tokens_of(row, self._limit), self._rows.spans_of(row)
        if int(self._rows.lengths[row]) > self._limit:
            spans = np.minimum(spans[spans[:, 0] < self._limit], self._limit)
        return tokens, spans

    def name(self, index: int) -> str:
        """The row's file and location, such as "chats.jsonl, line 7"."""
        row = int(self._chosen[index])
        names = [name for begin, name in self._files if begin <= row]
        return ", ".join([*names[-1:], str(place_of(self._rows, row))])

    @property
    def rows_per_epoch(self) -> int:
        return self.mixing.rows_per_epoch if self.mixing else len(self)

    def epoch(self, seed: int, epoch: int) -> npt.NDArray[np.intp]:
        """[rows_per_epoch]: the indexes of an epoch's rows."""
        if self.mixing:
            return self.mixing.epoch(seed, epoch, self.lengths)
        return np.arange(len(self))

    @property
    def epoch_lengths(self) -> Ints:
        """[rows_per_epoch]: upper bounds of the rows' lengths in tokens, equal in all epochs."""
        return self.mixing.max_lengths(self.lengths) if self.mixing else self.lengths

    @cached_property
    def trained_tokens(self) -> int:
        return int(self.trained_counts.sum())

    @cached_property
    def trained_counts(self) -> Ints:
        """[rows]: the number of trained tokens of each row."""
        return self._rows.trained_counts(self._limit)[self._chosen]


def tokens_digest(*views: TokenView) -> str:
    """SHA-256 of the rows' tokens and targets, to detect changes by a template or a library."""
    digest = hashlib.sha256()
    for view in views:
        for counts in (view.lengths, view.trained_counts):
            digest.update(np.ascontiguousarray(counts, np.int64).tobytes())
        for row in np.linspace(0, len(view) - 1, min(len(view), _ROWS), dtype=np.int64):
            for array in view.row_arrays(int(row)):
                digest.update(np.ascontiguousarray(array, np.uint32).tobytes())
        digest.update(b"|")
    return digest.hexdigest()
