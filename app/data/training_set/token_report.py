"""Tokenizes whole datasets for a report: rejected and long rows, and the rows that a run would use.

Invalid rows are reported by inspection.py.
"""

import heapq
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from app.core.progress import scaled_progress
from app.data.chat.tokenizer import Tokenizer
from app.data.files.dataset_files import DatasetFiles, file_stat
from app.data.files.fingerprint import HASHING, FileContent, bytes_to_hash, hash_files
from app.data.inspection.inspection import IssueList
from app.data.readers import ReadProgress
from app.data.row_values import MODEL_KINDS, CorruptFileError, Example, RowIssue
from app.data.rows.row_validation import read_examples
from app.data.tokenizing.token_store import (
    RowSettings,
    chunks_of,
    open_or_build_store,
    tokenize_file_chunks,
)
from app.data.tokens.store_files import TokenStore
from app.data.tokens.tokenized_examples import TokenRows
from app.data.training_set.statistics import (
    DataStatistics,
    Stored,
    data_statistics,
    long_row_issue,
    noted_rows,
)
from app.data.training_set.validation_split import split_datasets


@dataclass
class TokenizedFiles:
    """The files of a dataset, tokenized."""

    files: DatasetFiles
    problems: IssueList = field(default_factory=IssueList)
    """Rejected rows, rows longer than the limit, and notes about other rows."""
    stores: dict[Path, TokenStore] = field(default_factory=dict)
    """Path → token store; without files that are damaged."""

    def stored(self, paths: Iterable[Path]) -> list[Stored]:
        return [(path, self.stores[path]) for path in paths]


def statistics_of(
    datasets: Sequence[TokenizedFiles], validation_split: float, seed: int
) -> tuple[DataStatistics, ...]:
    """The statistics of each dataset as in a run; empty if a file is damaged."""
    if any(path not in one.stores for one in datasets for path in one.files.all_files):
        return ()
    trains = [one.stored(one.files.train_files) for one in datasets]
    valids = [one.stored(one.files.valid_files) for one in datasets]
    digests = [[store.rows.digests for _, store in train] for train in trains]
    masks = split_datasets(digests, list(map(bool, valids)), validation_split, seed)
    return tuple(map(data_statistics, trains, valids, masks))


def tokenize_files(
    files: DatasetFiles, tokenizer: Tokenizer, settings: RowSettings, limit: int
) -> Generator[float, None, TokenizedFiles]:
    """Tokenize all examples into the stores that a run uses; yields the share done.

    Raises InputError for a chat if the model has no chat template.
    """
    tokenized = TokenizedFiles(files)
    settings = replace(settings, leave_out_bad_rows=True)
    sizes = [file_stat(path).st_size for path in files.all_files]
    to_hash = HASHING * bytes_to_hash(files.all_files)
    whole = to_hash + sum(sizes)
    contents = yield from scaled_progress(hash_files(files.all_files), 0, to_hash, whole)
    for number, path in enumerate(files.all_files):
        one = _tokenize_file(path, contents[path], tokenizer, settings, limit, tokenized)
        yield from scaled_progress(one, to_hash + sum(sizes[:number]), sizes[number], whole)
    return tokenized


def _tokenize_file(
    path: Path,
    content: FileContent,
    tokenizer: Tokenizer,
    settings: RowSettings,
    limit: int,
    tokenized: TokenizedFiles,
) -> Generator[float, None, None]:
    try:
        store = yield from open_or_build_store(path, tokenizer, settings, content)
    except CorruptFileError:
        # A damaged file gets no store, but the rows before the damage are reported.
        yield from _report_readable_rows(path, tokenizer, settings, limit, tokenized.problems)
    else:
        tokenized.stores[path] = store
        _add(tokenized.problems, path, store.rows, store.problems(path), limit)


def _report_readable_rows(
    path: Path, tokenizer: Tokenizer, settings: RowSettings, limit: int, issues: IssueList
) -> Generator[float, None, None]:
    share = ReadProgress()
    chunks = chunks_of(_until_broken(read_examples(path, settings.columns, share)))
    with tokenize_file_chunks(path, chunks, tokenizer, settings) as tokenized:
        for chunk in tokenized:
            if chunk is not None:
                _add(issues, path, chunk.rows, chunk.problems, limit)
            yield share.done


def _until_broken(rows: Iterator[Example | RowIssue]) -> Iterator[Example | RowIssue]:
    try:
        yield from rows
    except CorruptFileError:
        return  # reported by the inspection


def _add(
    issues: IssueList, path: Path, rows: TokenRows, problems: Iterable[RowIssue], limit: int
) -> None:
    long_rows = np.flatnonzero(rows.lengths > limit)
    too_long = (long_row_issue(path, rows, row, limit) for row in long_rows.tolist())
    noted = noted_rows(path, rows)
    refused = (replace(one, path=path) for one in problems if one.kind in MODEL_KINDS)
    issues.add_all(heapq.merge(refused, too_long, noted, key=lambda problem: problem.place))
