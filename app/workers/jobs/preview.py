"""Jobs of a data process that show rows before they are tokenized: the first rows, or any page.

They are picklable, and import app.data when they run.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from app.core.progress import mapped, throttled
from app.workers.background_job import ShouldStop
from app.workers.jobs.datasets import (
    SECONDS_BETWEEN_SHARES,
    DatasetRequest,
    ModelTokenizer,
    columns_for,
    get_tokenizer,
)

if TYPE_CHECKING:
    from app.core.config.optimization import Replies
    from app.data.files.fingerprint import FileStates
    from app.data.inspection.row_previews import ColumnSample, RowPager
    from app.data.inspection.row_rendering import PreviewRow

BUDGET_TOKENS = 6000
"""The most tokens shown at a time; the layout of more takes the window too long."""


@dataclass(frozen=True)
class Rendering:
    """How rows are tokenized and shown."""

    tokenizer: ModelTokenizer
    mask_prompt: bool
    limit: int
    replies: "Replies" = "every"


@dataclass(frozen=True)
class HeadRows:
    """The first rows of a file."""

    reading: DatasetRequest
    mapping: str
    """The column mapping that was used."""
    rows: "tuple[PreviewRow, ...]"
    columns: "tuple[ColumnSample, ...]"
    problem: str = ""
    """Why the first rows are not examples; "" if some are."""


@dataclass(frozen=True)
class LoadHeadRows:
    """Yields a file's HeadRows: raw, then rendered."""

    reading: DatasetRequest
    rows: int
    rendering: Rendering | None = None
    """None if the tokenizer isn't loaded yet."""

    def __call__(self, should_stop: ShouldStop) -> Iterator[HeadRows]:
        from app.data.files.dataset_files import find_files
        from app.data.inspection.row_previews import read_head_rows
        from app.data.inspection.row_rendering import raw_row

        path = find_files(self.reading.data, self.reading.valid).train
        columns = columns_for(path, self.reading.mapping)
        head = read_head_rows(path, columns, self.rows)
        budget = BUDGET_TOKENS // max(1, min(self.rows, 5))
        raw = tuple(raw_row(row, number, budget) for number, row in enumerate(head.examples))
        problem = str(head.problems[0]) if head.problems and not raw else ""
        shown = HeadRows(self.reading, str(columns or ""), raw, head.columns, problem)
        yield shown
        if self.rendering is not None and raw and not should_stop():
            yield replace(shown, rows=_rendered(head.examples, raw, self.rendering, budget))


def _rendered(
    examples: tuple[object, ...],
    raw: "tuple[PreviewRow, ...]",
    rendering: Rendering,
    budget: int,
) -> "tuple[PreviewRow, ...]":
    from app.data.chat.tokenization import ExampleTokenizer
    from app.data.inspection.row_rendering import RowRenderer
    from app.data.row_values import RowIssue

    tokenizer = get_tokenizer(rendering.tokenizer)
    tokenize = ExampleTokenizer(tokenizer, rendering.mask_prompt, rendering.replies)
    renderer = RowRenderer(tokenizer)
    rows = []
    for plain, example in zip(raw, examples, strict=True):
        row, *others = tokenize.tokenize(example)  # type: ignore[arg-type]
        if isinstance(row, RowIssue):
            rows.append(replace(plain, problem=row.reason))
        else:
            rendered = renderer.row(plain.number, row, rendering.limit, budget)
            rows.append(replace(rendered, file=plain.file, other_examples=len(others)))
    return tuple(rows)


@dataclass(frozen=True)
class RowPage:
    """Consecutive rows of a split's files."""

    first: int
    """0-based."""
    rows: "tuple[PreviewRow, ...]"


@dataclass(frozen=True)
class PageProgress:
    """The number of rows read on the way to a page."""

    row: int


@dataclass(frozen=True)
class LoadRowPage:
    """Yields PageProgress, then a RowPage of rows that are not tokenized yet; rendered if
    `rendering` is given.

    If there are fewer rows, it is the last page.
    """

    reading: DatasetRequest
    """The dataset with its column mapping."""
    file: int
    """0 for the training files, 1 for the validation files."""
    first: int
    count: int
    version: int
    """Increases when the files are read again, because they may have changed."""
    rendering: Rendering | None = None

    def __call__(self, should_stop: ShouldStop) -> Iterator[PageProgress | RowPage]:
        from app.data.inspection.row_rendering import raw_row

        cursor = _cursor(self.reading, self.file, self.version)
        placed = yield from mapped(
            throttled(cursor.go_to(self.first, self.count), SECONDS_BETWEEN_SHARES), PageProgress
        )
        is_one = len(_paths(self.reading, self.file)) == 1
        budget = BUDGET_TOKENS // max(1, self.count)
        rows = tuple(
            replace(raw_row(row.example, row.number, budget), file="" if is_one else row.path.name)
            for row in placed
        )
        if self.rendering is not None and not should_stop():
            rows = _rendered(tuple(row.example for row in placed), rows, self.rendering, budget)
        yield RowPage(placed[0].number if placed else 0, rows)


@dataclass(frozen=True)
class LoadLine:
    """Yields a line of a file, with invalid bytes replaced; nothing if the line doesn't exist."""

    path: Path
    line: int
    """1-based."""

    def __call__(self, should_stop: ShouldStop) -> Iterator[str]:
        from app.data.readers.byte_source import open_bytes

        with open_bytes(self.path) as file:
            for number, line in enumerate(file, start=1):
                if number == self.line:
                    yield line.decode(errors="replace").rstrip("\r\n")
                if number == self.line or should_stop():
                    return


@dataclass(frozen=True)
class CheckFileStates:
    """Yields the current FileStates of each dataset, as a tuple."""

    readings: tuple[DatasetRequest, ...]

    def __call__(self, _: ShouldStop) -> "Iterator[tuple[FileStates, ...]]":
        from app.data.files.fingerprint import file_states

        yield tuple(file_states(request.data, request.valid) for request in self.readings)


@lru_cache(maxsize=1)
def _cursor(reading: DatasetRequest, file: int, version: int) -> "RowPager":  # noqa: ARG001
    from app.data.inspection.row_previews import RowPager

    return RowPager(_paths(reading, file), columns_for(reading.data, reading.mapping or ""))


def _paths(reading: DatasetRequest, file: int) -> "tuple[Path, ...]":
    from app.data.files.dataset_files import find_files

    files = find_files(reading.data, reading.valid)
    return files.valid_files if file else files.train_files
