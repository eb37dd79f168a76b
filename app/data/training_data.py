"""What a run trains and validates on: the rows of its files as tokens, split and cut.

Knows no model. What can't be trained on is named; too little to train on is refused.
"""

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt

from app.core.errors import InputError
from app.data.checked_file import KEPT_PROBLEMS
from app.data.dataset_files import DatasetFiles
from app.data.examples import RowProblem
from app.data.splitting import held_out
from app.data.token_files import TokenStore
from app.data.token_rows import TokenRows, TokenView, trained_counts
from app.data.token_store import RowSettings, opening_store
from app.data.tokenizer import Tokenizer


@dataclass(frozen=True)
class DataSettings:
    """How rows become what is trained on."""

    rows: RowSettings
    max_seq_length: int
    batch_size: int
    validation_share: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class TrainingData:
    """What a run trains and validates on; every row has at least one trained token."""

    train: TokenView
    valid: TokenView
    cut: int
    """Rows kept, but cut at the limit."""
    left_out: tuple[RowProblem, ...]
    """The first 1000 of each file."""
    left_out_count: int
    notes: tuple[str, ...]
    """Plain sentences for the log."""
    fingerprints: dict[str, str]
    """As of `fingerprint.fingerprints`, of what was read."""


def open_data(files: DatasetFiles, tokenizer: Tokenizer, settings: DataSettings) -> TrainingData:
    """Every row that can be trained, cut at the limit; the rest is named.

    Raises InputError when too little is left to train on, or a row is bad.
    """
    progress = opening_data(files, tokenizer, settings)
    while True:
        try:
            next(progress)
        except StopIteration as ended:
            return cast(TrainingData, ended.value)


def opening_data(
    files: DatasetFiles, tokenizer: Tokenizer, settings: DataSettings
) -> Generator[float, None, TrainingData]:
    """The same in small steps: yields the share done, 0 to 1, where rows must be tokenised."""
    paths = [files.train, *([files.valid] if files.valid else [])]
    sizes = [path.stat().st_size for path in paths]
    stores: list[TokenStore] = []
    for path in paths:
        before, size = sum(sizes[: len(stores)]), sizes[len(stores)]
        making = opening_store(path, tokenizer, settings.rows)
        try:
            while True:
                yield (before + size * next(making)) / max(1, sum(sizes))
        except StopIteration as ended:
            stores.append(ended.value)
        finally:
            making.close()
    return _training_data(paths, stores, settings)


def _training_data(
    paths: list[Path], stores: list[TokenStore], settings: DataSettings
) -> TrainingData:
    first = stores[0].rows
    limit = settings.max_seq_length
    if len(stores) == 2:
        train = _Part(paths[0], first, np.arange(len(first)), limit, stores[0])
        valid = _Part(paths[1], stores[1].rows, np.arange(len(stores[1].rows)), limit, stores[1])
    else:
        held = held_out(first.digests, settings.validation_share, settings.seed)
        train = _Part(paths[0], first, np.flatnonzero(~held), limit, stores[0])
        valid = _Part(paths[0], first, np.flatnonzero(held), limit)
    _check_enough(train, limit, settings.batch_size)
    notes = _notes(train, valid, limit)
    if valid.is_wanted and not len(valid.kept):
        notes.append("No validation row can be used, so there is no validation.")
    return TrainingData(
        train=train.kept,
        valid=valid.kept,
        cut=train.cut + valid.cut,
        left_out=(*train.left_out(), *valid.left_out()),
        left_out_count=train.left_out_count + valid.left_out_count,
        notes=tuple(notes),
        fingerprints={
            str(path): store.file_digest for path, store in zip(paths, stores, strict=True)
        },
    )


class _Part:
    """The training or the validation rows: those that are kept, and those that are not."""

    def __init__(
        self,
        path: Path,
        rows: TokenRows,
        chosen: npt.NDArray[np.intp],
        limit: int,
        store: TokenStore | None = None,
    ) -> None:
        self._path, self._rows, self._limit, self._store = path, rows, limit, store
        problems = store.problem_count if store else 0
        self.is_wanted = len(chosen) + problems > 0
        is_kept = trained_counts(rows, limit)[chosen] > 0
        lengths = rows.lengths[chosen]
        self.shortest = int(lengths.min()) if len(lengths) else 0
        self._cut_away = chosen[~is_kept]
        self.kept = TokenView(rows, chosen[is_kept], limit)
        self.cut = int((lengths[is_kept] > limit).sum())
        self.left_out_count = len(self._cut_away) + problems
        self.last_reply_only = int(rows.last_reply_only[chosen[is_kept]].sum())

    def left_out(self) -> tuple[RowProblem, ...]:
        """The first of those that are not kept, in the file's order."""
        problems = self._store.first_problems(self._path) if self._store else ()
        cut_away = [self._cut_away_row(row) for row in self._cut_away[:KEPT_PROBLEMS]]
        both = sorted((*problems, *cut_away), key=lambda problem: problem.line)
        return tuple(both[:KEPT_PROBLEMS])

    def _cut_away_row(self, row: int) -> RowProblem:
        length = int(self._rows.lengths[row])
        reason = f"its {length:,} tokens are cut at {self._limit:,}, before anything to train on"
        return RowProblem(self._path, int(self._rows.lines[row]), reason)


def _check_enough(train: _Part, limit: int, batch_size: int) -> None:
    if train.shortest > limit:
        raise InputError(
            f"Every training row is longer than the limit of {limit:,} tokens; the shortest has "
            f"{train.shortest:,}.",
            "Raise the longest example's length, or split the rows.",
        )
    if not len(train.kept):
        left_out = train.left_out()
        first = f": {left_out[0]}" if left_out else ""
        raise InputError(
            f"No training row can be used{first}.", "Correct the dataset or choose another model."
        )
    if len(train.kept) < batch_size:
        raise InputError(
            f"There are {len(train.kept):,} training rows, fewer than the batch size of "
            f"{batch_size:,}.",
            "Lower the batch size, or add rows.",
        )


def _notes(train: _Part, valid: _Part, limit: int) -> list[str]:
    notes = []
    if cut := train.cut + valid.cut:
        notes.append(f"{_rows(cut)} longer than {limit:,} tokens: cut at the end.")
    if count := train.left_out_count + valid.left_out_count:
        first = (*train.left_out()[:1], *valid.left_out()[:1])[0]
        notes.append(f"{_rows(count)} left out; the first: {first}.")
    if changed := train.last_reply_only + valid.last_reply_only:
        notes.append(
            f"{_rows(changed)} trained on the last reply only: this model's chat template "
            "changes earlier replies once more follows."
        )
    return notes


def _rows(count: int) -> str:
    return "1 row is" if count == 1 else f"{count:,} rows are"
