"""The distribution of row lengths; gives the effect of any length limit in microseconds.

It stores values per distinct length or position, so memory use does not grow with the number of
rows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.data.tokens.tokenized_examples import Ints, TokenRows


@dataclass(frozen=True)
class Curve:
    """A cumulative sum over rows, as a function of a position in tokens."""

    places: Ints
    """Ascending distinct positions."""
    sums: Ints
    """The sum of all values up to each position."""

    def at(self, limit: int) -> int:
        index = int(np.searchsorted(self.places, limit, side="right"))
        return int(self.sums[index - 1]) if index else 0


def _curves(places: Ints, *values: Ints) -> Iterator[Curve]:
    """A curve for each of the `values`, arrays with a value per place; places may repeat."""
    distinct, group = np.unique(places, return_inverse=True)
    for each in values:
        sums = np.zeros(len(distinct), np.int64)
        np.add.at(sums, group, each)
        yield Curve(distinct, np.cumsum(sums))


@dataclass(frozen=True)
class LengthDistribution:
    lengths: Curve
    """Rows up to a length."""
    tokens: Curve
    """Tokens of the rows up to a length."""
    started_rows: Curve
    """Rows with their first target at or before a position."""
    started_tokens: Curve
    """Tokens of the rows in `started_rows`."""
    last_reply_rows: Curve
    """Rows in `started_rows` that are trained on their last reply only."""
    span_edges: Ints
    """Ascending starts and ends of target spans."""
    targets_before_edge: Ints
    """Targets of all rows before each edge."""

    @classmethod
    def of(cls, parts: "Sequence[tuple[TokenRows, npt.NDArray[np.intp]]]") -> "LengthDistribution":
        """From pairs of rows and the indexes to count; every row has a target span."""
        lengths = _concat([rows.lengths[chosen] for rows, chosen in parts])
        first = _concat([rows.spans[rows.span_starts[:-1][chosen], 0] for rows, chosen in parts])
        last_only = _concat([rows.last_reply_only[chosen] for rows, chosen in parts])
        edges, before = _target_curve(_concat([_spans_of(*part) for part in parts]).reshape(-1, 2))
        ones = np.ones_like(lengths)
        up_to, tokens = _curves(lengths, ones, lengths)
        started, started_tokens, last_reply = _curves(first, ones, lengths, last_only)
        return cls(up_to, tokens, started, started_tokens, last_reply, edges, before)

    @property
    def rows(self) -> int:
        return self.lengths.at(self.longest)

    @property
    def shortest(self) -> int:
        return int(self.lengths.places[0]) if len(self.lengths.places) else 0

    @property
    def longest(self) -> int:
        return int(self.lengths.places.max(initial=0))

    def rows_longer_than(self, limit: int) -> int:
        return self.rows - self.lengths.at(limit)

    def usable_rows_longer_than(self, length: int, limit: int) -> int:
        """Usable rows that are longer than `length` after truncation at the limit."""
        return self.rows_longer_than(length) - self.untrainable_rows(limit) if length < limit else 0

    def untrainable_rows(self, limit: int) -> int:
        """Rows without a target within the limit, that is at positions 0 to limit - 1."""
        return self.rows - self.usable_rows(limit)

    def truncated_rows(self, limit: int) -> int:
        """Usable rows that are longer than the limit."""
        return self.rows_longer_than(limit) - self.untrainable_rows(limit)

    def usable_rows(self, limit: int) -> int:
        """Rows with a target within the limit."""
        return self.started_rows.at(limit - 1)

    def usable_tokens(self, limit: int) -> int:
        """Tokens of the usable rows after truncation."""
        # All unusable rows are longer than the limit.
        return self.tokens.at(limit) + limit * self.truncated_rows(limit)

    def truncated_tokens(self, limit: int) -> int:
        """Tokens that truncation removes from the usable rows."""
        return self.started_tokens.at(limit - 1) - self.usable_tokens(limit)

    def last_reply_only_rows(self, limit: int) -> int:
        """Usable rows that are trained on their last reply only."""
        return self.last_reply_rows.at(limit - 1)

    def trained_tokens_at(self, limit: int) -> int:
        if not len(self.span_edges):
            return 0
        return round(float(np.interp(limit, self.span_edges, self.targets_before_edge, left=0.0)))

    def length_at(self, share: float, limit: int) -> int:
        """The quantile `share` of the usable rows' lengths after truncation; 0.5 is the median."""
        if not (rows := self.usable_rows(limit)):
            return 0
        wanted = max(1, int(np.ceil(share * rows)))
        if wanted > self.lengths.at(limit):
            return limit
        return int(self.lengths.places[int(np.searchsorted(self.lengths.sums, wanted))])

    def counts(self, edges: npt.NDArray[np.int64]) -> Ints:
        """[edges - 1]: the number of rows with a length from one edge to below the next."""
        return np.diff([self.lengths.at(int(edge) - 1) for edge in edges])


def _concat(arrays: Sequence[npt.NDArray[np.generic]]) -> Ints:
    return np.concatenate([np.zeros(0, np.int64), *(array.ravel() for array in arrays)]).astype(
        np.int64
    )


def _spans_of(rows: TokenRows, chosen: npt.NDArray[np.intp]) -> npt.NDArray[np.int64]:
    is_chosen = np.zeros(len(rows), np.bool_)
    is_chosen[chosen] = True
    return rows.spans[np.repeat(is_chosen, rows.span_counts)].astype(np.int64)


def _target_curve(spans: npt.NDArray[np.int64]) -> tuple[Ints, Ints]:
    """Edges of spans, and the number of targets before each, which grows linearly in between."""
    (open_spans,) = _curves(spans.ravel(), np.tile([1, -1], len(spans)))
    growth = open_spans.sums[:-1] * np.diff(open_spans.places)
    before = np.concatenate((np.zeros(1, np.int64), np.cumsum(growth)))
    return open_spans.places, before[: len(open_spans.places)]
