"""Loads the visible page of the shown dataset's rows."""

from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot

from app.core.config.training_config import TrainingConfig
from app.ui.data.dataset_list import DatasetList
from app.ui.data.tokenization import Tokenization
from app.ui.data.tokenizer_loader import TokenizerLoader
from app.ui.state.app_state import AppState
from app.ui.state.latest_request import LatestRequest
from app.ui.state.run_dataset import RunDataset
from app.workers.background_job import JobEnded
from app.workers.data_process import DataProcess
from app.workers.jobs.datasets import TokenizedDatasets
from app.workers.jobs.preview import (
    HeadRows,
    LoadHeadRows,
    LoadRowPage,
    PageProgress,
    Rendering,
    RowPage,
)
from app.workers.jobs.tokens import HoldoutSplit, LoadTokenPage

if TYPE_CHECKING:
    from app.data.inspection.row_rendering import PreviewRow

HEAD_ROWS = 40
"""The number of rows that are read first: enough for column samples and the first pages."""
_DELAY_MS = 60
"""The delay between two updates while the limit is dragged."""


class Preview(QObject):
    """Knows which rows are visible, and requests them from a data process.

    Tokenized rows come from their store; others are read from the file.
    """

    changed = Signal()

    def __init__(
        self,
        state: AppState,
        process: DataProcess,
        tokenizer: TokenizerLoader,
        datasets: DatasetList,
        tokenization: Tokenization,
    ) -> None:
        super().__init__(state)
        self._state, self._datasets = state, datasets
        self._tokenizer, self._tokenization = tokenizer, tokenization
        self.rows: tuple[PreviewRow, ...] = ()
        self.looked: HeadRows | None = None
        """The first rows, which are available before tokenization."""
        self.failure = ""
        self.reached: int | None = None
        """The row that a reading of the file has reached, while it skips to the requested page."""
        self.first, self.rows_a_page, self.file = 0, 5, 0
        self._dataset: RunDataset | None = None
        self._places: dict[tuple[object, ...], tuple[int, int]] = {}
        """The positions in datasets that are not shown now."""
        self._request = LatestRequest(
            process, _DELAY_MS, self,
            key=self._deciding, job=self._work, take=self._take, end=self._end,
        )  # fmt: skip
        datasets.changed.connect(self.follow)
        for changed in (state.config_changed, tokenizer.changed, tokenization.changed):
            changed.connect(self._request.refresh)

    @property
    def is_rendered(self) -> bool:
        """Whether the rows are shown as the model sees them."""
        return any(row.tokens is not None for row in self.rows)

    @property
    def is_from_file(self) -> bool:
        """Whether the rows come from the file because they are not tokenized yet."""
        return self._stored is None

    @property
    def _stored(self) -> TokenizedDatasets | None:
        """The token stores; None if the rows are not tokenized or the model accepts none of
        them.
        """
        if (done := self._tokenization.done) is None:
            return None
        return done if any(done.sets[self._index_in(done)].rows) else None

    def _index_in(self, done: TokenizedDatasets) -> int:
        return min(self._datasets.index, len(done.sets) - 1)

    @property
    def can_be_rendered(self) -> bool:
        """Whether the rows can be rendered, now or once the tokenizer is loaded."""
        return self._tokenizer.failure is None and not self._tokenizer.is_bound

    @property
    def total(self) -> int | None:
        """The number of rows; None if unknown."""
        if (counts := self._counts()) is None:
            return None
        return counts[min(self.file, len(counts) - 1)]

    @property
    def files(self) -> int:
        """The number of files with rows to show: 2 with a validation file, else 1."""
        return len(self._counts() or (0,))

    def _counts(self) -> tuple[int, ...] | None:
        if (done := self._stored) is not None:
            return done.sets[self._index_in(done)].rows
        facts = self._dataset.facts if self._dataset else None
        if facts is None:
            return None
        counts = (facts.examples, facts.valid_examples)
        return counts if facts.valid_examples else counts[:1]

    # -- the dataset --------------------------------------------------------------------------
    @Slot()
    def follow(self) -> None:
        """Show the rows of another dataset, or of the same one after it was read again."""
        shown = self._datasets.shown
        if shown is None or shown.failure is not None:
            if self._dataset is not None:
                self._leave()
                self._dataset, self.looked, self.rows = None, None, ()
                self._request.drop()
                self.changed.emit()
        elif self._is_looked_at(shown):
            is_known_now = shown.facts is not None and self._dataset != shown
            self._dataset = shown
            if is_known_now:
                self.changed.emit()
        else:
            self._look(shown)

    def _is_looked_at(self, shown: RunDataset) -> bool:
        here, looked = self._dataset, self.looked
        if here is None or _identity(here) != _identity(shown):
            return False
        return looked is None or shown.reading.mapping in (None, looked.mapping)

    def _look(self, dataset: RunDataset) -> None:
        self._leave()
        self._dataset, self.looked, self.rows, self.failure = dataset, None, (), ""
        self.first, self.file = self._places.pop(_identity(dataset), (0, 0))
        self._request.ask()
        self.changed.emit()

    def _leave(self) -> None:
        if self._dataset is not None:
            self._places[_identity(self._dataset)] = (self.first, self.file)

    # -- the rows -----------------------------------------------------------------------------
    def go_to(self, row: int) -> None:
        """Show the page that begins with this row (0-based), or with the nearest one."""
        last = row if (total := self.total) is None else total - 1
        self.first = max(0, min(row, last))
        self._request.ask()
        self.changed.emit()

    def turn(self, pages: int) -> None:
        self.go_to(self.first + pages * self.rows_a_page)

    def show_rows_a_page(self, rows: int) -> None:
        self.rows_a_page = rows
        self._request.ask()

    def show_file(self, file: int) -> None:
        self.file, self.first = file, 0
        self._request.ask()

    def _deciding(self) -> tuple[object, ...] | None:
        """The settings that determine how rows look. A change of the page is requested at once
        instead.
        """
        if self._dataset is None:
            return None
        config = self._state.config_as_cut
        look = (config.mask_prompt, config.max_seq_length, config.replies)
        split = (config.validation_split, config.seed)
        return (self._tokenizer.tokenizer, *look, *split, self._tokenization.done)

    # -- requests -----------------------------------------------------------------------------
    def _work(self, _: object) -> LoadTokenPage | LoadHeadRows | LoadRowPage | None:
        dataset, self.reached = self._dataset, None
        if dataset is None:
            return None
        config, done = self._state.config_as_cut, self._stored
        tokenizer = self._tokenizer.tokenizer
        rendering = None
        if tokenizer is not None:
            rendering = Rendering(
                tokenizer, config.mask_prompt, config.max_seq_length, config.replies
            )
        if (total := self.total) is not None:
            self.file = min(self.file, self.files - 1)
            self.first = min(self.first, max(0, total - 1))
        if done is not None and rendering is not None:
            return LoadTokenPage(
                done.sets, self._index_in(done), self.file, self.first, self.rows_a_page, rendering,
                _split(config),
            )  # fmt: skip
        if self.looked is None or self._is_in_head(self.looked):
            return LoadHeadRows(dataset.reading, HEAD_ROWS, rendering)
        reading = replace(dataset.reading, mapping=self.looked.mapping)
        return LoadRowPage(
            reading, self.file, self.first, self.rows_a_page, dataset.version, rendering
        )

    def _is_in_head(self, looked: HeadRows) -> bool:
        """Whether the first rows contain the requested page, or are all rows that there are."""
        rows = len(looked.rows)
        return self.file == 0 and (self.first + self.rows_a_page <= rows or self.total == rows)

    def _take(self, value: object) -> None:
        if isinstance(value, PageProgress):
            self.reached = value.row
        elif isinstance(value, RowPage):
            self.reached = None
            self.first, self.rows = value.first, value.rows
        elif isinstance(value, HeadRows):
            self._take_first_rows(value)
        self.failure = ""
        self.changed.emit()

    def _take_first_rows(self, looked: HeadRows) -> None:
        is_poorer = self.is_rendered and not any(row.tokens is not None for row in looked.rows)
        if is_poorer and self._tokenizer.tokenizer is not None:
            return  # the same rows follow, rendered
        is_new, self.looked = self.looked is None, looked
        if is_new and looked.rows and not self._is_in_head(looked):
            self._request.ask_next()  # return to the user's last position
            return
        self.first = min(self.first, max(0, len(looked.rows) - 1))
        self.rows = looked.rows[self.first : self.first + self.rows_a_page]

    def _end(self, ended: JobEnded) -> None:
        self.reached = None
        if ended.ending == "failed":
            self.rows, self.failure = (), str(ended.failure)
        self.changed.emit()


def _identity(dataset: RunDataset) -> tuple[object, ...]:
    return dataset.path, dataset.reading.valid, dataset.version


def _split(config: TrainingConfig) -> HoldoutSplit:
    return HoldoutSplit(config.validation_split, config.seed)
