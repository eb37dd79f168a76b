"""Opens the data of a run: tokenized rows, split, truncated and mixed.

Rows that can't be trained on are reported; too few rows are an error.
"""

import sys
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from app.core.column_mapping import ColumnMapping
from app.core.progress import scaled_progress
from app.data.chat.tokenizer import PlainTokenizer, Tokenizer
from app.data.files.dataset_files import DatasetFiles, check_distinct, dataset_name, file_stat
from app.data.files.fingerprint import HASHING, FileContent, bytes_to_hash, hash_files
from app.data.row_values import RowIssue
from app.data.rows.bad_rows import count_by_kind, stopping_error
from app.data.tokenizing.token_store import RowSettings, open_or_build_store
from app.data.tokens.mixture_sampling import Mixing
from app.data.tokens.store_files import TokenStore
from app.data.tokens.token_view import TokenView
from app.data.training_set.dataset_log import mixing_notes, row_notes, validation_notes
from app.data.training_set.minimum_rows import RemainingRows, insufficient_rows_error
from app.data.training_set.row_selection import (
    DatasetPart,
    FileRows,
    SelectedRows,
    as_view,
    concat_selections,
    dataset_parts,
)
from app.data.training_set.validation_split import EarlyRows, split_datasets


@dataclass(frozen=True)
class DataSettings:
    """The settings that determine the rows of a run."""

    rows: RowSettings
    max_seq_length: int
    batch_size: int
    validation_split: float = 0.0
    seed: int = 0
    context_tokens: int | None = None
    """The model's context length, if known."""
    early_rows: int = 0
    """The approximate number of rows that the first epoch of a large dataset begins with, or 0."""
    may_cut_all: bool = False
    """Whether a dataset can be used if all its rows are longer than `max_seq_length`."""

    @property
    def early(self) -> EarlyRows:
        return EarlyRows(self.early_rows, self.seed)


@dataclass(frozen=True)
class MixedFiles:
    """A dataset and its share of an epoch's rows."""

    files: DatasetFiles
    share: float
    columns: ColumnMapping | None = None


@dataclass(frozen=True)
class LaterRows:
    """A dataset of which only some rows are tokenized, with everything needed to tokenize the rest.

    The row counts include rows that the model may reject.
    """

    files: DatasetFiles
    tokenizer: PlainTokenizer
    settings: DataSettings
    contents: Mapping[Path, FileContent]
    train_rows: int
    valid_rows: int
    longest: int
    """An upper bound of the longest row in tokens, after truncation."""


@dataclass(frozen=True)
class TrainingData:
    """The rows that a run trains and validates on; every row has at least one target.

    With `later`, these are the early rows and some validation rows.
    """

    train: TokenView
    valid: TokenView
    cut: int
    """The number of usable rows that are truncated."""
    left_out: tuple[RowIssue, ...]
    """The first 1000 rows left out of each file."""
    left_out_count: int
    notes: tuple[str, ...]
    """Plain sentences for the log."""
    fingerprints: dict[str, str]
    """Path → SHA-256 of the files that were read, as in `fingerprint.stream_fingerprints`."""
    parts: tuple[DatasetPart, ...] = ()
    """The datasets; all but the first are mixed into it."""
    beyond_context: int = 0
    """Rows longer than the model's context after truncation."""
    early: npt.NDArray[np.intp] = field(default_factory=lambda: np.zeros(0, np.intp))
    """Indexes of the early rows, with which the first epoch begins."""
    later: LaterRows | None = None

    @property
    def train_rows(self) -> int:
        return self.later.train_rows if self.later else len(self.train)

    @property
    def valid_rows(self) -> int:
        return self.later.valid_rows if self.later else len(self.valid)


def open_data_stream(
    files: DatasetFiles,
    tokenizer: Tokenizer,
    settings: DataSettings,
    mixed: Sequence[MixedFiles] = (),
) -> Generator[float, None, TrainingData]:
    """All usable rows, truncated at the limit; others are reported. Yields the share done.

    Raises InputError if a row is invalid, or if too few rows are left.
    """
    check_distinct([files, *(more.files for more in mixed)])
    main = MixedFiles(files, 1 - sum(more.share for more in mixed), settings.rows.columns)
    paths = [path for more in (main, *mixed) for path in more.files.all_files]
    to_hash = HASHING * bytes_to_hash(paths)
    whole = to_hash + sum(file_stat(path).st_size for path in paths)
    contents = yield from scaled_progress(hash_files(paths), 0, to_hash, whole)
    opening = open_or_build_stores([main, *mixed], tokenizer, settings.rows, contents)
    stores = yield from scaled_progress(opening, to_hash, whole - to_hash, whole)
    return rows_from_stores([main, *mixed], stores, settings)


