"""Reads and checks a whole dataset, and keeps only the rows that a run begins with.

It needs no tokenizer, so another process can read while a run imports its libraries and loads its
model. The model may reject some of the kept rows.
"""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np

from app.core.errors import RunError
from app.core.progress import scaled_progress
from app.core.system.work_process import WorkProcess
from app.data.files.dataset_files import DatasetFiles, file_stat
from app.data.files.fingerprint import file_state
from app.data.readers import ReadProgress
from app.data.readers.byte_source import READ_BYTES
from app.data.row_values import Example, RowIssue, content_digest
from app.data.rows.bad_rows import raise_on_bad_rows
from app.data.rows.row_validation import read_examples
from app.data.tokenizing.token_store import count_characters
from app.data.training_set.training_data import DataSettings
from app.data.training_set.validation_split import Digests, Keys, draw_numbers, split_datasets

MIN_BYTES = 2**20
"""Tokenizing all rows of a smaller dataset is faster than starting another process."""
MAX_VALID_ROWS = 2048
"""A run that needs more validation rows tokenizes all rows first."""
_PART_ROWS = 512
_MAX_CHARACTERS = 64 * 2**20
"""Limit of the characters of rows kept in memory."""
_SPARE = 64
"""Validation rows kept beyond twice the requested number, because the model may reject some."""


@dataclass(frozen=True)
class KeptRow:
    key: int
    file: int
    number: int
    """0-based, among the examples of its file."""
    example: Example


class _LargestKeys:
    """Collects the rows with the largest keys."""

    def __init__(self, most: int) -> None:
        self._most, self._least = most, np.uint64(1)
        self.rows: list[KeptRow] = []

    def add(self, part: Sequence[Example], keys: Keys, file: int, first: int) -> None:
        """Add consecutive rows of a file; `first` is the first one's number."""
        for index in np.flatnonzero(keys >= self._least).tolist():
            self.rows.append(KeptRow(int(keys[index]), file, first + index, part[index]))
        if len(self.rows) > 2 * self._most:
            self.rows.sort(key=lambda row: row.key, reverse=True)
            del self.rows[self._most :]
            self._least = np.uint64(self.rows[-1].key)

    @property
    def characters(self) -> int:
        return sum(count_characters(row.example) for row in self.rows)


@dataclass(frozen=True)
class BadRows:
    """The number of rows left out, and the first of them."""

    first: RowIssue | None = None
    count: int = 0

    def __add__(self, other: "BadRows") -> "BadRows":
        return BadRows(self.first or other.first, self.count + other.count)


@dataclass(frozen=True)
class EarlyReading:
    """The result of reading all files."""

    early: tuple[KeptRow, ...]
    """The early rows, in file order; the model may reject some."""
    least_key: np.uint64
    """The smallest key of an early row."""
    valid: tuple[KeptRow, ...]
    """Validation rows, likewise."""
    is_valid_whole: bool
    """Whether `valid` has all validation rows."""
    train_rows: int
    valid_rows: int
    max_characters: int
    """Characters of the longest row."""
    bad_rows: BadRows


@dataclass(frozen=True)
class FirstRows:
    """The result of reading a dataset."""

    states: dict[Path, tuple[int, ...] | None]
    """The states of the files before they were read."""
    reading: EarlyReading | None
    """None if all rows must be tokenized before the first step."""


def may_begin_early(files: DatasetFiles, settings: DataSettings, valid_rows: int) -> bool:
    """Whether a run with `valid_rows` validation rows could begin before all rows are tokenized."""
    size = sum(file_stat(path).st_size for path in files.all_files)
    return bool(settings.early_rows) and valid_rows <= MAX_VALID_ROWS and size >= MIN_BYTES


def read_first_rows(
    files: DatasetFiles, settings: DataSettings, valid_rows: int
) -> Generator[float, None, FirstRows]:
    """Read all files; yields the share read. Settings that depend on the model are ignored.

    Raises InputError for an invalid row.
    """
    states = {path: file_state(path) for path in files.all_files}
    sizes = [file_stat(path).st_size for path in files.all_files]
    reader = EarlyReader(files, settings, valid_rows)
    for number, path in enumerate(files.all_files):
        reading = reader.reading(path)
        yield from scaled_progress(reading, sum(sizes[:number]), sizes[number], sum(sizes))
        if reader.is_abandoned:
            return FirstRows(states, None)
    return FirstRows(states, reader.result())


