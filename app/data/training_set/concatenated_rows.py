"""The rows of several files one after the other; their tokens stay where they are."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from app.data.tokens.rows import LONGEST, Ints, Rows


class ConcatRows:
    """Has what TokenRows has, but for the arrays of all tokens and spans."""

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
