"""How a model's tokenizer takes datasets: the rows it refuses and cuts, and what a run would use.

Rows that are no examples are not looked at; inspection.py names them.
"""

import heapq
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from app.core.errors import InputError
from app.core.progress import scaled_progress
from app.data.chat.tokenizer import Tokenizer
from app.data.examples import MODEL_KINDS, BrokenFile, Example, RowProblem
from app.data.files.dataset_files import DatasetFiles
from app.data.files.fingerprint import HASHING, FileContent, bytes_to_hash, reading_contents
from app.data.inspection.inspection import Problems
from app.data.readers import ShareRead
from app.data.row_location import Place
from app.data.rows.example_reader import read_examples
from app.data.tokenizing.store import RowSettings, lots_of, opening_store, tokenized_lots
from app.data.tokens.rows import TokenRows, place_of
from app.data.tokens.store_files import TokenStore
from app.data.training_set.statistics import DataStatistics, Stored, data_statistics, noted_rows
from app.data.training_set.validation_split import held_out_of_datasets


@dataclass
class TokenisedFiles:
    """A dataset's files, all of whose rows were turned into tokens."""

    files: DatasetFiles
    problems: Problems = field(default_factory=Problems)
    """What the model refuses, what is longer than the limit, and what it notes of other rows."""
    stores: dict[Path, TokenStore] = field(default_factory=dict)
    """None for a file that can't be read to its end."""

    def stored(self, paths: Iterable[Path]) -> list[Stored]:
        return [(path, self.stores[path]) for path in paths]


def statistics_of(
    datasets: Sequence[TokenisedFiles], validation_share: float, seed: int
) -> tuple[DataStatistics, ...]:
    """What a run would use of each; nothing where a file is damaged, and no run would start."""
    if any(path not in one.stores for one in datasets for path in one.files.all_files):
        return ()
    trains = [one.stored(one.files.train_files) for one in datasets]
    valids = [one.stored(one.files.valid_files) for one in datasets]
    digests = [[store.rows.digests for _, store in train] for train in trains]
    held = held_out_of_datasets(digests, list(map(bool, valids)), validation_share, seed)
    return tuple(map(data_statistics, trains, valids, held))


def tokenising_files(
    files: DatasetFiles, tokenizer: Tokenizer, settings: RowSettings, limit: int
) -> Generator[float, None, TokenisedFiles]:
    """Every example tokenised, into the store a run then finds; yields the share done.

    Raises InputError for a chat if the model has no chat template.
    """
    made = TokenisedFiles(files)
    settings = replace(settings, leave_out_bad_rows=True)
    sizes = [_size(path) for path in files.all_files]
    to_hash = HASHING * bytes_to_hash(files.all_files)
    whole = to_hash + sum(sizes)
    contents = yield from scaled_progress(reading_contents(files.all_files), 0, to_hash, whole)
    for number, path in enumerate(files.all_files):
        one = _tokenising(path, contents[path], tokenizer, settings, limit, made)
        yield from scaled_progress(one, to_hash + sum(sizes[:number]), sizes[number], whole)
    return made


def _tokenising(
    path: Path,
    content: FileContent,
    tokenizer: Tokenizer,
    settings: RowSettings,
    limit: int,
    made: TokenisedFiles,
) -> Generator[float, None, None]:
    try:
        store = yield from opening_store(path, tokenizer, settings, content)
    except BrokenFile:
        # No store is made of it; what comes before the damage is looked at all the same.
        yield from _looking_at_what_can_be_read(path, tokenizer, settings, limit, made.problems)
    else:
        made.stores[path] = store
        _add(made.problems, path, store.rows, store.problems(path), limit)


def _looking_at_what_can_be_read(
    path: Path, tokenizer: Tokenizer, settings: RowSettings, limit: int, found: Problems
) -> Generator[float, None, None]:
    share = ShareRead()
    lots = lots_of(_until_broken(read_examples(path, settings.columns, share)))
    with tokenized_lots(path, lots, tokenizer, settings) as made:
        for lot in made:
            if lot is not None:
                _add(found, path, lot.rows, lot.problems, limit)
            yield share.done


def _until_broken(rows: Iterator[Example | RowProblem]) -> Iterator[Example | RowProblem]:
    try:
        yield from rows
    except BrokenFile:
        return  # named by the inspection


def _add(
    found: Problems, path: Path, rows: TokenRows, problems: Iterable[RowProblem], limit: int
) -> None:
    long_rows = np.flatnonzero(rows.lengths > limit)
    left = rows.trained_counts(limit)[long_rows]
    too_long = (
        _too_long(path, place_of(rows, row), int(rows.lengths[row]), limit, is_useless)
        for row, is_useless in zip(long_rows.tolist(), (left == 0).tolist(), strict=True)
    )
    noted = noted_rows(path, rows)
    refused = (replace(one, path=path) for one in problems if one.kind in MODEL_KINDS)
    found.add_all(heapq.merge(refused, too_long, noted, key=lambda problem: problem.place))


def _too_long(path: Path, place: Place, length: int, limit: int, is_useless: bool) -> RowProblem:
    reason = f"its {length:,} tokens are cut at {limit:,}"
    reason += ", before anything to train on" if is_useless else ""
    return RowProblem(path, place, reason, "too long", is_warning=not is_useless)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise InputError(f"{path} can't be read: {error.strerror}.") from error
