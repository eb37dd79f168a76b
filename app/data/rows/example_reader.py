"""One file of a dataset: its examples and its bad rows, in the order of the file."""

from collections.abc import Iterator
from pathlib import Path

from app.core.column_mapping import ColumnMapping
from app.data.examples import Example, RowProblem
from app.data.readers import ShareRead, read_rows
from app.data.rows.row_schemas import RowFormat
from app.data.rows.row_validation import check_row


def read_examples(
    path: Path, columns: ColumnMapping | None = None, share: ShareRead | None = None
) -> Iterator[Example | RowProblem]:
    """Every row of a file as an example or a problem, in one pass and in the file's order.

    Nothing is kept, so memory stays flat. `columns` says which column plays which role where the
    file's own names don't; `share` always says how much has been read. Raises InputError, once
    asked for a row, when the file can't be read; BrokenFile where it can't be read any further.
    """
    for found in read_checked(path, columns, share):
        if not isinstance(found, RowProblem):
            yield found[0]
        elif not found.is_warning:
            yield found


def read_checked(
    path: Path, columns: ColumnMapping | None = None, share: ShareRead | None = None
) -> Iterator[tuple[Example, RowFormat] | RowProblem]:
    """The same with the shape each example came in, and with warnings about the file."""
    for read in read_rows(path, share):
        if isinstance(read, RowProblem):
            yield read
        else:
            place, row = read
            yield check_row(row, place, path, columns)
