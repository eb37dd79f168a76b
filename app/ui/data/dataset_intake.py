"""Takes what the user drops or opens: finds out whether it is a dataset or a model, has it read."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Signal, Slot

from app.core.column_mapping import ColumnMapping
from app.core.config.presets import demo_config
from app.core.config.training_config import MixedDataset, TrainingConfig
from app.core.errors import Failure
from app.core.files.paths import starter_model_dir
from app.data.files.dataset_files import has_train_file
from app.ui.state.app_state import AppState
from app.ui.state.plan_memory import PlanMemory
from app.workers.background_job import JobEnded
from app.workers.background_thread import BackgroundThread
from app.workers.data_process import DataProcess
from app.workers.jobs.datasets import DatasetRequest, InspectDataset, InspectedDataset
from app.workers.tasks import library


class Intake(QObject):
    """Changes the dataset and base model of the plan; a run in progress keeps its own."""

    refused = Signal(object)
    """Failure: why what was given can't be used."""
    accepted = Signal()
    """What was given is in use now."""
    model_taken = Signal()
    """A base model was chosen, maybe the same one again."""
    reading_begun = Signal(object)
    """Reading: a dataset is being read and checked."""
    reading_progressed = Signal(float)
    """How much of it was read, 0 to 1."""
    reading_ended = Signal(object)
    """Reading: the dataset that is in use now, if one is; the one that was read, or another."""
    further_datasets_opened = Signal(object)
    """Paths of the datasets that were given beside the run's own, to be mixed into it."""
    attention_wanted = Signal(object)
    """Path of the dataset that was just dropped: it can't be trained on as it is."""

    dataset_taken = Signal(object)
    """Path of a dataset that was given and is in use now."""
    model_chosen = Signal(object)
    """Path of the folder of a base model that was given and is in use now."""

    def __init__(
        self,
        state: AppState,
        plan: PlanMemory,
        background: BackgroundThread,
        reader: DataProcess,
    ) -> None:
        super().__init__(state)
        self._state, self._plan = state, plan
        self._background, self._reader = background, reader
        self._wanted: object = None
        self._job: int | None = None

    @Slot(object)
    def open_path(self, path: Path) -> None:
        """A dataset file or folder, a model's folder or one of its files, or a file of settings."""
        if path.suffix.lower() == ".toml":
            self._background.run(
                partial(library.read_settings, path), self._take_settings, self.refused.emit
            )
        elif (folder := model_folder(path)) is not None:
            self.open_model(folder)
        else:
            self.open_dataset(path)

    @Slot(object)
    def open_paths(self, paths: Sequence[Path]) -> None:
        """Several at a time: datasets are mixed in equal shares, the first being the run's own."""
        datasets = [path for path in paths if is_dataset(path)]
        for path in paths:
            if path not in datasets:
                self.open_path(path)
        if datasets:
            share = 1 / len(datasets)
            self.further_datasets_opened.emit(tuple(datasets[1:]))
            mix = tuple(MixedDataset(path, share) for path in datasets[1:])
            self.open_dataset(datasets[0], mix)

    @Slot(object)
    def open_dataset(self, path: Path, mix: tuple[MixedDataset, ...] = ()) -> None:
        """Have a dataset read and checked; the latest one asked for wins."""

        def take(columns: str) -> None:
            self._state.replace_config(
                self._plan.left_sample(
                    data=path, mix=mix, valid=None, columns=columns, eval_sets=(), name=""
                )
            )
            self.dataset_taken.emit(path)

        self._inspect(DatasetRequest(path), take, is_new=True)

    def map_columns(self, columns: ColumnMapping | None) -> None:
        """Read the dataset by this mapping, and remember it for the file; None forgets it."""
        config = self._state.config
        if config.data is None:
            return
        remember = partial(library.remember_columns, config.data, columns)
        self._background.run(remember, lambda _: None, self.refused.emit, run_on_quit=True)

        def take(mapping: str) -> None:
            self._state.change_config(columns=mapping)

        self._inspect(DatasetRequest(config.data, config.valid, str(columns or "")), take)

    @Slot()
    def cancel(self) -> None:
        """Stop reading; the dataset that was there before stays."""
        if self._state.is_inspecting:
            self._drop_job()
            self._wanted = None
            self._state.keep_dataset()
            self._tell_reading()

    @Slot(object)
    def open_model(self, folder: Path) -> None:
        self._background.run(
            partial(library.check_model, folder), self._take_model, self.refused.emit
        )

    @Slot()
    def use_starter_model(self) -> None:
        self._take_model(starter_model_dir())

    @Slot()
    def use_sample(self) -> None:
        """The demo's own settings: the sample teaches the starter model something new."""
        demo = demo_config()

        def take(_: str) -> None:
            self._plan.use_sample()

        if demo.data is not None:
            self._inspect(DatasetRequest(demo.data, demo.valid, demo.columns), take)

    def _take_settings(self, config: TrainingConfig) -> None:
        self._state.replace_config(config)
        self.model_taken.emit()
        self.inspect_current()

    def inspect_current(self) -> None:
        """Have the dataset read that the configuration already names."""
        config = self._state.config
        if config.data is not None:
            self._inspect(DatasetRequest(config.data, config.valid, config.columns), lambda _: None)

    def _take_model(self, folder: Path) -> None:
        state = self._state
        if folder != state.config.model:
            state.replace_config(self._plan.left_sample(model=folder))
        if folder != starter_model_dir():
            self.model_chosen.emit(folder)
        if state.dataset_failure is not None and state.config.data is None:
            state.set_dataset(None)  # what was wrong before is over
        self.model_taken.emit()
        self.accepted.emit()

    def _inspect(
        self, reading: DatasetRequest, take: Callable[[str], None], *, is_new: bool = False
    ) -> None:
        """Read a dataset; `take` makes it the state's, and is called only if it is one."""
        self._drop_job()
        self._wanted = wanted = object()
        self._state.begin_inspection()
        self.reading_begun.emit(reading)

        def on_value(value: InspectedDataset | float) -> None:
            if self._wanted is not wanted:
                return
            if isinstance(value, float):
                self.reading_progressed.emit(value)
                return
            self._take_dataset(take, value)
            if is_new and value.facts.problem_count:
                self.attention_wanted.emit(reading.data)

        def ended(end: JobEnded) -> None:
            if self._wanted is not wanted:
                return
            self._job = None
            if end.failure is not None:
                self._refuse_dataset(reading.data, end.failure)
            self._tell_reading()

        self._job = self._reader.run(InspectDataset(reading), on_value, ended)

    def _drop_job(self) -> None:
        if self._job is not None:
            self._reader.cancel(self._job)
            self._job = None

    def _take_dataset(self, take: Callable[[str], None], inspected: InspectedDataset) -> None:
        take(inspected.mapping)
        self._state.set_dataset(inspected.facts)
        self.accepted.emit()

    def _refuse_dataset(self, path: Path, failure: Failure) -> None:
        """A good dataset stays, unless it is its own file that went bad."""
        state = self._state
        if state.dataset is None or path == state.config.data:
            state.set_dataset(None, failure)
        else:
            state.keep_dataset()
            self.refused.emit(failure)

    def _tell_reading(self) -> None:
        config = self._state.config
        if config.data is not None and self._state.dataset is not None:
            self.reading_ended.emit(DatasetRequest(config.data, config.valid, config.columns))
        else:
            self.reading_ended.emit(None)


def is_dataset(path: Path) -> bool:
    """Whether something that was given is neither a model nor a file of settings."""
    return path.suffix.lower() != ".toml" and model_folder(path) is None


def model_folder(path: Path) -> Path | None:
    """The folder of the model that was given by it, or by a file that only a model has."""
    is_file_of_model = path.name in ("config.json", "tokenizer.json") or path.suffix in (
        ".safetensors", ".gguf",
    )  # fmt: skip
    folder = path.parent if is_file_of_model and path.is_file() else path
    return folder if folder.is_dir() and looks_like_model(folder) else None


def looks_like_model(folder: Path) -> bool:
    """Whether a folder was meant as a model, a good one or not."""
    if has_train_file(folder):
        return False
    signs = ("config.json", "*.safetensors", "*.gguf")
    return any(any(folder.glob(sign)) for sign in signs)
