"""The distribution of row lengths: the effect of any length limit, in microseconds.

Values are kept per distinct length or position, so a million rows take no more room than a
thousand.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.data.tokens.tokenized_examples import Ints, TokenRows


@dataclass(frozen=True)
class LengthDistribution:
    """Lengths and positions are in tokens, ascending and distinct."""

    lengths: Ints
    """Lengths of rows."""
    cumulative_rows: Ints
    """Rows of this length or less."""
    cumulative_tokens: Ints
    """Tokens of these rows."""
    first_targets: Ints
    """Positions of a row's first target."""
    cumulative_started_rows: Ints
    """Rows whose first target is at this position or before."""
    cumulative_started_tokens: Ints
    """Tokens of these rows."""
    cumulative_last_reply_rows: Ints
    """Those of these rows that are trained on their last reply only."""
    span_edges: Ints
    """Starts and ends of target spans."""
    targets_before_edge: Ints
    """Targets of all rows before this position."""

    @classmethod
    def of(cls, parts: "Sequence[tuple[TokenRows, npt.NDArray[np.intp]]]") -> "LengthDistribution":
        """From the rows with these indexes in each part; every row has a target span."""
        own_lengths = _concat([rows.lengths[chosen] for rows, chosen in parts])
        lengths, counts = np.unique(own_lengths, return_counts=True)
        first = _concat([rows.spans[rows.span_starts[:-1][chosen], 0] for rows, chosen in parts])
        last_only = _concat([rows.last_reply_only[chosen] for rows, chosen in parts])
        starts, group = np.unique(first, return_inverse=True)
        places, before = _target_curve(_concat([_spans_of(*part) for part in parts]).reshape(-1, 2))
        return cls(
            lengths=lengths,
            cumulative_rows=np.cumsum(counts),
            cumulative_tokens=np.cumsum(counts * lengths),
            first_targets=starts,
            cumulative_started_rows=_cumulative_sums(group, np.ones_like(first), len(starts)),
            cumulative_started_tokens=_cumulative_sums(group, own_lengths, len(starts)),
            cumulative_last_reply_rows=_cumulative_sums(group, last_only, len(starts)),
            span_edges=places,
            targets_before_edge=before,
        )

    @property
    def rows(self) -> int:
        return _last(self.cumulative_rows)

    @property
    def shortest(self) -> int:
        return int(self.lengths[0]) if len(self.lengths) else 0

    @property
    def longest(self) -> int:
        return _last(self.lengths)

    def rows_longer_than(self, limit: int) -> int:
        return self.rows - _cumulative_at(self.lengths, self.cumulative_rows, limit)

    def usable_rows_longer_than(self, length: int, limit: int) -> int:
        """Usable rows that are longer than `length`, cut at the limit."""
        return self.rows_longer_than(length) - self.untrainable_rows(limit) if length < limit else 0

    def untrainable_rows(self, limit: int) -> int:
        """Rows without a target before the limit, which keeps the positions 0 to limit - 1."""
        return self.rows - _cumulative_at(
            self.first_targets, self.cumulative_started_rows, limit - 1
        )

    def truncated_rows(self, limit: int) -> int:
        """Usable rows that are cut at the limit."""
        return self.rows_longer_than(limit) - self.untrainable_rows(limit)

    def usable_rows(self, limit: int) -> int:
        """Rows that have a target before the limit."""
        return self.rows - self.untrainable_rows(limit)

    def usable_tokens(self, limit: int) -> int:
        """Tokens of the usable rows, cut at the limit; all other rows are longer than it."""
        whole = _cumulative_at(self.lengths, self.cumulative_tokens, limit)
        return whole + limit * self.truncated_rows(limit)

    def truncated_tokens(self, limit: int) -> int:
        """Tokens that the usable rows lose at the limit."""
        whole = _cumulative_at(self.first_targets, self.cumulative_started_tokens, limit - 1)
        return whole - self.usable_tokens(limit)

    def last_reply_only_rows(self, limit: int) -> int:
        """Usable rows that are trained on their last reply only."""
        return _cumulative_at(self.first_targets, self.cumulative_last_reply_rows, limit - 1)

    def trained_tokens_at(self, limit: int) -> int:
        if not len(self.span_edges):
            return 0
        return round(float(np.interp(limit, self.span_edges, self.targets_before_edge, left=0.0)))

    def length_at(self, share: float, limit: int) -> int:
        """The quantile of the usable rows' lengths, cut at the limit; the median for 0.5."""
        if not (rows := self.usable_rows(limit)):
            return 0
        wanted = max(1, int(np.ceil(share * rows)))
        if wanted > _cumulative_at(self.lengths, self.cumulative_rows, limit):
            return limit
        return int(self.lengths[int(np.searchsorted(self.cumulative_rows, wanted))])

    def counts(self, edges: npt.NDArray[np.int64]) -> Ints:
        """[edges - 1]: rows with a length from one edge up to, but not including, the next."""
        up_to = np.concatenate(([0], self.cumulative_rows))
        below = up_to[np.searchsorted(self.lengths, edges, side="left")]
        return np.diff(below)


def _concat(arrays: Sequence[npt.NDArray[np.generic]]) -> Ints:
    return np.concatenate([np.zeros(0, np.int64), *(array.ravel() for array in arrays)]).astype(
        np.int64
    )


def _cumulative_sums(inverse: npt.NDArray[np.intp], values: Ints, distinct: int) -> Ints:
    """[distinct]: the sum of the values of each group and all before it."""
    sums = np.zeros(distinct, np.int64)
    np.add.at(sums, inverse, values)
    return np.cumsum(sums)


def _spans_of(rows: TokenRows, chosen: npt.NDArray[np.intp]) -> npt.NDArray[np.int64]:
    if len(chosen) == len(rows):
        return rows.spans.astype(np.int64)
    is_chosen = np.zeros(len(rows), np.bool_)
    is_chosen[chosen] = True
    return rows.spans[np.repeat(is_chosen, rows.span_counts)].astype(np.int64)


def _target_curve(spans: npt.NDArray[np.int64]) -> tuple[Ints, Ints]:
    """Edges of spans, and the targets before each; between two edges they grow linearly."""
    if not len(spans):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    places, at = np.unique(spans.ravel(), return_inverse=True)
    change = np.zeros(len(places), np.int64)
    np.add.at(change, at.reshape(-1, 2)[:, 0], 1)
    np.add.at(change, at.reshape(-1, 2)[:, 1], -1)
    growth = np.cumsum(change)[:-1] * np.diff(places)
    return places, np.concatenate((np.zeros(1, np.int64), np.cumsum(growth)))


def _cumulative_at(places: Ints, counts: Ints, limit: int) -> int:
    index = int(np.searchsorted(places, limit, side="right"))
    return int(counts[index - 1]) if index else 0


def _last(values: Ints) -> int:
    return int(values[-1]) if len(values) else 0
