"""What a data process is asked about rows that are in token stores: any of them, and all of them.

Stores stay open between two jobs, so that paging takes no time.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.core.errors import RunError
from app.workers.data_jobs import BUDGET_TOKENS, ModelTokenizer, Rendering, loaded

if TYPE_CHECKING:
    from app.data.data_statistics import Stored
    from app.data.preview import PreviewRow
    from app.data.token_files import TokenStore

ShouldStop = Callable[[], bool]
Stores = tuple[tuple[Path, Path], ...]
"""Each file with its store's folder; the training file first."""


@dataclass(frozen=True)
class Split:
    """Which rows are held out, where there is no validation file."""

    share: float
    seed: int


@dataclass(frozen=True)
class Page:
    first: int
    """0-based."""
    rows: "tuple[PreviewRow, ...]"


@dataclass(frozen=True)
class ShowingRows:
    """Yields a Page of the rows of one file."""

    stores: Stores
    file: int
    """0 for the training file, 1 for the validation file."""
    first: int
    count: int
    rendering: Rendering
    split: Split

    def __call__(self, _: ShouldStop) -> Iterator[object]:
        from app.data.token_rows import TokenView

        rows = _opened(self.stores[self.file][1]).rows
        painter = _painter(self.rendering.tokenizer)
        held = _held(self.stores, self.split) if self.file == 0 else None
        numbers = range(self.first, min(self.first + self.count, len(rows)))
        view = TokenView(rows, _indexes(numbers), limit=2**31)
        shown = [
            replace(
                painter.row(number, view[index], self.rendering.limit, BUDGET_TOKENS // self.count),
                is_held_out=bool(held is not None and held[number]),
            )
            for index, number in enumerate(numbers)
        ]
        yield Page(self.first, tuple(shown))


@dataclass(frozen=True)
class Measuring:
    """Yields the DataStatistics."""

    stores: Stores
    split: Split

    def __call__(self, _: ShouldStop) -> Iterator[object]:
        from app.data.data_statistics import data_statistics

        yield data_statistics(_stored(self.stores), _held(self.stores, self.split))


@dataclass(frozen=True)
class NamingLongRows:
    """Yields the first rows that are longer than a limit, as RowProblems."""

    stores: Stores
    limit: int

    def __call__(self, _: ShouldStop) -> Iterator[object]:
        from app.data.data_statistics import too_long

        yield too_long(_stored(self.stores), self.limit)


def _stored(stores: Stores) -> "list[Stored]":
    return [(path, _opened(folder)) for path, folder in stores]


@lru_cache(maxsize=2)
def _opened(folder: Path) -> "TokenStore":
    from app.data.token_files import reopen_store

    store = reopen_store(folder)
    if store is None:
        raise RunError(
            "The rows that were turned into tokens are gone or damaged.", "Read the file again."
        )
    return store


@lru_cache(maxsize=2)
def _held(stores: Stores, split: Split) -> Any:
    from app.data.data_statistics import held_rows

    return held_rows(_stored(stores), split.share, split.seed)


@lru_cache(maxsize=1)
def _painter(tokenizer: ModelTokenizer) -> Any:
    from app.data.preview import RowPainter

    return RowPainter(loaded(tokenizer))


def _indexes(numbers: range) -> Any:
    import numpy as np

    return np.arange(numbers.start, max(numbers.start, numbers.stop))
