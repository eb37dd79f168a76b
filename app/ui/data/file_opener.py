"""Opens what the user drops or chooses: a dataset, a base model, or a settings file."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Signal, Slot

from app.core.config.training_config import MixedDataset, TrainingConfig
from app.core.files.paths import starter_model_dir
from app.data.files.dataset_folders import has_train_file
from app.ui.data.dataset_list import DatasetList
from app.ui.state.app_state import AppState
from app.ui.state.plan_memory import PlanMemory
from app.workers.background_thread import BackgroundThread
from app.workers.tasks import library


class FileOpener(QObject):
    """Detects the kind of a file and puts it into the plan. A run in progress is not affected."""

    refused = Signal(object)
    """Argument: the Failure that prevents the use of a file."""
    model_taken = Signal()
    """A base model was chosen, possibly the same one again."""
    model_chosen = Signal(object)
    """Argument: the folder of the base model that the user has chosen, unless it is the starter
    model.
    """

    def __init__(
        self,
        state: AppState,
        plan: PlanMemory,
        background: BackgroundThread,
        datasets: DatasetList,
    ) -> None:
        super().__init__(state)
        self._state, self._plan = state, plan
        self._background, self._datasets = background, datasets

    @Slot(object)
    def open_path(self, path: Path) -> None:
        """Open a dataset file or folder, a model's folder or one of its files, or a
        settings file.
        """
        if path.suffix.lower() == ".toml":
            self._background.run(
                partial(library.read_settings, path), self._take_settings, self.refused.emit
            )
        elif (folder := model_folder(path)) is not None:
            self.open_model(folder)
        else:
            self._datasets.open(path)

    @Slot(object)
    def open_paths(self, paths: Sequence[Path]) -> None:
        """Open several paths. Datasets are mixed in equal shares; the first is the main one."""
        datasets = [path for path in paths if is_dataset(path)]
        for path in paths:
            if path not in datasets:
                self.open_path(path)
        if datasets:
            share = 1 / len(datasets)
            mix = tuple(MixedDataset(path, share) for path in datasets[1:])
            self._datasets.open(datasets[0], mix)

    @Slot(object)
    def open_model(self, folder: Path) -> None:
        self._background.run(
            partial(library.check_model, folder), self._take_model, self.refused.emit
        )

    @Slot()
    def use_starter_model(self) -> None:
        self._take_model(starter_model_dir())

    def _take_settings(self, config: TrainingConfig) -> None:
        self._state.replace_config(config)
        self.model_taken.emit()
        self._datasets.read_again()

    def _take_model(self, folder: Path) -> None:
        state = self._state
        if folder != state.config.model:
            state.replace_config(self._plan.left_sample(model=folder))
        if folder != starter_model_dir():
            self.model_chosen.emit(folder)
        if state.dataset_failure is not None and state.config.data is None:
            state.set_dataset(None)  # an earlier failure no longer applies
        self.model_taken.emit()


def is_dataset(path: Path) -> bool:
    """Whether the path is neither a model nor a settings file."""
    return path.suffix.lower() != ".toml" and model_folder(path) is None


def model_folder(path: Path) -> Path | None:
    """The folder of the model if the path is one, or a file that only models have; else None."""
    is_file_of_model = path.name in ("config.json", "tokenizer.json") or path.suffix in (
        ".safetensors", ".gguf",
    )  # fmt: skip
    folder = path.parent if is_file_of_model and path.is_file() else path
    return folder if folder.is_dir() and looks_like_model(folder) else None


def looks_like_model(folder: Path) -> bool:
    """Whether a folder is meant to be a model, valid or not."""
    if has_train_file(folder):
        return False
    signs = ("config.json", "*.safetensors", "*.gguf")
    return any(any(folder.glob(sign)) for sign in signs)
