"""How rows fare under every limit on their length: asked in microseconds, whatever their number.

All is kept by distinct length or place, so that a million rows take no more room than a thousand.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from app.data.tokens.rows import Ints, TokenRows


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
    begun_tokens_up_to: Ints
    """The tokens of these rows."""
    last_replies_up_to: Ints
    """How many of these rows are trained on their last reply only."""
    trained_places: Ints
    """Where trained spans begin or end."""
    trained_before: Ints
    """Trained tokens of all rows before that place."""

    @classmethod
    def of(cls, parts: "Sequence[tuple[TokenRows, npt.NDArray[np.intp]]]") -> "LengthCurves":
        """Of each part the rows with these indexes; every row has a trained span."""
        own_lengths = _together([rows.lengths[chosen] for rows, chosen in parts])
        lengths, counts = np.unique(own_lengths, return_counts=True)
        first = _together([rows.spans[rows.span_starts[:-1][chosen], 0] for rows, chosen in parts])
        last_only = _together([rows.last_reply_only[chosen] for rows, chosen in parts])
        begins, begun = np.unique(first, return_inverse=True)
        places, before = _trained(_together([_spans_of(*part) for part in parts]).reshape(-1, 2))
        return cls(
            lengths=lengths,
            rows_up_to=np.cumsum(counts),
            tokens_up_to=np.cumsum(counts * lengths),
            first_trained=begins,
            begun_up_to=_up_to_each(begun, np.ones_like(first), len(begins)),
            begun_tokens_up_to=_up_to_each(begun, own_lengths, len(begins)),
            last_replies_up_to=_up_to_each(begun, last_only, len(begins)),
            trained_places=places,
            trained_before=before,
        )

    @property
    def rows(self) -> int:
        return _last(self.rows_up_to)

    @property
    def shortest(self) -> int:
        return int(self.lengths[0]) if len(self.lengths) else 0

    @property
    def longest(self) -> int:
        return _last(self.lengths)

    def rows_longer_than(self, limit: int) -> int:
        return self.rows - _up_to(self.lengths, self.rows_up_to, limit)

    def longer_than(self, length: int, limit: int) -> int:
        """Rows that are trained on and are longer than `length`, cut at the limit."""
        return self.rows_longer_than(length) - self.useless(limit) if length < limit else 0

    def useless(self, limit: int) -> int:
        """Rows of which nothing is left to train on; a limit of n keeps the places 0 to n - 1."""
        return self.rows - _up_to(self.first_trained, self.begun_up_to, limit - 1)

    def cut(self, limit: int) -> int:
        """Rows that lose their end and are trained on all the same."""
        return self.rows_longer_than(limit) - self.useless(limit)

    def kept(self, limit: int) -> int:
        """Rows that are trained on."""
        return self.rows - self.useless(limit)

    def kept_tokens(self, limit: int) -> int:
        """Of the rows that are trained on, cut at the limit; all others are longer than it."""
        whole = _up_to(self.lengths, self.tokens_up_to, limit)
        return whole + limit * self.cut(limit)

    def cut_off(self, limit: int) -> int:
        """Tokens that the rows which are trained on lose."""
        whole = _up_to(self.first_trained, self.begun_tokens_up_to, limit - 1)
        return whole - self.kept_tokens(limit)

    def last_reply_only(self, limit: int) -> int:
        """Of the rows that are trained on."""
        return _up_to(self.first_trained, self.last_replies_up_to, limit - 1)

    def trained_within(self, limit: int) -> int:
        if not len(self.trained_places):
            return 0
        return round(float(np.interp(limit, self.trained_places, self.trained_before, left=0.0)))

    def length_at(self, share: float, limit: int) -> int:
        """The length that this share of the rows that are trained on has at most, cut at the
        limit: the median with 0.5."""
        if not (rows := self.kept(limit)):
            return 0
        wanted = max(1, int(np.ceil(share * rows)))
        if wanted > _up_to(self.lengths, self.rows_up_to, limit):
            return limit
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


def _up_to_each(inverse: npt.NDArray[np.intp], values: Ints, distinct: int) -> Ints:
    """[distinct]: the sum of the values at each distinct place, or at one before."""
    sums = np.zeros(distinct, np.int64)
    np.add.at(sums, inverse, values)
    return np.cumsum(sums)


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
