"""Selects the usable rows of a split, reports those left out, and describes mixed datasets."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from app.data.row_values import KEPT_ISSUES, IssueKind, RowIssue
from app.data.rows.row_notes import RowNote
from app.data.tokens.mixture_sampling import Mixing
from app.data.tokens.store_files import TokenStore
from app.data.tokens.token_view import TokenView
from app.data.tokens.tokenized_examples import (
    TokenRows,
    are_further_examples,
    concat_rows,
    place_of,
)


class FileRows:
    """Rows of one file; those without a target within the limit are left out."""

    def __init__(
        self,
        path: Path,
        store: TokenStore,
        chosen: npt.NDArray[np.intp],
        limit: int,
        with_problems: bool = True,
    ) -> None:
        """With `with_problems`, rows that were not tokenized count as left out."""
        self.name, self._path, self._limit = path.name, path, limit
        self._store = store if with_problems else None
        self.rows = rows = store.rows
        problems = store.problem_count if with_problems else 0
        self.is_wanted = len(chosen) + problems > 0
        is_kept = rows.trained_counts(limit)[chosen] > 0
        lengths = rows.lengths[chosen]
        self.shortest = int(lengths.min()) if len(lengths) else None
        self._cut_away = chosen[~is_kept]
        self.kept = chosen[is_kept]
        self.cut = int((lengths[is_kept] > limit).sum())
        self.left_out_count = len(self._cut_away) + problems
        self.last_reply_only = int(rows.last_reply_only[self.kept].sum())
        is_further = are_further_examples(rows.places[self.kept])
        self.further_examples = int(is_further.sum())
        """Examples beyond the first of each chat."""
        self.further_tokens = int(rows.lengths[self.kept][is_further].sum())
        self.tokens = int(rows.lengths[self.kept].sum())
        notes = rows.notes[self.kept][~is_further]
        self.notes = {note: int((notes & note > 0).sum()) for note in RowNote}

    def left_out_kinds(self) -> Counter[IssueKind]:
        """The number of rows left out, by kind; read from the store each time."""
        kinds: Counter[IssueKind] = Counter({"too long": len(self._cut_away)})
        if self._store and self._store.problem_count:
            kinds.update(problem.kind for problem in self._store.problems(self._path))
        return +kinds

    def longer_than(self, length: int) -> int:
        """Usable rows that are longer than `length` after truncation at the limit."""
        return int((self.rows.lengths[self.kept] > length).sum()) if length < self._limit else 0

    def left_out(self) -> list[RowIssue]:
        """The first 1000 rows left out, in file order."""
        problems = islice(self._store.problems(self._path), KEPT_ISSUES) if self._store else ()
        cut_away = [
            cut_away_row(self._path, self.rows, row, self._limit)
            for row in self._cut_away[:KEPT_ISSUES]
        ]
        both = sorted((*problems, *cut_away), key=lambda problem: problem.place)
        return both[:KEPT_ISSUES]


def cut_away_row(path: Path, rows: TokenRows, row: int, limit: int) -> RowIssue:
    """The issue of a row without a target within the limit."""
    length = int(rows.lengths[row])
    reason = f"its {length:,} tokens are cut at {limit:,}, before anything to train on"
    return RowIssue(path, place_of(rows, row), reason)


class SelectedRows:
    """The rows of all files of a split."""

    def __init__(self, files: Sequence[FileRows]) -> None:
        self.files = tuple(files)
        self.is_wanted = any(file.is_wanted for file in files)
        self.kept_count = sum(len(file.kept) for file in files)
        self.cut = sum(file.cut for file in files)
        self.left_out_count = sum(file.left_out_count for file in files)
        self.last_reply_only = sum(file.last_reply_only for file in files)
        self.further_examples = sum(file.further_examples for file in files)
        self.further_tokens = sum(file.further_tokens for file in files)
        self.tokens = sum(file.tokens for file in files)
        self.notes = {note: sum(file.notes[note] for file in files) for note in RowNote}
        shortest = [file.shortest for file in files if file.shortest is not None]
        self.shortest = min(shortest, default=0)

    @property
    def kept_digests(self) -> npt.NDArray[np.uint64]:
        digests = [file.rows.digests[file.kept] for file in self.files]
        return np.concatenate(digests) if digests else np.zeros(0, np.uint64)

    def longer_than(self, length: int) -> int:
        """Usable rows that are longer than `length` after truncation at the limit."""
        return sum(file.longer_than(length) for file in self.files)

    def left_out_kinds(self) -> Counter[IssueKind]:
        return sum((file.left_out_kinds() for file in self.files), Counter[IssueKind]())

    def left_out(self) -> Iterator[RowIssue]:
        """The first 1000 rows left out of each file."""
        return (problem for file in self.files for problem in file.left_out())


def concat_selections(sets: Sequence[SelectedRows]) -> SelectedRows:
    return SelectedRows([file for used in sets for file in used.files])


def as_view(used: SelectedRows, limit: int, mixing: Mixing | None = None) -> TokenView:
    """The usable rows, file after file."""
    if not used.files:
        return TokenView.of([])
    begins = [0, *accumulate(len(file.rows) for file in used.files[:-1])]
    names = [(begin, file.name) for begin, file in zip(begins, used.files, strict=True)]
    chosen = [begin + file.kept for begin, file in zip(begins, used.files, strict=True)]
    rows = concat_rows([file.rows for file in used.files])
    return TokenView(rows, np.concatenate(chosen), limit, mixing, names)


@dataclass(frozen=True)
class DatasetPart:
    """One dataset's part in a run."""

    name: str
    rows: int
    """Its rows to train on."""
    rows_per_epoch: int
    """Its rows in an epoch; some may repeat."""
    trained_tokens: float
    """Its expected number of trained tokens in an epoch."""
    valid: TokenView


def dataset_parts(
    names: Sequence[str], train: TokenView, valids: Sequence[TokenView]
) -> tuple[DatasetPart, ...]:
    mixing = train.mixing or Mixing((len(train),), (len(train),))
    counts = np.split(train.trained_counts, np.cumsum(mixing.sizes)[:-1])
    return tuple(
        DatasetPart(name, size, rows_per_epoch, float(count.mean()) * rows_per_epoch, valid)
        for name, size, rows_per_epoch, count, valid in zip(
            names, mixing.sizes, mixing.rows_per_dataset, counts, valids, strict=True
        )
    )
