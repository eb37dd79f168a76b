"""Shows rows without a tokenizer: the first rows of a file, pages of files that are not tokenized
yet, and sample prompts for the playground.
"""

import json
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from app.core.column_mapping import ColumnMapping, parse_columns
from app.core.config.serialization import current_names
from app.core.errors import AppError, InputError
from app.data.files.dataset_files import find_files
from app.data.readers import read_rows
from app.data.row_values import ChatExample, CorruptFileError, Example, RawRow, RowIssue
from app.data.rows.row_validation import read_examples, validate_row

KEPT_ROWS = 400
"""Rows kept behind the position, so that paging back within them needs no reading."""
_ROWS_AT_ONCE = 200


@dataclass(frozen=True)
class PlacedExample:
    number: int
    """0-based, among the examples of all files of the split."""
    path: Path
    example: Example


class RowPager:
    """Pages through the examples of several files; skips invalid rows and ends at damage.

    A new page continues where the last one ended.
    """

    def __init__(self, paths: Sequence[Path], columns: ColumnMapping | None) -> None:
        self._paths, self._columns = tuple(paths), columns
        self._begin()

    def go_to(self, first: int, count: int) -> Generator[int, None, tuple[PlacedExample, ...]]:
        """The examples from number `first` on, or the last page if there are fewer.

        Yields the number of examples read so far. After closing it early, the next call continues
        there. Raises InputError as `read_rows` does.
        """
        if first < self._first_kept:
            self._begin()
        while not self._is_at_end and self._read < first + count:
            self._read_more(min(_ROWS_AT_ONCE, first + count - self._read))
            yield self._read
        start = max(0, min(first, self._read - count)) if first >= self._read else first
        return tuple(one for one in self._kept if start <= one.number < start + count)

    @property
    def _first_kept(self) -> int:
        return self._kept[0].number if self._kept else self._read

    def _begin(self) -> None:
        self._rows = self._all_rows()
        self._kept: deque[PlacedExample] = deque(maxlen=KEPT_ROWS)
        self._read, self._is_at_end = 0, False

    def _read_more(self, rows: int) -> None:
        for _ in range(rows):
            try:
                entry = next(self._rows, None)
            except InputError:
                self._begin()
                raise
            if entry is None:
                self._is_at_end = True
                return
            path, example = entry
            self._kept.append(PlacedExample(self._read, path, example))
            self._read += 1

    def _all_rows(self) -> Iterator[tuple[Path, Example]]:
        for path in self._paths:
            try:
                for row in read_examples(path, self._columns):
                    if not isinstance(row, RowIssue):
                        yield path, row
            except CorruptFileError:
                return


MAX_ROWS = 200
"""The search for examples ends after this many rows."""
MAX_COLUMNS = 60
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
    """Why some of the first rows are not examples."""
    columns: tuple[ColumnSample, ...]
    """Empty unless rows are objects."""


def read_head_rows(path: Path, columns: ColumnMapping | None, count: int) -> HeadRows:
    """The first `count` examples among the first rows. Raises InputError as `read_rows` does."""
    rows: list[RawRow] = []
    examples: list[Example] = []
    problems: list[RowIssue] = []
    try:
        for read in islice(read_rows(path), MAX_ROWS):
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
            if name not in values_of and len(values_of) == MAX_COLUMNS:
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


MAX_PROMPTS = 3
ROWS = 50
"""The number of rows that are searched."""
MAX_CHARACTERS = 300
"""Longer questions are not suggested."""


def sample_prompts(settings: Mapping[str, object]) -> tuple[str, ...]:
    """Up to three distinct questions of a run's validation file; none without one.

    `settings` are those of the run's manifest.
    """
    prompts: dict[str, None] = {}
    with suppress(AppError, OSError, ValueError, TypeError):
        for question in _questions(settings):
            prompts[question] = None
            if len(prompts) == MAX_PROMPTS:
                break
    return tuple(prompts)


def _questions(settings: Mapping[str, object]) -> Iterator[str]:
    valid = settings.get("valid")
    files = find_files(Path(str(settings.get("data"))), Path(str(valid)) if valid else None)
    if not files.valid_files:
        return
    columns = parse_columns(str(current_names(settings).get("columns") or ""))
    for example in islice(read_examples(files.valid_files[0], columns), ROWS):
        question = _question(example)
        if question and len(question) <= MAX_CHARACTERS:
            yield question


def _question(example: object) -> str:
    """The first message of a chat, if only a system message precedes it."""
    if not isinstance(example, ChatExample):
        return ""
    turns = [message for message in example.messages if message["role"] != "system"]
    opens_with_user = bool(turns) and turns[0]["role"] == "user"
    return str(turns[0]["content"]).strip() if opens_with_user else ""
