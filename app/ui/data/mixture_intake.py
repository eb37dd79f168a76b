"""The datasets mixed into the run's own: added, read, given their shares, taken out again."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path

from PySide6.QtCore import QObject, Signal, Slot

from app.core.column_mapping import ColumnMapping
from app.core.config.data import MAX_MIXED_SHARE
from app.core.config.training_config import MixedDataset
from app.core.errors import Failure
from app.core.text.sentences import localized
from app.core.text.translation import tr
from app.ui.state.app_state import AppState
from app.ui.state.run_dataset import RunDataset
from app.workers.background_job import JobEnded
from app.workers.background_thread import BackgroundThread
from app.workers.data_process import DataProcess
from app.workers.jobs.datasets import DatasetRequest, InspectDataset, InspectedDataset
from app.workers.tasks import library

FIRST_SHARE = 0.25

Key = tuple[Path, str]


class MixIntake(QObject):
    """Changes the configuration's `mix`, and knows what stands in it."""

    changed = Signal()
    """What is known of a dataset."""
    attention_wanted = Signal(object)
    """Path of a dataset that was just given and can't be trained on as it is."""
    refused = Signal(object)
    """Failure: what could not be done."""

    def __init__(self, state: AppState, background: BackgroundThread, reader: DataProcess) -> None:
        super().__init__(state)
        self._state, self._background, self._reader = state, background, reader
        self._known: dict[Key, RunDataset] = {}
        self._before: dict[Key, RunDataset] = {}
        """What was known of those that are read again."""
        self._jobs: dict[Key, int] = {}
        self._versions = count(1)
        self._opened_paths: set[Path] = set()
        state.config_changed.connect(self._read_new)
        self._read_new()

    def known(self, mixed: MixedDataset) -> RunDataset:
        return self._known.get(_key(mixed)) or RunDataset(
            DatasetRequest(mixed.data), share_read=0.0
        )

    @Slot(object)
    def expect(self, paths: Iterable[Path]) -> None:
        """The user has just given these, and is to be shown what is wrong with them."""
        self._opened_paths.update(paths)

    @Slot(object)
    def add(self, paths: Sequence[Path]) -> None:
        """Mix in what isn't there yet; each gets a quarter, or what is left."""
        mix = list(self._state.config.mix)
        there = {self._state.config.data, *(mixed.data for mixed in mix)}
        for path in dict.fromkeys(paths):
            if path in there:
                continue
            left = MAX_MIXED_SHARE - sum(mixed.share for mixed in mix)
            mix.append(MixedDataset(path, round(max(0.01, min(FIRST_SHARE, left)), 4)))
            self._opened_paths.add(path)
        self._change(mix)

    def remove(self, index: int) -> None:
        mix = list(self._state.config.mix)
        del mix[index]
        self._change(mix)

    def set_share(self, index: int, share: float) -> None:
        mix = list(self._state.config.mix)
        mix[index] = replace(mix[index], share=share)
        self._change(mix)

    def read_again(self, index: int) -> None:
        """The file may have been mended."""
        mixed = self._state.config.mix[index]
        self._read(_key(mixed), DatasetRequest(mixed.data, None, mixed.columns))

    def map_columns(self, index: int, columns: ColumnMapping | None) -> None:
        """Read it by this mapping, and remember that for the file; None forgets it."""
        mixed = self._state.config.mix[index]
        remember = partial(library.remember_columns, mixed.data, columns)
        self._background.run(remember, lambda _: None, self.refused.emit, run_on_quit=True)
        self._read(_key(mixed), DatasetRequest(mixed.data, None, str(columns or "")))

    def cancel(self, index: int) -> None:
        """Stop reading it: what was known before stays; what was not known at all is taken out."""
        key = _key(self._state.config.mix[index])
        if key not in self._jobs:
            return
        self._drop_job(key)
        if (before := self._before.pop(key, None)) is None:
            self.remove(index)
        else:
            self._known[key] = replace(before, version=next(self._versions))
            self._tell()

    # -- reading -----------------------------------------------------------------------------
    def _change(self, mix: Sequence[MixedDataset]) -> None:
        self._state.change_config(mix=tuple(mix))

    @Slot()
    def _read_new(self) -> None:
        """Have read what the configuration names and nobody has read; forget the rest."""
        mix = {_key(mixed): mixed for mixed in self._state.config.mix}
        for key in [key for key in self._known if key not in mix]:
            self._drop_job(key)
            del self._known[key]
            self._before.pop(key, None)
        for key, mixed in mix.items():
            if key not in self._known:
                self._read(key, DatasetRequest(mixed.data, None, mixed.columns or None))
        self._tell()

    def _read(self, key: Key, reading: DatasetRequest) -> None:
        self._drop_job(key)
        known = self._known.get(key)
        if known is not None and not known.is_being_read:
            self._before[key] = known
        self._known[key] = RunDataset(reading, share_read=0.0, version=next(self._versions))

        def take(value: InspectedDataset | float) -> None:
            if self._jobs.get(key) != number:
                return
            if isinstance(value, float):
                self._known[key] = replace(self._known[key], share_read=value)
                self._tell()
            else:
                self._take(key, value)

        def ended(end: JobEnded) -> None:
            if self._jobs.get(key) == number:
                del self._jobs[key]
                self._end(key, end)

        number = self._reader.run(InspectDataset(reading), take, ended)
        self._jobs[key] = number
        self._tell()

    def _drop_job(self, key: Key) -> None:
        if (number := self._jobs.pop(key, None)) is not None:
            self._reader.cancel(number)

    def _take(self, key: Key, read: InspectedDataset) -> None:
        """The run reads the dataset by the mapping that was used here."""
        self._before.pop(key, None)
        del self._jobs[key]
        path, known = key[0], self._known[key]
        reading = replace(known.reading, mapping=read.mapping)
        known = replace(known, reading=reading, facts=read.facts, share_read=None)
        self._known[key] = self._known[path, read.mapping] = known
        mix = [
            replace(mixed, columns=read.mapping) if _key(mixed) == key else mixed
            for mixed in self._state.config.mix
        ]
        self._change(mix)
        self._tell()
        if path in self._opened_paths:
            self._opened_paths.discard(path)
            if read.facts.problem_count:
                self.attention_wanted.emit(path)

    def _end(self, key: Key, ended: JobEnded) -> None:
        """Without having been read to its end."""
        self._before.pop(key, None)
        failure = ended.failure or Failure(
            tr("{dataset} was not read to its end.", dataset=key[0].name), is_app_error=False
        )
        self._known[key] = replace(self._known[key], failure=failure, share_read=None)
        self._tell()

    def _tell(self) -> None:
        reasons = (self._why_not(mixed) for mixed in self._state.config.mix)
        self._state.set_mix_problem(next(filter(None, reasons), ""))
        self.changed.emit()

    def _why_not(self, mixed: MixedDataset) -> str:
        """Why a run can't start with this dataset, in one sentence."""
        known = self.known(mixed)
        if known.failure is not None:
            return localized(known.failure.message)
        if known.facts is None:
            return tr("{dataset} is being read.", dataset=known.name)
        if not known.facts.examples:
            return tr("{dataset} has no example that can be trained on.", dataset=known.name)
        if known.has_bad_rows and self._state.config.bad_rows == "stop":
            return tr("{dataset} has rows that can't be used.", dataset=known.name)
        return ""


def _key(mixed: MixedDataset) -> Key:
    return mixed.data, mixed.columns
