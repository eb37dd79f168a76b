"""The rows that are looked at: at once the first ones of a file, later any of them."""

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from app.core.config import TrainingConfig
from app.ui.app_state import AppState
from app.ui.data.tokenisation import Tokenisation
from app.ui.data.tokenizer_source import TokenizerSource
from app.workers.data_jobs import Looked, Looking, Reading, Rendering
from app.workers.data_process import DataProcess
from app.workers.job import JobEnded
from app.workers.store_jobs import Page, ShowingRows, Split

if TYPE_CHECKING:
    from app.data.preview import PreviewRow

HEAD_ROWS = 40
"""So many rows can be looked at before all are turned into tokens."""
_DELAY_MS = 60
"""Between two drawings while the limit is dragged."""


class Preview(QObject):
    """Knows which rows are shown; asks the process that looks for them."""

    changed = Signal()

    def __init__(
        self,
        state: AppState,
        process: DataProcess,
        tokenizer: TokenizerSource,
        tokenisation: Tokenisation,
    ) -> None:
        super().__init__(state)
        self._state, self._process = state, process
        self._tokenizer, self._tokenisation = tokenizer, tokenisation
        self.rows: tuple[PreviewRow, ...] = ()
        self.looked: Looked | None = None
        """The first rows, which need no tokens."""
        self.failure = ""
        self.first, self.rows_a_page, self.file = 0, 5, 0
        self._reading: Reading | None = None
        self._job: int | None = None
        self._asked: tuple[object, ...] = ()
        self._timer = QTimer(self, interval=_DELAY_MS, singleShot=True)
        self._timer.timeout.connect(self._ask)
        state.config_changed.connect(self.refresh)
        tokenizer.changed.connect(self.refresh)
        tokenisation.changed.connect(self.refresh)

    @property
    def is_rendered(self) -> bool:
        """The rows are shown as the model sees them."""
        return any(row.tokens is not None for row in self.rows)

    @property
    def is_head_only(self) -> bool:
        """Only the first rows can be looked at yet."""
        return self._tokenisation.done is None

    @property
    def total(self) -> int:
        """How many rows can be paged through now."""
        if (done := self._tokenisation.done) is not None:
            return done.rows[min(self.file, len(done.rows) - 1)]
        return len(self.looked.rows) if self.looked else 0

    @property
    def files(self) -> int:
        """1, or 2 where there is a validation file whose rows can be shown."""
        return len(self._tokenisation.done.rows) if self._tokenisation.done else 1

    def look(self, reading: Reading) -> None:
        """Show the first rows of another dataset, or of the same one anew."""
        self._reading, self.looked, self.rows, self.first, self.file = reading, None, (), 0, 0
        self.failure = ""
        self._ask_now()
        self.changed.emit()

    def keep(self, reading: Reading | None) -> None:
        """A reading has ended, and this is the dataset in use: its rows may be shown already."""
        if reading is None:
            self._reading, self.looked, self.rows = None, None, ()
            self.changed.emit()
        elif not self._is_looked_at(reading):
            self.look(reading)

    def _is_looked_at(self, reading: Reading) -> bool:
        here, looked = self._reading, self.looked
        is_same = here is not None and (here.data, here.valid) == (reading.data, reading.valid)
        return is_same and (looked is None or looked.map == reading.map)

    def go_to(self, row: int) -> None:
        """Show the page that begins with a row, 0-based; the nearest there is."""
        self.first = min(max(row, 0), max(0, self.total - 1))
        self._ask_now()

    def turn(self, pages: int) -> None:
        self.go_to(self.first + pages * self.rows_a_page)

    def show_rows_a_page(self, rows: int) -> None:
        self.rows_a_page = rows
        self._ask_now()

    def show_file(self, file: int) -> None:
        self.file, self.first = file, 0
        self._ask_now()

    @Slot()
    def refresh(self) -> None:
        """Ask soon if what decides how rows look has changed."""
        if self._reading is not None and self._deciding() != self._asked:
            self._timer.start()

    def _deciding(self) -> tuple[object, ...]:
        config = self._state.config
        look = (self._tokenizer.tokenizer, config.mask_prompt, config.max_seq_length, config.map)
        split = (config.validation_share, config.seed)
        return (*look, *split, self._tokenisation.done)

    def _ask_now(self) -> None:
        self._timer.stop()
        self._ask()

    @Slot()
    def _ask(self) -> None:
        if self._reading is None:
            return
        self._asked = self._deciding()
        if self._job is not None:
            self._process.cancel(self._job)
        config, done = self._state.config, self._tokenisation.done
        tokenizer = self._tokenizer.tokenizer
        rendering = None
        if tokenizer is not None:
            rendering = Rendering(tokenizer, config.mask_prompt, config.max_seq_length)
        if done is not None and rendering is not None:
            self.file = min(self.file, len(done.rows) - 1)
            self.first = min(self.first, max(0, self.total - 1))
            work: ShowingRows | Looking = ShowingRows(
                done.sets, self.file, self.first, self.rows_a_page, rendering, _split(config)
            )
        else:
            work = Looking(self._reading, HEAD_ROWS, rendering)
        number = self._process.run(work, self._take, lambda ended: self._end(number, ended))
        self._job = number

    def _take(self, value: object) -> None:
        if isinstance(value, Page):
            self.first, self.rows = value.first, value.rows
        elif isinstance(value, Looked) and value.reading == self._reading:
            self._take_first_rows(value)
        self.failure = ""
        self.changed.emit()

    def _take_first_rows(self, looked: Looked) -> None:
        is_poorer = self.is_rendered and not any(row.tokens is not None for row in looked.rows)
        if is_poorer and self._tokenizer.tokenizer is not None:
            return  # the same rows, rendered, come next
        self.looked = looked
        self.first = min(self.first, max(0, len(looked.rows) - 1))
        self.rows = looked.rows[self.first : self.first + self.rows_a_page]

    def _end(self, number: int, ended: JobEnded) -> None:
        if number != self._job:
            return
        self._job = None
        if ended.ending == "failed":
            self.rows, self.failure = (), f"{ended.message} {ended.hint}".strip()
            self.changed.emit()


def _split(config: TrainingConfig) -> Split:
    return Split(config.validation_share, config.seed)
