"""Pages through the examples of files that are not tokenized yet, by reading up to a row.

Reading continues where the last page ended. Knows no tokenizer.
"""

from collections import deque
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.core.column_mapping import ColumnMapping
from app.core.errors import InputError
from app.data.row_values import CorruptFileError, Example, RowIssue
from app.data.rows.example_reader import read_examples

KEPT_ROWS = 400
"""Rows kept behind the position, so that paging back within them reads nothing."""
_ROWS_AT_ONCE = 200


@dataclass(frozen=True)
class PlacedExample:
    number: int
    """0-based, among the examples of all files of the split."""
    path: Path
    example: Example


class RowPager:
    """A position among the examples; it skips invalid rows and ends where a file is damaged."""

    def __init__(self, paths: Sequence[Path], columns: ColumnMapping | None) -> None:
        self._paths, self._columns = tuple(paths), columns
        self._begin()

    def go_to(self, first: int, count: int) -> Generator[int, None, tuple[PlacedExample, ...]]:
        """The examples from number `first` on, or the last page if there are fewer.

        Yields the number of examples passed. Closed early, it continues there the next time. Raises
        InputError as `read_rows` does.
        """
        if first < self._first_kept:
            self._begin()
        while not self._is_at_end and self._read < first + count:
            self._read_more(min(_ROWS_AT_ONCE, first + count - self._read))
            yield self._read
        start = max(0, min(first, self._read - count)) if first >= self._read else first
        return tuple(one for one in self._kept if start <= one.number < start + count)

    @property
    def _first_kept(self) -> int:
        return self._kept[0].number if self._kept else self._read

    def _begin(self) -> None:
        self._rows = self._all_rows()
        self._kept: deque[PlacedExample] = deque(maxlen=KEPT_ROWS)
        self._read, self._is_at_end = 0, False

    def _read_more(self, rows: int) -> None:
        for _ in range(rows):
            try:
                entry = next(self._rows, None)
            except InputError:
                self._begin()
                raise
            if entry is None:
                self._is_at_end = True
                return
            path, example = entry
            self._kept.append(PlacedExample(self._read, path, example))
            self._read += 1

    def _all_rows(self) -> Iterator[tuple[Path, Example]]:
        for path in self._paths:
            try:
                for row in read_examples(path, self._columns):
                    if not isinstance(row, RowIssue):
                        yield path, row
            except CorruptFileError:
                return
