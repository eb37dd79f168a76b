"""One file of a dataset: its examples and its bad rows, in the order of the file."""

from collections.abc import Iterator
from pathlib import Path

from app.core.column_mapping import Columns
from app.data.examples import Example, RowIssue
from app.data.readers import ReadProgress, read_rows
from app.data.rows.row_schemas import RowFormat
from app.data.rows.row_validation import validate_row


def read_examples(
    path: Path, columns: Columns | None = None, share: ReadProgress | None = None
) -> Iterator[Example | RowIssue]:
    """Every row of a file as an example or a problem, in one pass and in the file's order.

    Nothing is kept, so memory stays flat. `columns` says which column plays which role where the
    file's own names don't; `share` always says how much has been read. Raises InputError, once
    asked for a row, when the file can't be read; BrokenFile where it can't be read any further.
    """
    for row in read_validated_rows(path, columns, share):
        if not isinstance(row, RowIssue):
            yield row[0]
        elif not row.is_warning:
            yield row


def read_validated_rows(
    path: Path, columns: Columns | None = None, share: ReadProgress | None = None
) -> Iterator[tuple[Example, RowFormat] | RowIssue]:
    """The same with the shape each example came in, and with warnings about the file."""
    for read in read_rows(path, share):
        if isinstance(read, RowIssue):
            yield read
        else:
            place, row = read
            yield validate_row(row, place, path, columns)
