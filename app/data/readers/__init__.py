"""Rows of a file in any format, one after the other, each with its place. What a row must hold
isn't known here.

A row that can't be read is handed on as a RowIssue; a file of which nothing more can be read
raises. Nothing is kept: memory stays flat at any number of rows.
"""

from collections.abc import Iterator
from pathlib import Path

from app.core.errors import InputError
from app.data.examples import RowIssue, RowLocation
from app.data.readers.arrow import arrow_rows
from app.data.readers.formats import FileFormat, file_format
from app.data.readers.json_lines import json_lines
from app.data.readers.json_values import json_values
from app.data.readers.parquet import parquet_rows
from app.data.readers.passages import passages
from app.data.readers.source import ReadProgress
from app.data.readers.tables import table_rows

__all__ = ["ReadProgress", "Row", "read_rows"]

Row = tuple[RowLocation, object]


def read_rows(path: Path, share: ReadProgress | None = None) -> Iterator[Row | RowIssue]:
    """Every row of a file as (place, value), or its problem; blank lines are skipped.

    `share`, if given, always says how much of the file has been read. A problem with `is_warning`
    takes no row's place. Raises InputError, at the first row asked
    for, when the file is missing, a folder or unreadable, and at the end when there was no row;
    BrokenFile where nothing more can be read.
    """
    is_empty = True
    for row in _rows(path, file_format(path), share):
        is_empty = is_empty and isinstance(row, RowIssue) and row.is_warning
        yield row
    if is_empty:
        raise InputError(f"{path.name} is empty.", "Choose a file with at least one example.")


def _rows(
    path: Path, form: FileFormat | None, share: ReadProgress | None
) -> Iterator[Row | RowIssue]:
    match form:
        case "json":
            return json_values(path, share)
        case "csv" | "tsv":
            return table_rows(path, "\t" if form == "tsv" else None, share)
        case "parquet":
            return parquet_rows(path, share)
        case "arrow":
            return arrow_rows(path, share)
        case "txt" | "md":
            return passages(path, form == "md", share)
    return json_lines(path, share)
