"""What a data process is asked about rows that are no tokens yet: the first ones, or any of them.

The jobs are picklable; what they need of app.data is imported where they run.
"""

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, cast

from app.workers.jobs.datasets import (
    SECONDS_BETWEEN_SHARES,
    ModelTokenizer,
    Reading,
    columns_for,
    loaded,
)

if TYPE_CHECKING:
    from app.core.config.optimization import Replies
    from app.data.inspection.head_rows import ColumnSample
    from app.data.inspection.row_pager import PlacedExample, RowPager
    from app.data.inspection.row_rendering import PreviewRow

BUDGET_TOKENS = 6000
"""What is shown at a time; more takes the window too long to lay out."""

ShouldStop = Callable[[], bool]


@dataclass(frozen=True)
class Rendering:
    """How rows become tokens, and what is shown of them."""

    tokenizer: ModelTokenizer
    mask_prompt: bool
    limit: int
    replies: "Replies" = "every"


@dataclass(frozen=True)
class Looked:
    """The first rows of a file."""

    reading: Reading
    map: str
    """The mapping that was used."""
    rows: "tuple[PreviewRow, ...]"
    columns: "tuple[ColumnSample, ...]"
    problem: str = ""
    """Why the first rows are no examples."""


@dataclass(frozen=True)
class Looking:
    """Yields what there is to show of a file at once, a Looked: raw, then rendered."""

    reading: Reading
    rows: int
    rendering: Rendering | None = None
    """None: the tokenizer isn't there yet."""

    def __call__(self, should_stop: ShouldStop) -> Iterator[object]:
        from app.data.files.dataset_files import find_files
        from app.data.inspection.head_rows import read_head_rows
        from app.data.inspection.row_rendering import raw_row

        path = find_files(self.reading.data, self.reading.valid).train
        columns = columns_for(path, self.reading.map)
        found = read_head_rows(path, columns, self.rows)
        budget = BUDGET_TOKENS // max(1, min(self.rows, 5))
        raw = tuple(raw_row(row, number, budget) for number, row in enumerate(found.examples))
        problem = str(found.problems[0]) if found.problems and not raw else ""
        looked = Looked(self.reading, str(columns or ""), raw, found.columns, problem)
        yield looked
        if self.rendering is not None and raw and not should_stop():
            yield replace(looked, rows=_rendered(found.examples, raw, self.rendering, budget))


def _rendered(
    examples: tuple[object, ...],
    raw: "tuple[PreviewRow, ...]",
    rendering: Rendering,
    budget: int,
) -> "tuple[PreviewRow, ...]":
    from app.data.chat.tokenization import ExampleTokenizer
    from app.data.examples import RowIssue
    from app.data.inspection.row_rendering import RowRenderer

    tokenizer = loaded(rendering.tokenizer)
    tokenize = ExampleTokenizer(tokenizer, rendering.mask_prompt, rendering.replies)
    painter = RowRenderer(tokenizer)
    rows = []
    for plain, example in zip(raw, examples, strict=True):
        row, *others = tokenize.tokenize(example)  # type: ignore[arg-type]
        if isinstance(row, RowIssue):
            rows.append(replace(plain, problem=row.reason))
        else:
            painted = painter.row(plain.number, row, rendering.limit, budget)
            rows.append(replace(painted, file=plain.file, other_examples=len(others)))
    return tuple(rows)


@dataclass(frozen=True)
class Page:
    """Rows that follow one another, of a set's files."""

    first: int
    """0-based."""
    rows: "tuple[PreviewRow, ...]"


@dataclass(frozen=True)
class Reached:
    """How far the reading has come on its way to a page."""

    row: int


@dataclass(frozen=True)
class LookingFurther:
    """Yields Reached, then a Page of rows that are no tokens yet, rendered if that can be.

    Where there are not so many, it is the last page.
    """

    reading: Reading
    """With its mapping."""
    file: int
    """0 for the training files, 1 for the validation files."""
    first: int
    count: int
    version: int
    """Another one for files that were read anew: they may be others by now."""
    rendering: Rendering | None = None

    def __call__(self, should_stop: ShouldStop) -> Iterator[object]:
        from app.data.inspection.row_rendering import raw_row

        cursor = _cursor(self.reading, self.file, self.version)
        placed = yield from _reaching(cursor.go_to(self.first, self.count))
        is_one = len(_paths(self.reading, self.file)) == 1
        budget = BUDGET_TOKENS // max(1, self.count)
        rows = tuple(
            replace(raw_row(one.example, one.number, budget), file="" if is_one else one.path.name)
            for one in placed
        )
        if self.rendering is not None and not should_stop():
            rows = _rendered(tuple(one.example for one in placed), rows, self.rendering, budget)
        yield Page(placed[0].number if placed else 0, rows)


def _reaching(
    going: "Generator[int, None, tuple[PlacedExample, ...]]",
) -> "Generator[Reached, None, tuple[PlacedExample, ...]]":
    """What going to a row yields, but not more often than anyone can see."""
    told = monotonic()
    while True:
        try:
            row = next(going)
        except StopIteration as ended:
            return cast("tuple[PlacedExample, ...]", ended.value)
        if monotonic() - told > SECONDS_BETWEEN_SHARES:
            told = monotonic()
            yield Reached(row)


@dataclass(frozen=True)
class LookingAtFiles:
    """Yields what the files of each dataset are like now, a tuple of FileStates."""

    readings: tuple[Reading, ...]

    def __call__(self, _: ShouldStop) -> Iterator[object]:
        from app.data.files.fingerprint import file_states

        yield tuple(file_states(one.data, one.valid) for one in self.readings)


@lru_cache(maxsize=1)
def _cursor(reading: Reading, file: int, version: int) -> "RowPager":  # noqa: ARG001
    from app.data.inspection.row_pager import RowPager

    return RowPager(_paths(reading, file), columns_for(reading.data, reading.map or ""))


def _paths(reading: Reading, file: int) -> "tuple[Path, ...]":
    from app.data.files.dataset_files import find_files

    files = find_files(reading.data, reading.valid)
    return files.valid_files if file else files.train_files
