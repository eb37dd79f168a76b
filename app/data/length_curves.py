"""How rows fare under every limit on their length: asked in microseconds, whatever their number.

All is kept by distinct length or place, so that a million rows take no more room than a thousand.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from app.data.token_rows import Ints, TokenRows


@dataclass(frozen=True)
class LengthCurves:
    """Lengths and places are in tokens, ascending and distinct."""

    lengths: Ints
    """Of the rows."""
    rows_up_to: Ints
    """How many rows have the length at the same place, or less."""
    tokens_up_to: Ints
    """The tokens of these rows."""
    first_trained: Ints
    """Where rows have their first trained token."""
    begun_up_to: Ints
    """How many rows have it at the same place, or before."""
    trained_places: Ints
    """Where trained spans begin or end."""
    trained_before: Ints
    """Trained tokens of all rows before that place."""

    @classmethod
    def of(cls, parts: "Sequence[tuple[TokenRows, npt.NDArray[np.intp]]]") -> "LengthCurves":
        """Of each part the rows with these indexes; every row has a trained span."""
        lengths, counts = _counted([rows.lengths[chosen] for rows, chosen in parts])
        begins, begun = _counted(
            [rows.spans[rows.span_starts[:-1][chosen], 0] for rows, chosen in parts]
        )
        places, before = _trained(_together([_spans_of(*part) for part in parts]).reshape(-1, 2))
        return cls(
            lengths, np.cumsum(counts), np.cumsum(counts * lengths), begins, np.cumsum(begun),
            places, before,
        )  # fmt: skip

    @property
    def rows(self) -> int:
        return _last(self.rows_up_to)

    @property
    def tokens(self) -> int:
        """Uncut."""
        return _last(self.tokens_up_to)

    @property
    def longest(self) -> int:
        return _last(self.lengths)

    @property
    def trained_tokens(self) -> int:
        """Uncut."""
        return _last(self.trained_before)

    def rows_longer_than(self, limit: int) -> int:
        return self.rows - _up_to(self.lengths, self.rows_up_to, limit)

    def useless(self, limit: int) -> int:
        """Rows of which nothing is left to train on; a limit of n keeps the places 0 to n - 1."""
        return self.rows - _up_to(self.first_trained, self.begun_up_to, limit - 1)

    def cut(self, limit: int) -> int:
        """Rows that lose their end and are trained on all the same."""
        return self.rows_longer_than(limit) - self.useless(limit)

    def kept(self, limit: int) -> int:
        """Rows that are trained on."""
        return self.rows - self.useless(limit)

    def tokens_within(self, limit: int) -> int:
        whole = _up_to(self.lengths, self.tokens_up_to, limit)
        return whole + limit * self.rows_longer_than(limit)

    def kept_tokens_within(self, limit: int) -> int:
        """Of the rows that are trained on; the others are longer than the limit, all of them."""
        return self.tokens_within(limit) - limit * self.useless(limit)

    def trained_within(self, limit: int) -> int:
        if not len(self.trained_places):
            return 0
        return round(float(np.interp(limit, self.trained_places, self.trained_before, left=0.0)))

    def length_at(self, share: float) -> int:
        """The length that this share of the rows has at most: the median with 0.5."""
        if not self.rows:
            return 0
        wanted = max(1, int(np.ceil(share * self.rows)))
        return int(self.lengths[int(np.searchsorted(self.rows_up_to, wanted))])

    def counts(self, edges: npt.NDArray[np.int64]) -> Ints:
        """[edges - 1]: rows with a length from one edge up to, not with, the next."""
        up_to = np.concatenate(([0], self.rows_up_to))
        below = up_to[np.searchsorted(self.lengths, edges, side="left")]
        return np.diff(below)


def _together(arrays: Sequence[npt.NDArray[Any]]) -> Ints:
    return np.concatenate([np.zeros(0, np.int64), *(array.ravel() for array in arrays)]).astype(
        np.int64
    )


def _counted(arrays: Sequence[npt.NDArray[Any]]) -> tuple[Ints, Ints]:
    """The distinct values of all, and how often each is there."""
    return np.unique(_together(arrays), return_counts=True)


def _spans_of(rows: TokenRows, chosen: npt.NDArray[np.intp]) -> npt.NDArray[np.int64]:
    if len(chosen) == len(rows):
        return rows.spans.astype(np.int64)
    is_chosen = np.zeros(len(rows), np.bool_)
    is_chosen[chosen] = True
    return rows.spans[np.repeat(is_chosen, rows.span_counts)].astype(np.int64)


def _trained(spans: npt.NDArray[np.int64]) -> tuple[Ints, Ints]:
    """Places, and the trained tokens before each: between two places they grow evenly."""
    if not len(spans):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    places, at = np.unique(spans.ravel(), return_inverse=True)
    change = np.zeros(len(places), np.int64)
    np.add.at(change, at.reshape(-1, 2)[:, 0], 1)
    np.add.at(change, at.reshape(-1, 2)[:, 1], -1)
    growth = np.cumsum(change)[:-1] * np.diff(places)
    return places, np.concatenate((np.zeros(1, np.int64), np.cumsum(growth)))


def _up_to(places: Ints, counts: Ints, limit: int) -> int:
    index = int(np.searchsorted(places, limit, side="right"))
    return int(counts[index - 1]) if index else 0


def _last(values: Ints) -> int:
    return int(values[-1]) if len(values) else 0
