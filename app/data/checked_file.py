"""One file of a dataset, read to its end: its examples and its bad rows."""

from collections.abc import Iterator
from pathlib import Path

from app.data.checks import RowFormat, check_row, row_format
from app.data.examples import Example, RowProblem
from app.data.readers import read_rows

KEPT_PROBLEMS = 1000


class CheckedFile:
    """One file, read to its end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.examples: list[Example] = []
        self.problems: list[RowProblem] = []
        self.problems_not_kept = 0
        self.formats: set[RowFormat] = set()
        for found in self._checked():
            if not isinstance(found, RowProblem):
                self.examples.append(found)
            elif len(self.problems) < KEPT_PROBLEMS:
                self.problems.append(found)
            else:
                self.problems_not_kept += 1

    def _checked(self) -> Iterator[Example | RowProblem]:
        for read in read_rows(self.path):
            if isinstance(read, RowProblem):
                yield read
                continue
            line, row = read
            example = check_row(row, line, self.path)
            if not isinstance(example, RowProblem) and (form := row_format(row)):
                self.formats.add(form)
            yield example