def open_or_build_stores(
    datasets: Sequence[MixedFiles],
    tokenizer: Tokenizer,
    settings: RowSettings,
    contents: Mapping[Path, FileContent],
) -> Generator[float, None, dict[Path, TokenStore]]:
    """The stores of all files; yields the share done. Raises AppError."""
    read = [(one, path) for one in datasets for path in one.files.all_files]
    sizes = [file_stat(path).st_size for _, path in read]
    stores: dict[Path, TokenStore] = {}
    for number, (one, path) in enumerate(read):
        rows = replace(settings, columns=one.columns)
        opening = open_or_build_store(path, tokenizer, rows, contents[path])
        before = sum(sizes[:number])
        stores[path] = yield from scaled_progress(opening, before, sizes[number], sum(sizes))
    return stores


def rows_from_stores(
    datasets: Sequence[MixedFiles], stores: dict[Path, TokenStore], settings: DataSettings
) -> TrainingData:
    """The data of a run from the stores of all files; all but the first dataset are mixed into it.

    Raises InputError.
    """
    limit = settings.max_seq_length
    trains, valids = _split([dataset.files for dataset in datasets], stores, settings)
    names = [dataset_name(dataset.files) for dataset in datasets]
    left = list(map(RemainingRows.of_run, names, trains))
    longest = sys.maxsize if settings.may_cut_all else limit
    if refusal := insufficient_rows_error(left, longest, settings.batch_size):
        raise refusal
    if not settings.rows.leave_out_bad_rows:
        first, counts = count_by_kind(
            issue for path, store in stores.items() for issue in store.stopping(path)
        )
        if first and (refusal := stopping_error(first, counts[first.kind])):
            raise refusal
    mixing = None
    if len(datasets) > 1:
        shares = [dataset.share for dataset in datasets[1:]]
        mixing = Mixing.from_fractions([train.kept_count for train in trains], shares)
    view = as_view(concat_selections(trains), limit, mixing)
    parts = dataset_parts(names, view, [as_view(valid, limit) for valid in valids])
    used, valid = concat_selections([*trains, *valids]), concat_selections(valids)
    notes = [
        *row_notes(used, limit),
        *mixing_notes(view, names, settings.seed),
        *validation_notes(
            concat_selections(trains),
            valid,
            parts,
            not any(one.files.valid_files for one in datasets),
        ),
    ]
    return TrainingData(
        train=view,
        valid=as_view(valid, limit),
        cut=used.cut,
        left_out=tuple(used.left_out()),
        left_out_count=used.left_out_count,
        notes=tuple(notes),
        fingerprints={str(path): store.file_digest for path, store in stores.items()},
        parts=parts,
        beyond_context=used.longer_than(settings.context_tokens) if settings.context_tokens else 0,
        early=_early(datasets, trains, stores, settings),
    )


def _early(
    datasets: Sequence[MixedFiles],
    trains: Sequence[SelectedRows],
    stores: Mapping[Path, TokenStore],
    settings: DataSettings,
) -> npt.NDArray[np.intp]:
    """Indexes of the early rows; empty if datasets are mixed."""
    rule, files = settings.early, datasets[0].files
    rows = sum(stores[path].examples for path in files.train_files)
    share = 0.0 if files.valid_files else settings.validation_split
    if len(datasets) > 1 or not rule.applies_to(rows, share):
        return np.zeros(0, np.intp)
    keys = [
        rule.keys(file.rows.digests[file.kept], file.rows.places[file.kept], number)
        for number, file in enumerate(trains[0].files)
    ]
    return rule.chosen(np.concatenate(keys), rule.least_key(rows), settings.batch_size)


def _split(
    datasets: Sequence[DatasetFiles], stores: dict[Path, TokenStore], settings: DataSettings
) -> tuple[list[SelectedRows], list[SelectedRows]]:
    """The training rows and the validation rows of each dataset."""
    limit = settings.max_seq_length
    masks = split_datasets(
        [[stores[path].rows.digests for path in files.train_files] for files in datasets],
        [bool(files.valid_files) for files in datasets],
        settings.validation_split,
        settings.seed,
    )
    trains, valids = [], []
    for files, file_masks in zip(datasets, masks, strict=True):
        train, valid = [], [_whole_file(path, stores[path], limit) for path in files.valid_files]
        for path, mask in zip(files.train_files, file_masks, strict=True):
            train.append(FileRows(path, stores[path], np.flatnonzero(~mask), limit))
            if not files.valid_files:
                chosen = np.flatnonzero(mask)
                valid.append(FileRows(path, stores[path], chosen, limit, with_problems=False))
        trains.append(SelectedRows(train))
        valids.append(SelectedRows(valid))
    return trains, valids


def _whole_file(path: Path, store: TokenStore, limit: int) -> FileRows:
    return FileRows(path, store, np.arange(len(store.rows)), limit)
