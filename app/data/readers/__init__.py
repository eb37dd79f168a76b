"""Readers for each file format; they yield the rows of a file one by one with their locations.

A row that can't be read is yielded as a RowIssue; damage raises. Memory use does not grow with the
number of rows. The readers don't validate rows.
"""

from collections.abc import Iterator
from pathlib import Path

from app.core.errors import InputError
from app.core.files.data_formats import FileFormat, file_format
from app.data.readers.byte_source import ReadProgress
from app.data.readers.json_values import json_lines, json_values
from app.data.readers.parquet_and_arrow import arrow_rows, parquet_rows
from app.data.readers.tables import table_rows
from app.data.readers.text_passages import passages
from app.data.row_values import RawRow, RowIssue

__all__ = ["ReadProgress", "Row", "read_rows"]


def read_rows(path: Path, share: ReadProgress | None = None) -> Iterator[RawRow | RowIssue]:
    """Yield each row of a file as (location, value), or its issue; skips blank lines.

    `share` is updated with the share of the file read. An issue with `is_warning` does not replace
    a row. Raises InputError at the first row if the file is missing, a folder or unreadable, and at
    the end if it had no rows; CorruptFileError if the rest can't be read.
    """
    is_empty = True
    for row in _rows(path, file_format(path), share):
        is_empty = is_empty and isinstance(row, RowIssue) and row.is_warning
        yield row
    if is_empty:
        raise InputError(f"{path.name} is empty.", "Choose a file with at least one example.")


def _rows(
    path: Path, form: FileFormat | None, share: ReadProgress | None
) -> Iterator[RawRow | RowIssue]:
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
