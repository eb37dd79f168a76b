"""The first rows of a file, shown before the whole file is read. Knows no tokenizer."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from app.core.column_mapping import ColumnMapping
from app.data.readers import read_rows
from app.data.row_values import CorruptFileError, Example, RawRow, RowIssue
from app.data.rows.row_validation import validate_row

MOST_ROWS = 200
"""The search for examples ends after so many rows."""
MOST_COLUMNS = 60
_SAMPLES = 3
_SAMPLE_CHARACTERS = 160


@dataclass(frozen=True)
class ColumnSample:
    """A column, or a key, of a file's first rows."""

    name: str
    values: tuple[str, ...]
    """The first few non-empty values, shortened."""


@dataclass(frozen=True)
class HeadRows:
    examples: tuple[Example, ...]
    problems: tuple[RowIssue, ...]
    """The reasons why some of the first rows are no examples."""
    columns: tuple[ColumnSample, ...]
    """Empty if rows are no objects."""


def read_head_rows(path: Path, columns: ColumnMapping | None, count: int) -> HeadRows:
    """The first `count` examples among the first rows. Raises InputError as `read_rows` does."""
    rows: list[RawRow] = []
    examples: list[Example] = []
    problems: list[RowIssue] = []
    try:
        for read in islice(read_rows(path), MOST_ROWS):
            if isinstance(read, RowIssue):
                problems.append(read)
                continue
            rows.append(read)
            validated = validate_row(read[1], read[0], path, columns)
            if isinstance(validated, RowIssue):
                problems.append(validated)
            else:
                examples.append(validated[0])
            if len(examples) == count:
                break
    except CorruptFileError as broken:
        problems.append(broken.problem)
    return HeadRows(tuple(examples), tuple(problems), _columns(row for _, row in rows))


def _columns(rows: Iterable[object]) -> tuple[ColumnSample, ...]:
    values_of: dict[str, list[str]] = {}
    for row in rows:
        if not isinstance(row, dict):
            continue
        for name, value in row.items():
            if name not in values_of and len(values_of) == MOST_COLUMNS:
                continue
            values = values_of.setdefault(str(name), [])
            text = _sample(value) if len(values) < _SAMPLES else ""
            if text and text not in values:
                values.append(text)
    return tuple(ColumnSample(name, tuple(values)) for name, values in values_of.items())


def _sample(value: object) -> str:
    """A value on one line, shortened; "" for an empty value."""
    if value is None:
        return ""
    if isinstance(value, list):
        # The start of a long chat is enough.
        value = value[:2]
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    words = " ".join(text[: 4 * _SAMPLE_CHARACTERS].split())
    return f"{words[:_SAMPLE_CHARACTERS]}…" if len(words) > _SAMPLE_CHARACTERS else words
