"""Polls a dataset's files and has the dataset read again when they change.

What the page counts, shows and turns into tokens is then of one state of the files: the one that
a run would find.
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

Place = tuple[Path, Path | None]
"""Where a dataset lies, and the validation file that was named for it."""


class FileWatch(QObject):
    """Looks at the files every now and then.

    A system's own watching (QFileSystemWatcher) sees nothing of what others do on a network disk
    and doesn't say so, loses a file that an editor replaces, and would need the same second look;
    a look costs about 2 ms of processor time.

    A file that something still writes to is left alone until it rests from one look to the next.
    """

    read_again = Signal(str)
    """Name of a file or folder that had changed."""

    def __init__(self, state: AppState, process: DataProcess, datasets: DatasetList) -> None:
        super().__init__(state)
        self._state, self._process, self._datasets = state, process, datasets
        self._last: dict[Place, FileStates] = {}
        """What the files were like at the last look."""
        self._failed: dict[tuple[Place, int], FileStates] = {}
        """What they were like when a reading failed, or soon after it."""
        self._again: set[Place] = set()
        """Those that are read again, which is not told yet."""
        self._is_looking = False
        # Once whatever else follows a reading has happened: it takes older notices away.
        datasets.changed.connect(self._tell, Qt.ConnectionType.QueuedConnection)
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
        there = {(_place(one), one.version): number for number, one in enumerate(datasets)}
        for one, now in zip(looked_at, states, strict=True):
            place = _place(one)
            last = self._last.get(place)
            self._last[place] = now
            if (number := there.get((place, one.version))) is None:
                continue  # it is read again already
            if now != self._read(one, now if last is None else last) and now == last:
                self._again.add(place)
                self._datasets.read_again(number)

    @Slot()
    def _tell(self) -> None:
        """Of those that could not be read the page says why."""
        for one in self._datasets.all:
            if _place(one) in self._again and not one.is_being_read:
                self._again.discard(_place(one))
                if one.facts is not None:
                    self.read_again.emit(one.path.name)

    def _read(self, one: RunDataset, otherwise: "FileStates") -> "FileStates":
        """What its files were like when it was read; `otherwise` where that has just failed."""
        if one.facts is not None:
            return one.facts.states
        return self._failed.setdefault((_place(one), one.version), otherwise)


def _place(one: RunDataset) -> Place:
    return one.path, one.reading.valid
