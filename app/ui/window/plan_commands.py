"""Fills the plan of the next run from an existing run: repeat, continue, or edit a queued one."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Slot

from app.core.config.presets import as_plain_adamw
from app.core.config.training_config import TrainingConfig
from app.core.errors import AppError
from app.core.text.sanitize import single_line
from app.core.text.sentences import localized
from app.core.text.translation import tr
from app.ui.data.dataset_list import DatasetList
from app.ui.runs.runs_page import RunsPage
from app.ui.state.app_state import AppState
from app.ui.state.run_queue import RunQueue
from app.ui.state.window_pages import Place
from app.ui.tables.run_rows import WaitingRun
from app.ui.window.commands import Commands
from app.ui.window.main_window import MainWindow

if TYPE_CHECKING:
    from app.library.reading.checkpoints import CheckpointFacts
    from app.library.reading.run_details import RunDetails


class PlanCommands(QObject):
    def __init__(
        self,
        state: AppState,
        window: MainWindow,
        page: RunsPage,
        queue: RunQueue,
        datasets: DatasetList,
        commands: Commands,
    ) -> None:
        super().__init__(window)
        self._state, self._window = state, window
        self._queue, self._datasets, self._commands = queue, datasets, commands
        more = page.opened.head.more
        more.repeat_requested.connect(self.repeat)
        more.plain_repeat_requested.connect(self.repeat_plain)
        more.continue_requested.connect(self.continue_with_new_data)
        page.opened.checkpoints.continue_requested.connect(self.continue_checkpoint)
        page.list.waiting_open_requested.connect(self.edit_waiting)

    @Slot(object)
    def repeat(self, details: "RunDetails") -> None:
        """Use the run's settings for the next run."""
        if details.config is not None:
            self._use_settings(details.config)

    @Slot(object)
    def repeat_plain(self, details: "RunDetails") -> None:
        """Use the run's settings with plain AdamW: one tier, updated at every step."""
        if details.config is not None:
            self._use_settings(as_plain_adamw(details.config, details.summary.name))

    @Slot(object)
    def continue_with_new_data(self, details: "RunDetails") -> None:
        """Ask for a dataset, then plan a run that starts from this run's adapter."""
        self._continue(details.summary.adapter_dir, details)

    @Slot(object, object)
    def continue_checkpoint(self, chosen: "CheckpointFacts", details: "RunDetails") -> None:
        """The same with the adapter of a checkpoint."""
        self._continue(chosen.folder, details)

    @Slot(object)
    def continue_adapter(self, folder: Path) -> None:
        """Start from an adapter that belongs to no run. Whether it fits the base model is checked
        when the run starts.
        """
        from app.library.reading.starting_adapter import starting_adapter  # it imports numpy

        try:
            starting_adapter(folder)
        except AppError as error:
            self._window.notice.tell_problem(localized(str(error)))
            return
        self._state.change_config(adapter=folder)
        self._window.show_place(Place.NEW_RUN)
        name = single_line(folder.name)
        self._window.notice.tell(tr("The next run continues from the adapter “{name}”.", name=name))

    def _continue(self, adapter: Path | None, details: "RunDetails") -> None:
        model = details.summary.model

        def take(data: Path) -> None:
            self._window.show_place(Place.NEW_RUN)
            base = Path(model) if model else self._state.config.model
            self._datasets.open(data, adapter=adapter, model=base)

        name = single_line(details.summary.name)
        self._commands.ask_dataset(tr("Choose data to continue “{name}”", name=name), take)

    @Slot(object)
    def edit_waiting(self, waiting: WaitingRun) -> None:
        """Edit a queued run: its settings become the plan, which will replace it in the queue."""
        run = next((run for run in self._queue.runs if run.key == waiting.key), None)
        if run is not None:
            self._use_settings(run.config)
            self._queue.begin_edit(run.key)

    def _use_settings(self, config: TrainingConfig) -> None:
        """Make these settings the plan of the next run."""
        self._state.replace_config(replace(config, output=None))
        self._datasets.read_again()
        self._window.show_place(Place.NEW_RUN)