def first_rows_process(
    files: DatasetFiles, settings: DataSettings, valid_rows: int
) -> WorkProcess[FirstRows]:
    """`read_first_rows` in its own process, not started yet."""
    lost = RunError("The process that reads the dataset ended before it was done.")
    return WorkProcess(partial(read_first_rows, files, settings, valid_rows), lost)


class EarlyReader:
    """Reads the files of a dataset one after the other."""

    def __init__(self, files: DatasetFiles, settings: DataSettings, valid_rows: int) -> None:
        """`valid_rows` is the requested number of validation rows."""
        self._files, self._settings, self._rule = files, settings, settings.early
        self._wanted_valid = valid_rows
        self._early = _LargestKeys(2 * self._rule.wanted)
        self._valid = _LargestKeys(2 * valid_rows + _SPARE)
        self._digests: list[list[Digests]] = []
        self._max_characters = 0
        self._bad_rows = BadRows()
        self.is_abandoned = False
        """Whether the rows are too few or too long to begin early."""

    def reading(self, path: Path) -> Generator[float, None, None]:
        """Read the next file; yields the share read. Raises InputError for an invalid row."""
        file = len(self._digests)
        self._digests.append([np.zeros(0, np.uint64)])
        share = ReadProgress()
        rows = read_examples(path, self._settings.rows.columns, share)
        if not self._settings.rows.leave_out_bad_rows:
            rows = raise_on_bad_rows(path, rows)
        examples, count = self._examples(rows), 0
        while part := list(islice(examples, _PART_ROWS)):
            self._add(part, file, count)
            count += len(part)
            if self._cannot_begin_early(path, count, share.done):
                self.is_abandoned = True
                return
            yield share.done

    def result(self) -> EarlyReading | None:
        """The rows to begin with, after all files are read; None if all must be tokenized first."""
        settings, trains = self._settings, len(self._files.train_files)
        digests = [np.concatenate(parts) for parts in self._digests]
        rows, has_own = sum(map(len, digests[:trains])), bool(self._files.valid_files)
        share = 0.0 if has_own else settings.validation_split
        if not self._rule.applies_to(rows, share):
            return None
        (holdout,) = split_datasets([digests[:trains]], [has_own], share, settings.seed)
        holdout_rows = sum(int(mask.sum()) for mask in holdout)
        valid_rows = sum(map(len, digests[trains:])) if has_own else holdout_rows
        least = self._rule.least_key(rows)
        early = (r for r in self._early.rows if r.key >= least and not holdout[r.file][r.number])
        valid = [r for r in self._valid.rows if has_own or holdout[r.file][r.number]]
        is_valid_whole = len(valid) == valid_rows and (has_own or not valid)
        if not is_valid_whole and valid_rows < 2 * self._wanted_valid + _SPARE:
            return None  # the last validation rows depend on which rows the model rejects
        return EarlyReading(
            tuple(_in_order(early)), least, tuple(_in_order(valid)), is_valid_whole,
            rows - holdout_rows, valid_rows, self._max_characters, self._bad_rows,
        )  # fmt: skip

    def _examples(self, rows: Iterator[Example | RowIssue]) -> Iterator[Example]:
        for row in rows:
            if isinstance(row, RowIssue):
                self._bad_rows += BadRows(row, 1)
            else:
                yield row

    def _add(self, part: Sequence[Example], file: int, first: int) -> None:
        digests = np.array([content_digest(example) for example in part], np.uint64)
        self._digests[file].append(digests)
        self._max_characters = max(self._max_characters, *map(count_characters, part))
        is_train = file < len(self._files.train_files)
        if is_train:
            places = np.array([example.place for example in part], np.int64)
            self._early.add(part, self._rule.keys(digests, places, file), file, first)
        if not is_train or (not self._files.valid_files and self._settings.validation_split):
            self._valid.add(part, ~draw_numbers(digests, self._settings.seed), file, first)

    def _cannot_begin_early(self, path: Path, rows: int, share: float) -> bool:
        # A file is read in large blocks, so up to one block was read but not returned as rows.
        share -= READ_BYTES / max(1, file_stat(path).st_size)
        is_only = len(self._files.train_files) == 1
        are_few = is_only and share > 0.25 and rows < self._rule.wanted
        return are_few or self._early.characters + self._valid.characters > _MAX_CHARACTERS


def _in_order(rows: Iterator[KeptRow] | list[KeptRow]) -> list[KeptRow]:
    return sorted(rows, key=lambda row: (row.file, row.number))
