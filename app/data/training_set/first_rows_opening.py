"""Opens a large dataset after tokenizing only the rows that a run needs first.

These are the early rows and the first validation rows, and they are the same as if all rows were
tokenized. If not possible, `training_data.open_data_stream` opens all rows in the same order.
"""

from collections.abc import Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import accumulate, chain, groupby
from pathlib import Path

import numpy as np
import numpy.typing as npt

from app.core.errors import RunError
from app.core.progress import scaled_progress
from app.core.system.work_process import WorkProcess
from app.data.chat.tokenization import rows_to_check
from app.data.chat.tokenizer import PlainTokenizer, Tokenizer, plain_tokenizer
from app.data.files.dataset_files import DatasetFiles, dataset_name, file_stat
from app.data.files.fingerprint import HASHING, bytes_to_hash, check_unchanged, hash_files
from app.data.row_values import STOPPING_KINDS, Example
from app.data.rows.bad_rows import stopping_error
from app.data.tokenizing.parallel import TokenizedChunk, tokenize_chunks
from app.data.tokenizing.token_store import chunks_of, has_store
from app.data.tokens.token_view import TokenView
from app.data.tokens.tokenized_examples import TokenRows, concat_in_memory, concat_rows
from app.data.training_set.dataset_log import early_notes
from app.data.training_set.first_rows_reading import (
    BadRows,
    EarlyReading,
    FirstRows,
    KeptRow,
    may_begin_early,
    read_first_rows,
)
from app.data.training_set.row_selection import cut_away_row, dataset_parts
from app.data.training_set.training_data import DataSettings, LaterRows, TrainingData

_TOKENIZING = 0.05
"""Approximate time to tokenize the early rows, relative to reading all rows."""


def open_early_data(
    files: DatasetFiles,
    tokenizer: Tokenizer,
    settings: DataSettings,
    valid_rows: int,
    ahead: WorkProcess[FirstRows] | None = None,
) -> Generator[float, None, TrainingData | None]:
    """The rows that a run begins with; None if all must be tokenized first. Yields the share done.

    `valid_rows` is the requested number of validation rows. `ahead` is a process that already reads
    the dataset. Raises InputError for an invalid row, and the errors of tokenizing.
    """
    plain, paths = plain_tokenizer(tokenizer), files.all_files
    if plain is None or not may_begin_early(files, settings, valid_rows):
        return None
    size = sum(file_stat(path).st_size for path in paths)
    to_hash, to_tokenize = HASHING * bytes_to_hash(paths), _TOKENIZING * size
    whole = to_hash + size + to_tokenize
    contents = yield from scaled_progress(hash_files(paths), 0, to_hash, whole)
    if all(has_store(path, tokenizer, settings.rows, contents[path]) for path in paths):
        return None
    states = {path: content.state for path, content in contents.items()}
    opening_rows = _first_rows(files, settings, valid_rows, states, ahead)
    reading = yield from scaled_progress(opening_rows, to_hash, size, whole)
    check_unchanged(states)
    if reading is None:
        return None
    opening = _tokenize_both(reading, files, plain, settings)
    opened = yield from scaled_progress(opening, whole - to_tokenize, to_tokenize, whole)
    train, valid, unusable = opened
    if train.cut_count == len(train):
        return None  # `open_data_stream` then reports that all rows are too long or unusable
    if len(valid) < valid_rows and not reading.is_valid_whole:
        return None
    longest = max(int(train.lengths.max()), min(reading.max_characters, settings.max_seq_length))
    left_out = reading.bad_rows + unusable
    notes = tuple(early_notes(train, settings.max_seq_length, left_out.first, left_out.count))
    return TrainingData(
        train, valid, 0, (), 0, notes, {str(path): one.digest for path, one in contents.items()},
        dataset_parts([dataset_name(files)], train, [valid]), early=np.arange(len(train)),
        later=LaterRows(
            files, plain, settings, contents, reading.train_rows, reading.valid_rows, longest
        ),
    )  # fmt: skip


def _first_rows(
    files: DatasetFiles,
    settings: DataSettings,
    valid_rows: int,
    states: Mapping[Path, tuple[int, ...]],
    ahead: WorkProcess[FirstRows] | None,
) -> Generator[float, None, EarlyReading | None]:
    """The rows that `ahead` read, or read here if it failed or the files changed since."""
    if ahead is not None:
        with suppress(RunError):
            first = yield from ahead.waiting()
            if first.states == states:
                return first.reading
    return (yield from read_first_rows(files, settings, valid_rows)).reading


