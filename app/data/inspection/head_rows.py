"""The first rows of a file, to be shown before all of it was read. Knows no tokenizer."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from app.core.column_mapping import Columns
from app.data.examples import CorruptFileError, Example, RowIssue
from app.data.readers import Row, read_rows
from app.data.rows.row_validation import validate_row

MOST_ROWS = 200
"""Rows looked at in search of examples: where the first so many are bad, there is none to show."""
MOST_COLUMNS = 60
_SAMPLES = 3
_SAMPLE_CHARACTERS = 160


@dataclass(frozen=True)
class ColumnSample:
    """A column, or a key, of a file's first rows."""

    name: str
    values: tuple[str, ...]
    """The first few that say something, shortened."""


@dataclass(frozen=True)
class HeadRows:
    examples: tuple[Example, ...]
    problems: tuple[RowIssue, ...]
    """Why rows among the first are no examples."""
    columns: tuple[ColumnSample, ...]
    """None where rows are no objects."""


def read_head_rows(path: Path, columns: Columns | None, count: int) -> HeadRows:
    """The first `count` examples, if they come soon. Raises InputError as the reading does."""
    rows: list[Row] = []
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
    """A value on one line, shortened; empty where it says nothing."""
    if value is None:
        return ""
    if isinstance(value, list):
        # Of a long chat the beginning is enough.
        value = value[:2]
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    words = " ".join(text[: 4 * _SAMPLE_CHARACTERS].split())
    return f"{words[:_SAMPLE_CHARACTERS]}…" if len(words) > _SAMPLE_CHARACTERS else words
