"""Takes what the user drops or opens: finds out whether it is a dataset or a model, has it read."""

from pathlib import Path

from PySide6.QtCore import QObject, Signal, Slot

from app.core.demo import demo_config
from app.core.paths import starter_model_dir
from app.ui.app_state import AppState
from app.workers.background import BackgroundTasks, Failure
from app.workers.library_tasks import checking_model, inspecting


class Intake(QObject):
    """Changes the state's dataset and base model; refuses while a run is in progress."""

    refused = Signal(object)
    """Failure: why what was given can't be used."""

    def __init__(self, state: AppState, background: BackgroundTasks) -> None:
        super().__init__(state)
        self._state, self._background = state, background
        self._wanted: Path | None = None

    @Slot(object)
    def open_path(self, path: Path) -> None:
        """A dataset file, a dataset folder or a model folder."""
        if self._state.phase.is_active:
            self.refused.emit(
                _refusal("A run is in progress.", "Stop it, or wait for its end, to change it.")
            )
        elif path.is_dir() and looks_like_model(path):
            self.open_model(path)
        else:
            self.open_dataset(path)

    @Slot(object)
    def open_dataset(self, path: Path) -> None:
        """Have a dataset read and checked; the latest one asked for wins."""
        self._wanted = path
        self._state.change_config(data=path, valid=None, question_sets=(), name="")
        self._state.begin_inspection()
        self._inspect(path)

    @Slot(object)
    def open_model(self, folder: Path) -> None:
        self._background.run(
            checking_model(folder),
            lambda checked: self._state.change_config(model=checked),
            self.refused.emit,
        )

    @Slot()
    def use_starter_model(self) -> None:
        self._state.change_config(model=starter_model_dir())

    @Slot()
    def use_sample(self) -> None:
        """The demo's own settings: the sample teaches the starter model something new."""
        if self._state.phase.is_active:
            return
        self._state.replace_config(demo_config())
        self.inspect_current()

    def inspect_current(self) -> None:
        """Have the dataset read that the configuration already names."""
        if (path := self._state.config.data) is not None:
            self._wanted = path
            self._state.begin_inspection()
            self._inspect(path)

    def _inspect(self, path: Path) -> None:
        def is_latest() -> bool:
            return self._wanted == path

        self._background.run(
            inspecting(path),
            lambda facts: self._state.set_dataset(facts) if is_latest() else None,
            lambda failure: self._state.set_dataset(None, failure) if is_latest() else None,
        )


def looks_like_model(folder: Path) -> bool:
    return (folder / "config.json").is_file() or any(folder.glob("*.safetensors"))


def _refusal(message: str, hint: str) -> Failure:
    return Failure(message, hint, "", is_app_error=True)
