"""Polls a dataset's files and has the dataset read again when they change.

So the Data page always describes the files that a run would use.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, QTimer, Signal, Slot

from app.ui.data.dataset_list import DatasetList
from app.ui.state.app_state import AppState
from app.ui.state.run_dataset import RunDataset
from app.workers.data_process import DataProcess
from app.workers.jobs.preview import CheckFileStates

if TYPE_CHECKING:
    from app.data.files.fingerprint import FileStates

LOOK_EVERY_MS = 1500

Location = tuple[Path, Path | None]
"""A dataset's path, and the path of its separate validation file."""


class FileWatch(QObject):
    """Polls the files' states.

    QFileSystemWatcher misses changes that other computers make on a network disk without saying so,
    loses files that editors replace, and would need the same second check. A poll costs about 2 ms
    of CPU time.

    A file that is still being written is read only after it has not changed between two polls.
    """

    read_again = Signal(str)
    """Argument: the name of a file or folder that has changed."""

    def __init__(self, state: AppState, process: DataProcess, datasets: DatasetList) -> None:
        super().__init__(state)
        self._state, self._process, self._datasets = state, process, datasets
        self._last: dict[Location, FileStates] = {}
        """The state of the files at the last poll."""
        self._failed: dict[tuple[Location, int], FileStates] = {}
        """The state of the files when reading failed, or soon after."""
        self._again: set[Location] = set()
        """Datasets that are being read again; the signal is still to come."""
        self._is_looking = False
        # Queued, so that the notice comes after others of the same reading, which it would replace.
        datasets.changed.connect(self._emit_read_again, Qt.ConnectionType.QueuedConnection)
        self._timer = QTimer(self, interval=LOOK_EVERY_MS)
        self._timer.timeout.connect(self.look)
        self._timer.start()

    @Slot()
    def look(self) -> None:
        known = tuple(one for one in self._datasets.all if not one.is_being_read)
        if self._is_looking or not known:
            return
        self._is_looking = True
        self._process.run(
            CheckFileStates(tuple(one.reading for one in known)),
            lambda states: self._take(known, states),
            lambda _: self._end(),
        )

    def _end(self) -> None:
        self._is_looking = False

    def _take(self, looked_at: tuple[RunDataset, ...], states: "tuple[FileStates, ...]") -> None:
        datasets = self._datasets.all
        current = {(_location(one), one.version): number for number, one in enumerate(datasets)}
        for one, now in zip(looked_at, states, strict=True):
            location = _location(one)
            last = self._last.get(location)
            self._last[location] = now
            if (number := current.get((location, one.version))) is None:
                continue  # it is already being read again
            if now != self._read(one, now if last is None else last) and now == last:
                self._again.add(location)
                self._datasets.read_again(number)

    @Slot()
    def _emit_read_again(self) -> None:
        """Emit the signal for datasets that were read again. For failures, the page gives the
        reason.
        """
        for one in self._datasets.all:
            if _location(one) in self._again and not one.is_being_read:
                self._again.discard(_location(one))
                if one.facts is not None:
                    self.read_again.emit(one.path.name)

    def _read(self, one: RunDataset, otherwise: "FileStates") -> "FileStates":
        """The state of the dataset's files when it was read; `otherwise` if reading has just
        failed.
        """
        if one.facts is not None:
            return one.facts.states
        return self._failed.setdefault((_location(one), one.version), otherwise)


def _location(one: RunDataset) -> Location:
    return one.path, one.reading.valid
