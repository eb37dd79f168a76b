"""Reads CSV and TSV: a header of column names, then one row per record, which may span lines.

Delimiters are commas, semicolons, tabs and bars. All cells are text.
"""

import csv
from collections.abc import Iterator
from pathlib import Path

from app.core.text.sanitize import error_text
from app.data.readers.byte_source import ReadProgress
from app.data.readers.text import MAX_ROW, TOO_BIG, Text, open_text
from app.data.row_values import CorruptFileError, RawRow, RowIssue, RowLocation

_DELIMITERS = ",;\t|"


def table_rows(
    path: Path, delimiter: str | None, share: ReadProgress | None = None
) -> Iterator[RawRow | RowIssue]:
    """Yield each record as (location, column → cell), or its issue.

    Without a `delimiter`, the most frequent one of the header is used. Raises CorruptFileError if
    the header is invalid, or if the start of the next record is unknown.
    """
    with open_text(path, newline="", share=share) as text:
        yield from text.warnings()
        lines = _Lines(text)
        first = next(lines, "")
        if first.lower().startswith("sep=") and len(first.rstrip()) == 5:  # as Excel writes it
            delimiter, first = first[4], next(lines, "")
        lines.put_back(first)
        records = _records(lines, delimiter or max(_DELIMITERS, key=first.count))
        header = _header(next(records, None), text)
        for place, record in records:
            yield _row(text, header, place, record)


def _header(first: "tuple[RowLocation, list[str] | RowIssue] | None", text: Text) -> list[str]:
    hint = "The first line must have the names of the columns, each once."
    place, names = first or (RowLocation(1), [])
    if isinstance(names, RowIssue):
        raise CorruptFileError(names, hint)
    if problem := text.problem("\n".join(names), place):
        raise CorruptFileError(problem, hint)
    names = [name.strip() for name in names]
    if repeated := {name for name in names if names.count(name) > 1}:
        reason = f"has several columns named {min(repeated)[:40]!r}"
        raise CorruptFileError(RowIssue(text.path, place, reason, "broken table"), hint)
    return names


def _row(
    text: Text, header: list[str], place: RowLocation, record: "list[str] | RowIssue"
) -> RawRow | RowIssue:
    if isinstance(record, RowIssue):
        return record
    if len(record) != len(header):
        fields = "1 field" if len(record) == 1 else f"{len(record):,} fields"
        reason = f"has {fields}, but the header has {len(header):,}"
        return RowIssue(text.path, place, reason, "broken table")
    if problem := text.problem("\n".join(record), place):
        return problem
    return place, dict(zip(header, record, strict=True))


def _records(
    lines: "_Lines", delimiter: str
) -> Iterator[tuple[RowLocation, "list[str] | RowIssue"]]:
    """Yield each non-blank record, or its issue, with its location."""
    csv.field_size_limit(MAX_ROW + 1)  # the limit is global
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        lines.begin_record()
        place = RowLocation(lines.line + 1)
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            problem = RowIssue(lines.path, place, _words(error), "broken table")
            if lines.line > place.line:
                # It is unknown whether the rest is inside quotation marks.
                raise CorruptFileError(_final(problem), "Fix it and try again.") from None
            yield place, problem
            continue
        if record:
            yield place, record


def _words(error: csv.Error) -> str:
    if "unexpected end of data" in str(error):
        return "opens a quotation mark that is never closed"
    if "expected after" in str(error):
        return "has a quotation mark inside a quoted field; double it there"
    return f"isn't a record: {error_text(error)}"


def _final(problem: RowIssue) -> RowIssue:
    reason = f"{problem.reason}; nothing after it can be read"
    return RowIssue(problem.path, problem.place, reason, problem.kind)


class _Lines:
    """The lines of a text for the csv module, with the number of the last one."""

    def __init__(self, text: Text) -> None:
        self.path = text.path
        self.line = 0
        self._stream = text.stream
        self._pending: str | None = None
        self._size = 0
        self._start = 1

    def begin_record(self) -> None:
        self._size, self._start = 0, self.line + 1

    def put_back(self, line: str) -> None:
        if line:
            self.line, self._pending = self.line - 1, line

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        raw = self._stream.readline(MAX_ROW + 1) if self._pending is None else self._pending
        self._pending = None
        if not raw:
            raise StopIteration
        self.line += 1
        self._size += len(raw)
        if self._size > MAX_ROW:
            reason = f"{TOO_BIG}: a quotation mark may be left open"
            raise CorruptFileError(
                _final(RowIssue(self.path, RowLocation(self._start), reason, "too big"))
            )
        return raw
