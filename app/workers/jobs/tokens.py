"""Jobs of a data process on tokenized rows: any page of them, and statistics of all.

Stores stay open between jobs, so that paging is fast.
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.core.errors import RunError
from app.workers.background_job import ShouldStop
from app.workers.jobs.datasets import ModelTokenizer, StoredDataset, StoredFiles, get_tokenizer
from app.workers.jobs.preview import BUDGET_TOKENS, Rendering, RowPage

if TYPE_CHECKING:
    from app.data.row_values import RowIssue
    from app.data.tokens.store_files import TokenStore
    from app.data.training_set.statistics import DataStatistics, Stored

Sets = tuple[StoredDataset, ...]
"""The main dataset, then those mixed into it."""


@dataclass(frozen=True)
class HoldoutSplit:
    """The share of held-out rows and the seed of their draw, without a validation file."""

    share: float
    seed: int


@dataclass(frozen=True)
class LoadTokenPage:
    """Yields a RowPage of one dataset's rows."""

    sets: Sets
    dataset: int
    """Its index in `sets`."""
    file: int
    """0 for the training files, 1 for the validation files."""
    first: int
    count: int
    rendering: Rendering
    split: HoldoutSplit

    def __call__(self, _: ShouldStop) -> Iterator[RowPage]:
        from app.data.tokens.token_view import TokenView
        from app.data.tokens.tokenized_examples import concat_rows

        stored = self.sets[self.dataset]
        files = stored.valid if self.file else stored.train
        parts = [_opened(folder).rows for _, folder in files]
        rows = concat_rows(parts)
        renderer = _row_renderer(self.rendering.tokenizer)
        mask = None if self.file else _joined_mask(self.sets, self.split, self.dataset)
        begins = [0, *accumulate(len(part) for part in parts)]
        numbers = range(self.first, min(self.first + self.count, len(rows)))
        view = TokenView(rows, _indexes(numbers), limit=2**31)
        shown = [
            replace(
                renderer.row(
                    number, view[index], self.rendering.limit, BUDGET_TOKENS // self.count
                ),
                is_held_out=bool(mask is not None and mask[number]),
                file=files[bisect_right(begins, number) - 1][0].name if len(files) > 1 else "",
            )
            for index, number in enumerate(numbers)
        ]
        yield RowPage(self.first, tuple(shown))


@dataclass(frozen=True)
class ComputeStatistics:
    """Yields a tuple with the DataStatistics of each set."""

    sets: Sets
    split: HoldoutSplit

    def __call__(self, _: ShouldStop) -> "Iterator[tuple[DataStatistics, ...]]":
        from app.data.training_set.statistics import data_statistics

        holdouts = _holdout_masks(self.sets, self.split)
        yield tuple(
            data_statistics(_stored(dataset.train), _stored(dataset.valid), masks)
            for dataset, masks in zip(self.sets, holdouts, strict=True)
        )


@dataclass(frozen=True)
class ListLongRows:
    """Yields a tuple with RowIssues of the first rows that are longer than the limit."""

    stored: StoredDataset
    limit: int

    def __call__(self, _: ShouldStop) -> "Iterator[tuple[RowIssue, ...]]":
        from app.data.training_set.statistics import too_long

        yield too_long(_stored((*self.stored.train, *self.stored.valid)), self.limit)


def _stored(stores: StoredFiles) -> "list[Stored]":
    return [(path, _opened(folder)) for path, folder in stores]


@lru_cache(maxsize=64)
def _opened(folder: Path) -> "TokenStore":
    from app.data.tokens.store_files import reopen_store

    store = reopen_store(folder)
    if store is None:
        raise RunError("The tokenized rows are missing or damaged.", "Read the file again.")
    return store


@lru_cache(maxsize=2)
def _holdout_masks(sets: Sets, split: HoldoutSplit) -> Any:
    """For each training file of each dataset, a mask of its held-out rows."""
    from app.data.training_set.validation_split import split_datasets

    digests = [[_opened(folder).rows.digests for _, folder in dataset.train] for dataset in sets]
    have_valid = [bool(dataset.valid) for dataset in sets]
    return split_datasets(digests, have_valid, split.share, split.seed)


def _joined_mask(sets: Sets, split: HoldoutSplit, dataset: int) -> Any:
    import numpy as np

    return np.concatenate(_holdout_masks(sets, split)[dataset])


@lru_cache(maxsize=1)
def _row_renderer(tokenizer: ModelTokenizer) -> Any:
    from app.data.inspection.row_rendering import RowRenderer

    return RowRenderer(get_tokenizer(tokenizer))


def _indexes(numbers: range) -> Any:
    import numpy as np

    return np.arange(numbers.start, max(numbers.start, numbers.stop))