@dataclass(frozen=True)
class _FileRows:
    """Tokenized rows of one file."""

    file: int
    rows: TokenRows
    kept: npt.NDArray[np.intp]
    """Rows with at least one target within the limit."""
    left_out: BadRows
    """Rows rejected by the model, or truncated before their first target."""

    @classmethod
    def of(
        cls, group: "_Group", chunks: Sequence[TokenizedChunk], path: Path, settings: DataSettings
    ) -> "_FileRows":
        rows = concat_in_memory([chunk.rows for chunk in chunks])
        limit = settings.max_seq_length
        is_kept = rows.trained_counts(limit) > 0
        cut_away = np.flatnonzero(~is_kept).tolist()
        problems = [replace(one, path=path) for chunk in chunks for one in chunk.problems]
        problems += [cut_away_row(path, rows, row, limit) for row in cut_away]
        first = min(problems, key=lambda problem: problem.place, default=None)
        return cls(group.file, rows, np.flatnonzero(is_kept), BadRows(first, len(problems)))


def _tokenize_both(
    reading: EarlyReading, files: DatasetFiles, tokenizer: PlainTokenizer, settings: DataSettings
) -> Generator[float, None, tuple[TokenView, TokenView, BadRows]]:
    """The early rows, the validation rows and the unusable rows; yields the share done."""
    early_groups, valid_groups = (
        [_Group(file, tuple(row.example for row in rows)) for file, rows in groupby(wanted, _file)]
        for wanted in (reading.early, reading.valid)
    )
    # Tokenized together, so that the tokenizer and the template's process start only once.
    groups = [*early_groups, *valid_groups]
    tokenized = yield from _tokenize(groups, files, tokenizer, settings)
    early, valid = tokenized[: len(early_groups)], tokenized[len(early_groups) :]
    train = _view(early, files, settings)
    if early:
        rule = settings.early
        keys = [
            rule.keys(one.rows.digests[one.kept], one.rows.places[one.kept], one.file)
            for one in early
        ]
        chosen = rule.chosen(np.concatenate(keys), reading.least_key, settings.batch_size)
        train = train.part(chosen)
    left_out = sum((one.left_out for one in tokenized), start=BadRows())
    return train, _view(valid, files, settings), left_out


@dataclass(frozen=True)
class _Group:
    """The requested rows of one file, in file order."""

    file: int
    examples: tuple[Example, ...]


def _file(row: KeptRow) -> int:
    return row.file


def _tokenize(
    groups: Sequence[_Group],
    files: DatasetFiles,
    tokenizer: PlainTokenizer,
    settings: DataSettings,
) -> Generator[float, None, list[_FileRows]]:
    """Tokenize in this process, since others would take longer to start. Yields the share done."""
    rows, whole, done = settings.rows, sum(len(group.examples) for group in groups), 0
    checked = rows_to_check(tokenizer, rows.embedding_rows)
    chunks = [list(chunks_of(iter(group.examples))) for group in groups]
    owners = iter([number for number, of_group in enumerate(chunks) for _ in of_group])
    parts: list[list[TokenizedChunk]] = [[] for _ in groups]
    for chunk in tokenize_chunks(
        chain.from_iterable(chunks), tokenizer, rows.mask_prompt, False, checked, rows.replies
    ):
        if chunk is not None:
            number = next(owners)
            if not rows.leave_out_bad_rows:
                _raise_on_refused(chunk, files.all_files[groups[number].file])
            parts[number].append(chunk)
            done += chunk.rows_read
        yield done / max(1, whole)
    return [
        _FileRows.of(group, of_group, files.all_files[group.file], settings)
        for group, of_group in zip(groups, parts, strict=True)
    ]


def _raise_on_refused(chunk: TokenizedChunk, path: Path) -> None:
    first = next((one for one in chunk.problems if one.kind in STOPPING_KINDS), None)
    if refusal := stopping_error(first and replace(first, path=path)):
        raise refusal


def _view(file_rows: Sequence[_FileRows], files: DatasetFiles, settings: DataSettings) -> TokenView:
    """The usable rows, file after file."""
    if not file_rows:
        return TokenView.of([])
    begins = [0, *accumulate(len(one.rows) for one in file_rows[:-1])]
    chosen = [begin + one.kept for begin, one in zip(begins, file_rows, strict=True)]
    names = [
        (begin, files.all_files[one.file].name)
        for begin, one in zip(begins, file_rows, strict=True)
    ]
    rows = concat_rows([one.rows for one in file_rows])
    return TokenView(rows, np.concatenate(chosen), settings.max_seq_length, files=names)
