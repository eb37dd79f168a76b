"""Many tokenised examples as a few arrays, and a choice of them cut at a length.

Knows no file and no tokenizer; the arrays may be mapped from a disk.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class TokenizedExample:
    """One example as the model sees it."""

    tokens: tuple[int, ...]
    trained: tuple[tuple[int, int], ...]
    """Half-open spans of positions p >= 1 that are targets: token p is predicted from p - 1."""
    line: int
    last_reply_only: bool = False
    """Earlier replies are not trained, since the template changes them once more follows."""
    digest: int = 0
    """64 bits of a hash of the row's content."""

    @property
    def length(self) -> int:
        return len(self.tokens)

    @property
    def trained_tokens(self) -> int:
        return sum(end - start for start, end in self.trained)


@dataclass(frozen=True)
class TokenRows:
    """Rows in the order of their file, uncut."""

    tokens: npt.NDArray[np.uint32]
    """Those of all rows, one row after the other."""
    lengths: npt.NDArray[np.uint32]
    """[rows]"""
    spans: npt.NDArray[np.uint32]
    """[spans, 2]: those of all rows, as in TokenizedExample."""
    span_counts: npt.NDArray[np.uint32]
    """[rows]"""
    lines: npt.NDArray[np.int64]
    """[rows]"""
    digests: npt.NDArray[np.uint64]
    """[rows]"""
    last_reply_only: npt.NDArray[np.bool_]
    """[rows]"""

    def __len__(self) -> int:
        return len(self.lengths)

    @cached_property
    def starts(self) -> Ints:
        """[rows + 1]: where each row's tokens begin."""
        return _starts(self.lengths)

    @cached_property
    def span_starts(self) -> Ints:
        """[rows + 1]: where each row's spans begin."""
        return _starts(self.span_counts)

    @classmethod
    def of(cls, examples: Sequence[TokenizedExample]) -> "TokenRows":
        tokens = [np.asarray(example.tokens, np.uint32) for example in examples]
        spans = [span for example in examples for span in example.trained]
        return cls(
            tokens=np.concatenate(tokens) if tokens else np.zeros(0, np.uint32),
            lengths=np.array([example.length for example in examples], np.uint32),
            spans=np.array(spans, np.uint32).reshape(-1, 2),
            span_counts=np.array([len(example.trained) for example in examples], np.uint32),
            lines=np.array([example.line for example in examples], np.int64),
            digests=np.array([example.digest for example in examples], np.uint64),
            last_reply_only=np.array([example.last_reply_only for example in examples], np.bool_),
        )


class TokenView:
    """Some rows of a dataset, each cut at a limit; what is trained on."""

    def __init__(self, rows: TokenRows, chosen: npt.NDArray[np.intp], limit: int) -> None:
        self._rows = rows
        self._chosen = chosen
        self._limit = limit
        self.lengths: Ints = np.minimum(rows.lengths[chosen], limit).astype(np.int64)
        """[rows], in tokens."""

    @classmethod
    def of(cls, examples: Iterable[TokenizedExample], limit: int = 2**31) -> "TokenView":
        rows = TokenRows.of(list(examples))
        return cls(rows, np.arange(len(rows)), limit)

    def __len__(self) -> int:
        return len(self._chosen)

    def __getitem__(self, index: int) -> TokenizedExample:
        tokens, spans = self.arrays(index)
        row = self._chosen[index]
        return TokenizedExample(
            tokens=tuple(tokens.tolist()),
            trained=tuple((start, end) for start, end in spans.tolist()),
            line=int(self._rows.lines[row]),
            last_reply_only=bool(self._rows.last_reply_only[row]),
            digest=int(self._rows.digests[row]),
        )

    def arrays(self, index: int) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]]:
        """One row's tokens, and its spans as [spans, 2]; views where nothing is cut."""
        rows, row = self._rows, self._chosen[index]
        start = rows.starts[row]
        spans = rows.spans[rows.span_starts[row] : rows.span_starts[row + 1]]
        tokens = rows.tokens[start : start + self.lengths[index]]
        if rows.lengths[row] > self._limit:
            spans = np.minimum(spans[spans[:, 0] < self._limit], self._limit)
        return tokens, spans

    @cached_property
    def trained_tokens(self) -> int:
        return int(trained_counts(self._rows, self._limit)[self._chosen].sum())


def trained_counts(rows: TokenRows, limit: int) -> Ints:
    """[rows]: how many tokens of each row are trained if it is cut at `limit`."""
    within = np.minimum(rows.spans.astype(np.int64), limit)
    total = np.concatenate(([0], np.cumsum(within[:, 1] - within[:, 0])))
    return total[rows.span_starts[1:]] - total[rows.span_starts[:-1]]


def _starts(counts: npt.NDArray[np.uint32]) -> Ints:
    return np.concatenate((np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)))
