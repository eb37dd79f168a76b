"""Reads a file of a dataset as examples and issues, in the file's order."""

from collections.abc import Iterator
from pathlib import Path

from app.core.column_mapping import ColumnMapping
from app.data.readers import ReadProgress, read_rows
from app.data.row_values import Example, RowIssue
from app.data.rows.row_schemas import RowFormat
from app.data.rows.row_validation import validate_row


def read_examples(
    path: Path, columns: ColumnMapping | None = None, share: ReadProgress | None = None
) -> Iterator[Example | RowIssue]:
    """Yield each row of a file as an example or an issue, in one pass.

    Nothing is kept, so memory stays flat. `columns` maps columns to roles if the file's own names
    don't tell; `share` is updated with the share read. Raises InputError at the first row if the
    file can't be read, and CorruptFileError if the rest can't be read.
    """
    for row in read_validated_rows(path, columns, share):
        if not isinstance(row, RowIssue):
            yield row[0]
        elif not row.is_warning:
            yield row


def read_validated_rows(
    path: Path, columns: ColumnMapping | None = None, share: ReadProgress | None = None
) -> Iterator[tuple[Example, RowFormat] | RowIssue]:
    """Yield the same with the schema of each example, and warnings about the file."""
    for read in read_rows(path, share):
        if isinstance(read, RowIssue):
            yield read
        else:
            place, row = read
            yield validate_row(row, place, path, columns)
