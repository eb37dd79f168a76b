"""The first rows of a file, to be shown before all of it was read. Knows no tokenizer."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from app.core.column_mapping import ColumnMapping
from app.data.examples import BrokenFile, Example, RowProblem
from app.data.readers import Row, read_rows
from app.data.rows.row_validation import check_row

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
class FirstRows:
    examples: tuple[Example, ...]
    problems: tuple[RowProblem, ...]
    """Why rows among the first are no examples."""
    columns: tuple[ColumnSample, ...]
    """None where rows are no objects."""


def first_rows(path: Path, columns: ColumnMapping | None, count: int) -> FirstRows:
    """The first `count` examples, if they come soon. Raises InputError as the reading does."""
    rows: list[Row] = []
    examples: list[Example] = []
    problems: list[RowProblem] = []
    try:
        for read in islice(read_rows(path), MOST_ROWS):
            if isinstance(read, RowProblem):
                problems.append(read)
                continue
            rows.append(read)
            found = check_row(read[1], read[0], path, columns)
            if isinstance(found, RowProblem):
                problems.append(found)
            else:
                examples.append(found[0])
            if len(examples) == count:
                break
    except BrokenFile as broken:
        problems.append(broken.problem)
    return FirstRows(tuple(examples), tuple(problems), _columns(row for _, row in rows))


def _columns(rows: Iterable[object]) -> tuple[ColumnSample, ...]:
    found: dict[str, list[str]] = {}
    for row in rows:
        if not isinstance(row, dict):
            continue
        for name, value in row.items():
            if name not in found and len(found) == MOST_COLUMNS:
                continue
            values = found.setdefault(str(name), [])
            text = _sample(value) if len(values) < _SAMPLES else ""
            if text and text not in values:
                values.append(text)
    return tuple(ColumnSample(name, tuple(values)) for name, values in found.items())


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
