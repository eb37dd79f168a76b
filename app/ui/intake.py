"""Takes what the user drops or opens: finds out whether it is a dataset or a model, has it read."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot

from app.core.config import MixedDataset, TrainingConfig
from app.core.demo import demo_config
from app.core.paths import starter_model_dir
from app.data.dataset_files import has_train_file
from app.ui.app_state import AppState
from app.workers.background import BackgroundTasks, Failure
from app.workers.library_tasks import checking_model, inspecting, reading_settings

if TYPE_CHECKING:
    from app.data.inspection import DatasetFacts


class Intake(QObject):
    """Changes the state's dataset and base model; refuses while a run is in progress."""

    refused = Signal(object)
    """Failure: why what was given can't be used."""
    accepted = Signal()
    """What was given is in use now."""
    model_taken = Signal()
    """A base model was chosen, maybe the same one again."""

    def __init__(self, state: AppState, background: BackgroundTasks) -> None:
        super().__init__(state)
        self._state, self._background = state, background
        self._wanted: object = None

    @Slot(object)
    def open_path(self, path: Path) -> None:
        """A dataset file, a dataset folder, a model folder or a file of settings."""
        if why_not := self._state.why_not_open():
            self.refused.emit(Failure(why_not, "", "", is_app_error=True))
        elif path.suffix.lower() == ".toml":
            self._background.run(reading_settings(path), self._take_settings, self.refused.emit)
        elif path.is_dir() and looks_like_model(path):
            self.open_model(path)
        else:
            self.open_dataset(path)

    @Slot(object)
    def open_paths(self, paths: Sequence[Path]) -> None:
        """Several at a time: datasets are mixed in equal shares, the first being the run's own."""
        if why_not := self._state.why_not_open():
            self.refused.emit(Failure(why_not, "", "", is_app_error=True))
            return
        datasets = [path for path in paths if is_dataset(path)]
        for path in paths:
            if path not in datasets:
                self.open_path(path)
        if datasets:
            share = 1 / len(datasets)
            mix = tuple(MixedDataset(path, share) for path in datasets[1:])
            self.open_dataset(datasets[0], mix)

    @Slot(object)
    def open_dataset(self, path: Path, mix: tuple[MixedDataset, ...] = ()) -> None:
        """Have a dataset read and checked; the latest one asked for wins."""

        def take() -> None:
            self._state.leave_run()
            self._state.change_config(
                data=path, mix=mix, valid=None, map="", question_sets=(), name=""
            )

        self._inspect(path, take)

    @Slot(object)
    def open_model(self, folder: Path) -> None:
        self._background.run(checking_model(folder), self._take_model, self.refused.emit)

    @Slot()
    def use_starter_model(self) -> None:
        self._take_model(starter_model_dir())

    @Slot()
    def use_sample(self) -> None:
        """The demo's own settings: the sample teaches the starter model something new."""
        demo = demo_config()

        def take() -> None:
            self._state.leave_run()
            self._state.replace_config(demo)

        if not self._state.phase.is_active and demo.data is not None:
            self._inspect(demo.data, take)

    def _take_settings(self, config: TrainingConfig) -> None:
        if not self._state.phase.is_active:
            self._state.leave_run()
            self._state.replace_config(config)
            self.model_taken.emit()
            self.inspect_current()

    def inspect_current(self) -> None:
        """Have the dataset read that the configuration already names."""
        if (path := self._state.config.data) is not None:
            self._inspect(path, lambda: None)

    def _take_model(self, folder: Path) -> None:
        state = self._state
        if state.phase.is_active:
            return
        state.change_config(model=folder)
        if state.dataset_failure is not None and state.config.data is None:
            state.set_dataset(None)  # what was wrong before is over
        self.model_taken.emit()
        self.accepted.emit()

    def _inspect(self, path: Path, take: Callable[[], None]) -> None:
        """Read a dataset; `take` makes it the state's, and is called only if it is one."""
        self._wanted = wanted = object()
        self._state.begin_inspection()

        def done(facts: "DatasetFacts") -> None:
            if self._wanted is wanted:
                self._take_dataset(path, take, facts)

        def failed(failure: Failure) -> None:
            if self._wanted is wanted:
                self._refuse_dataset(path, failure)

        self._background.run(inspecting(path), done, failed)

    def _take_dataset(self, path: Path, take: Callable[[], None], facts: "DatasetFacts") -> None:
        state = self._state
        if state.phase.is_active and path != state.config.data:
            state.keep_dataset()
            return
        take()
        state.set_dataset(facts)
        self.accepted.emit()

    def _refuse_dataset(self, path: Path, failure: Failure) -> None:
        """A good dataset stays, unless it is its own file that went bad."""
        state = self._state
        if state.dataset is None or path == state.config.data:
            state.set_dataset(None, failure)
        else:
            state.keep_dataset()
            self.refused.emit(failure)


def is_dataset(path: Path) -> bool:
    """Whether something that was given is neither a model nor a file of settings."""
    return path.suffix.lower() != ".toml" and not (path.is_dir() and looks_like_model(path))


def looks_like_model(folder: Path) -> bool:
    """Whether a folder was meant as a model, a good one or not."""
    if has_train_file(folder):
        return False
    signs = ("config.json", "*.safetensors", "*.gguf")
    return any(any(folder.glob(sign)) for sign in signs)
