"""The plan of the next run, taken from a run: repeated, continued, or one that waits."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot

from app.core.config.presets import as_plain_adamw
from app.core.config.training_config import TrainingConfig
from app.core.text.sanitize import single_line
from app.core.text.translation import tr
from app.ui.data.dataset_list import DatasetList
from app.ui.runs.runs_page import RunsPage
from app.ui.state.app_state import AppState
from app.ui.state.run_queue import RunQueue
from app.ui.state.window_pages import Place
from app.ui.tables.run_rows import WaitingRun
from app.ui.window.main_window import MainWindow

if TYPE_CHECKING:
    from app.library.reading.run_details import RunDetails


class PlanCommands(QObject):
    dataset_wanted = Signal()

    def __init__(
        self,
        state: AppState,
        window: MainWindow,
        page: RunsPage,
        queue: RunQueue,
        datasets: DatasetList,
    ) -> None:
        super().__init__(window)
        self._state, self._window = state, window
        self._queue, self._datasets = queue, datasets
        more = page.opened.head.more
        more.repeat_requested.connect(self.repeat)
        more.plain_repeat_requested.connect(self.repeat_plain)
        more.continue_requested.connect(self.continue_with_new_data)
        page.list.waiting_open_requested.connect(self.edit_waiting)

    @Slot(object)
    def repeat(self, details: "RunDetails") -> None:
        """The run's settings become the plan of the next run."""
        if details.config is not None:
            self._use_settings(details.config)

    @Slot(object)
    def repeat_plain(self, details: "RunDetails") -> None:
        """The same run as ordinary AdamW: one tier that moves at every step."""
        if details.config is not None:
            self._use_settings(as_plain_adamw(details.config, details.summary.name))

    @Slot(object)
    def continue_with_new_data(self, details: "RunDetails") -> None:
        """The plan starts from the run's adapter, and the user chooses its data."""
        summary = details.summary
        if summary.adapter_dir is None:
            return
        model = Path(summary.model) if summary.model else self._state.config.model
        self._state.change_config(adapter=summary.adapter_dir, model=model, name="")
        self._window.show_place(Place.NEW_RUN)
        name = single_line(summary.name)
        text = tr("The next run continues from “{name}”. Choose its data.", name=name)
        self._window.notice.tell(text)
        self.dataset_wanted.emit()

    @Slot(object)
    def edit_waiting(self, waiting: WaitingRun) -> None:
        """Its settings become the plan; it leaves the queue once they are added again."""
        run = next((run for run in self._queue.runs if run.key == waiting.key), None)
        if run is not None:
            self._use_settings(run.config)
            self._queue.begin_edit(run.key)

    def _use_settings(self, config: TrainingConfig) -> None:
        """They become the plan of the next run."""
        self._state.replace_config(replace(config, output=None))
        self._datasets.read_again()
        self._window.show_place(Place.NEW_RUN)
