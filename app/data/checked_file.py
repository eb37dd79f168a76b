"""One file of a dataset: its examples and its bad rows, in the order of the file."""

from collections.abc import Iterator
from pathlib import Path

from app.core.columns import Columns
from app.data.checks import RowFormat, check_row, row_format
from app.data.examples import Example, RowProblem
from app.data.readers import read_rows
from app.data.shapes import with_columns

KEPT_PROBLEMS = 1000


def read_examples(path: Path, columns: Columns | None = None) -> Iterator[Example | RowProblem]:
    """Every row of a file as an example or a problem, in one pass and in the file's order.

    Nothing is kept, so memory stays flat. `columns` says which column plays which role where the
    file's own names don't. Raises InputError, once asked for a row, when the file can't be read.
    """
    for example, _ in _checked(path, columns):
        yield example


class CheckedFile:
    """One file, read to its end and kept."""

    def __init__(self, path: Path, columns: Columns | None = None) -> None:
        self.path = path
        self.examples: list[Example] = []
        self.problems: list[RowProblem] = []
        self.problems_not_kept = 0
        self.formats: set[RowFormat] = set()
        for found, form in _checked(path, columns):
            if form:
                self.formats.add(form)
            if not isinstance(found, RowProblem):
                self.examples.append(found)
            elif len(self.problems) < KEPT_PROBLEMS:
                self.problems.append(found)
            else:
                self.problems_not_kept += 1


def _checked(
    path: Path, columns: Columns | None
) -> Iterator[tuple[Example | RowProblem, RowFormat | None]]:
    for read in read_rows(path):
        if isinstance(read, RowProblem):
            yield read, None
            continue
        line, row = read
        if columns:
            row = with_columns(row, columns)
        example = check_row(row, line, path)
        yield example, None if isinstance(example, RowProblem) else row_format(row)
