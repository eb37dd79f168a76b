"""The run's datasets, each as far as it is known, and which of them the Data page shows."""

from pathlib import Path

from PySide6.QtCore import QObject, Signal, Slot

from app.core.column_mapping import ColumnMapping
from app.ui.data.dataset_intake import Intake
from app.ui.data.mixture_intake import MixIntake
from app.ui.state.app_state import AppState
from app.ui.state.run_dataset import RunDataset
from app.workers.jobs.datasets import DatasetRequest


class Datasets(QObject):
    """The one that the others are mixed into comes first; what is asked for concerns the shown."""

    changed = Signal()
    """What is known of one, or which is shown."""

    def __init__(self, state: AppState, intake: Intake, mix: MixIntake) -> None:
        super().__init__(state)
        self._state, self._intake, self._mix = state, intake, mix
        self._incoming: DatasetRequest | None = None
        self._share, self._version = 0.0, 0
        self._path: Path | None = None
        """Of the one that is shown; None for the first."""
        intake.reading_begun.connect(self._begin)
        intake.reading_progressed.connect(self._progress)
        intake.reading_ended.connect(self._end)
        state.dataset_changed.connect(self.changed)
        state.config_changed.connect(self.changed)
        mix.changed.connect(self.changed)

    @property
    def all(self) -> tuple[RunDataset, ...]:
        """None, while nothing was given."""
        state, config = self._state, self._state.config
        if (coming := self._incoming) is not None and state.is_inspecting:
            first = RunDataset(coming, share_read=self._share, version=self._version)
            if coming.data != config.data:
                return (first,)
        elif config.data is None or (state.dataset is None and state.dataset_failure is None):
            return ()
        else:
            reading = DatasetRequest(config.data, config.valid, config.columns)
            first = RunDataset(reading, state.dataset, state.dataset_failure, version=self._version)
        return (first, *(self._mix.known(mixed) for mixed in config.mix))

    @property
    def index(self) -> int:
        """Of the one that is shown."""
        paths = [one.path for one in self.all]
        return paths.index(self._path) if self._path in paths else 0

    @property
    def shown(self) -> RunDataset | None:
        found = self.all
        return found[self.index] if found else None

    def show(self, index: int) -> None:
        self._path = self.all[index].path
        self.changed.emit()

    def show_path(self, path: Path) -> None:
        self._path = path
        self.changed.emit()

    # -- what is done with the one that is shown -----------------------------------------------
    def read_shown_again(self) -> None:
        self.read_again(self.index)

    def read_again(self, index: int) -> None:
        if index:
            self._mix.read_again(index - 1)
        else:
            self._intake.inspect_current()

    def map_columns(self, columns: ColumnMapping | None) -> None:
        """None: as the file's own names say."""
        if index := self.index:
            self._mix.map_columns(index - 1, columns)
        else:
            self._intake.map_columns(columns)

    def remove(self) -> None:
        """Mix it in no longer; the first can only be exchanged for another."""
        if index := self.index:
            self._mix.remove(index - 1)

    def cancel_reading(self) -> None:
        """Of all that are being read."""
        if self._incoming is not None:
            self._intake.cancel()
            return
        for index in reversed(range(len(self._state.config.mix))):
            self._mix.cancel(index)

    @Slot(object)
    def _begin(self, reading: DatasetRequest) -> None:
        if reading.data != self._state.config.data:
            self._path = None
        self._incoming, self._share = reading, 0.0
        self._version += 1
        self.changed.emit()

    @Slot(float)
    def _progress(self, share: float) -> None:
        self._share = share
        self.changed.emit()

    @Slot(object)
    def _end(self, _: DatasetRequest | None) -> None:
        self._incoming = None
        self.changed.emit()
