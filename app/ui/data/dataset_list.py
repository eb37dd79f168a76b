"""The datasets of the plan, the main one and those mixed into it: reads and checks each of them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path

from PySide6.QtCore import QObject, Signal, Slot

from app.core.column_mapping import ColumnMapping
from app.core.config.data import MAX_MIXED_SHARE
from app.core.config.presets import demo_config
from app.core.config.training_config import MixedDataset
from app.core.errors import Failure
from app.core.text.sentences import localized
from app.core.text.translation import tr
from app.core.wording.display_names import dataset_title
from app.ui.state.app_state import AppState
from app.ui.state.plan_memory import PlanMemory
from app.ui.state.run_dataset import RunDataset
from app.workers.background_job import JobEnded
from app.workers.background_thread import BackgroundThread
from app.workers.data_process import DataProcess
from app.workers.jobs.datasets import DatasetRequest, InspectDataset, InspectedDataset
from app.workers.tasks import library

FIRST_SHARE = 0.25
Key = tuple[Path | None, str]
"""A mixed dataset's path and columns in the configuration, or OWN."""
OWN: Key = None, ""
"""The key of the plan's main dataset, which a new one replaces once it has been read."""


class DatasetList(QObject):
    """Index 0 is the plan's main dataset; the others come from the configuration's `mix`. Changes
    don't affect a run in progress.
    """

    changed = Signal()
    """The facts or the state of a dataset have changed, or another one is shown."""
    reading_begun = Signal(object)
    """Argument: the DatasetRequest of the main dataset, or of a file that may replace it."""
    opened = Signal(object)
    """Argument: the path of a dataset that has been opened as the main one."""
    accepted = Signal()
    """The main dataset has been read."""
    attention_wanted = Signal(object)
    """Argument: the path of a dataset that the user has just added and that has problems."""
    refused = Signal(object)
    """Argument: the Failure that prevents the use of an opened dataset."""
    reveal_requested = Signal(object)
    """Argument: the path of one of the datasets."""
    removed = Signal(str, object)
    """Arguments: the name of a removed dataset, and the mix before its removal."""

    def __init__(
        self, state: AppState, plan: PlanMemory, background: BackgroundThread, reader: DataProcess
    ) -> None:
        super().__init__(state)
        self._state, self._plan = state, plan
        self._background, self._reader = background, reader
        self._known: dict[Key, RunDataset] = {}
        self._before: dict[Key, RunDataset] = {}
        """The previous state of datasets that are being read again."""
        self._jobs: dict[Key, int] = {}
        self._versions = count(1)
        self._version = 0
        """The version of the main dataset when it was last read."""
        self._just_added: set[Path] = set()
        """The datasets that the user has just added; their problems are shown once they are
        read.
        """
        self._shown: Path | None = None
        """None for the main dataset."""
        state.dataset_changed.connect(self.changed)
        state.config_changed.connect(self._read_new)
        self._read_new()

    # -- the datasets -------------------------------------------------------------------------
    @property
    def all(self) -> tuple[RunDataset, ...]:
        """Empty until a dataset is opened. While a new main dataset is being read, only
        that one.
        """
        state, config = self._state, self._state.config
        if state.is_inspecting and OWN in self._known:
            own = self._known[OWN]
            if own.path != config.data:
                return (own,)
        elif config.data is None or (state.dataset is None and state.dataset_failure is None):
            return ()
        else:
            reading = DatasetRequest(config.data, config.valid, config.columns)
            own = RunDataset(reading, state.dataset, state.dataset_failure, version=self._version)
        return (own, *map(self.known, config.mix))

    def known(self, mixed: MixedDataset) -> RunDataset:
        unread = RunDataset(DatasetRequest(mixed.data), share_read=0.0)
        return self._known.get(_key(mixed), unread)

    @property
    def index(self) -> int:
        """The index of the dataset that the Data page shows."""
        paths = [one.path for one in self.all]
        return paths.index(self._shown) if self._shown in paths else 0

    @property
    def shown(self) -> RunDataset | None:
        found = self.all
        return found[self.index] if found else None

    def show(self, index: int) -> None:
        self.show_path(self.all[index].path)

    def show_path(self, path: Path) -> None:
        self._shown = path
        self.changed.emit()

    # -- commands -----------------------------------------------------------------------------
    def open(self, path: Path, mix: tuple[MixedDataset, ...] = (), **settings: object) -> None:
        """Read a dataset to make it the main one, with `mix` mixed into it; a later call replaces
        this one.

        The other `settings` change with it, unless it can't be read.
        """

        def take(columns: str) -> None:
            own = {"data": path, "mix": mix, "valid": None, "columns": columns, "eval_sets": ()}
            self._state.replace_config(self._plan.left_sample(**own, name="", **settings))
            self.opened.emit(path)

        self._just_added = {path, *(mixed.data for mixed in mix)}
        self._read_own(DatasetRequest(path), take)

    def use_sample(self) -> None:
        """Use the sample data with the demo's settings."""
        demo = demo_config()
        if demo.data is not None:
            reading = DatasetRequest(demo.data, demo.valid, demo.columns)
            self._read_own(reading, lambda _: self._plan.use_sample())

    def mix_in(self, paths: Sequence[Path]) -> None:
        """Mix in the datasets that are new, each with a share of a quarter, or less if less is
        left.
        """
        mix = list(self._state.config.mix)
        there = {self._state.config.data, *(mixed.data for mixed in mix)}
        for path in dict.fromkeys(paths):
            if path not in there:
                left = MAX_MIXED_SHARE - sum(mixed.share for mixed in mix)
                mix.append(MixedDataset(path, round(max(0.01, min(FIRST_SHARE, left)), 4)))
                self._just_added.add(path)
        self._change(mix)

    def remove(self, index: int) -> None:
        """Remove a mixed dataset. The main one can only be replaced."""
        if index:
            mix = self._state.config.mix
            self._change((*mix[: index - 1], *mix[index:]))
            self.removed.emit(dataset_title(mix[index - 1].data), mix)

    def set_share(self, index: int, share: float) -> None:
        mix = list(self._state.config.mix)
        mix[index - 1] = replace(mix[index - 1], share=share)
        self._change(mix)

    def read_shown_again(self) -> None:
        self.read_again(self.index)

    def read_again(self, index: int = 0) -> None:
        """Read a dataset again, because its file or the configuration has changed."""
        config = self._state.config
        if index:
            mixed = config.mix[index - 1]
            self._read_mixed(mixed, mixed.columns)
        elif config.data is not None:
            reading = DatasetRequest(config.data, config.valid, config.columns)
            self._read_own(reading, lambda _: None)

    def map_columns(self, columns: ColumnMapping | None) -> None:
        """Read the shown dataset with this mapping and save it for the file; None deletes the saved
        one.
        """
        config, mapping = self._state.config, str(columns or "")
        mixed = config.mix[self.index - 1] if self.index else None
        path = mixed.data if mixed else config.data
        if path is None:
            return
        remember = partial(library.remember_columns, path, columns)
        self._background.run(remember, lambda _: None, self.refused.emit, run_on_quit=True)
        if mixed:
            self._read_mixed(mixed, mapping)
        else:
            reading = DatasetRequest(path, config.valid, mapping)
            self._read_own(reading, lambda used: self._state.change_config(columns=used))

    def cancel_reading(self) -> None:
        """Stop reading. Datasets keep their previous state; a mixed one without any is removed."""
        if self._state.is_inspecting:
            self._drop_job(OWN)
            self._state.keep_dataset()
            return
        for index, mixed in reversed(list(enumerate(self._state.config.mix, start=1))):
            if (key := _key(mixed)) not in self._jobs:
                continue
            self._drop_job(key)
            if (before := self._before.pop(key, None)) is None:
                self.remove(index)
            else:
                self._known[key] = replace(before, version=next(self._versions))
                self._update()

    # -- reading ------------------------------------------------------------------------------
    def _change(self, mix: Sequence[MixedDataset]) -> None:
        self._state.change_config(mix=tuple(mix))

    def _read_own(self, reading: DatasetRequest, take: Callable[[str], None]) -> None:
        """`take` puts the dataset into the plan; it is called only if the file is a dataset."""

        def done(read: InspectedDataset) -> None:
            take(read.mapping)
            self._state.set_dataset(read.facts)
            self.accepted.emit()

        if reading.data != self._state.config.data:
            self._shown = None
        self._read(OWN, reading, done)
        self._version = self._known[OWN].version
        self._state.begin_inspection()
        self.reading_begun.emit(reading)

    def _read_mixed(self, mixed: MixedDataset, mapping: str | None) -> None:
        """`mapping`: None uses the mapping that was saved for the file."""
        key = _key(mixed)
        known = self._known.get(key)
        if known is not None and not known.is_being_read:
            self._before[key] = known

        def done(read: InspectedDataset) -> None:
            """Put the mapping into the configuration, so that the run uses the same one."""
            self._before.pop(key, None)
            reading = replace(self._known[key].reading, mapping=read.mapping)
            known = replace(self._known[key], reading=reading, facts=read.facts, share_read=None)
            self._known[key] = self._known[mixed.data, read.mapping] = known
            self._change(
                [
                    replace(one, columns=read.mapping) if _key(one) == key else one
                    for one in self._state.config.mix
                ]
            )

        self._read(key, DatasetRequest(mixed.data, None, mapping), done)

    def _read(
        self, key: Key, reading: DatasetRequest, done: Callable[[InspectedDataset], None]
    ) -> None:
        self._drop_job(key)
        self._known[key] = RunDataset(reading, share_read=0.0, version=next(self._versions))

        def take(value: InspectedDataset | float) -> None:
            if self._jobs.get(key) != number:
                return
            if isinstance(value, float):
                self._known[key] = replace(self._known[key], share_read=value)
                self._update()
                return
            del self._jobs[key]
            done(value)
            self._update()
            if reading.data in self._just_added:
                self._just_added.discard(reading.data)
                if value.facts.problem_count:
                    self.attention_wanted.emit(reading.data)

        def ended(end: JobEnded) -> None:
            """The job has ended before the dataset was read completely."""
            if self._jobs.get(key) != number:
                return
            del self._jobs[key]
            if end.failure is not None or key != OWN:
                self._fail(key, end.failure or _not_read(reading.data))
            self._update()

        number = self._reader.run(InspectDataset(reading), take, ended)
        self._jobs[key] = number
        self._update()

    def _fail(self, key: Key, failure: Failure) -> None:
        state = self._state
        if key != OWN:
            self._before.pop(key, None)
            self._known[key] = replace(self._known[key], failure=failure, share_read=None)
        elif state.dataset is None or self._known[OWN].path == state.config.data:
            state.set_dataset(None, failure)
        else:  # keep a good dataset, unless its own file has become unreadable
            state.keep_dataset()
            self.refused.emit(failure)

    def _drop_job(self, key: Key) -> None:
        if (number := self._jobs.pop(key, None)) is not None:
            self._reader.cancel(number)

    @Slot()
    def _read_new(self) -> None:
        """Read the configuration's unread datasets, and forget those that it no longer has."""
        mix = {_key(mixed): mixed for mixed in self._state.config.mix}
        for key in self._known.keys() - mix.keys() - {OWN}:
            self._drop_job(key)
            del self._known[key]
            self._before.pop(key, None)
        for key in mix.keys() - self._known.keys():
            self._read_mixed(mix[key], mix[key].columns or None)
        self._update()

    def _update(self) -> None:
        reasons = (self._why_not(mixed) for mixed in self._state.config.mix)
        self._state.set_mix_problem(next(filter(None, reasons), ""))
        self.changed.emit()

    def _why_not(self, mixed: MixedDataset) -> str:
        """Why a run can't start with this dataset, in one sentence; empty if it can."""
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


def _not_read(path: Path) -> Failure:
    return Failure(tr("{dataset} wasn't read completely.", dataset=path.name), is_app_error=False)
