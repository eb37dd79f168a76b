"""The datasets mixed into the run's own: added, read, given their shares, taken out again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot

from app.core.config import MixedDataset
from app.core.config_checks import MOST_MIXED_IN
from app.ui import phrases
from app.ui.app_state import AppState
from app.workers.background import Failure

if TYPE_CHECKING:
    from app.data.inspection import DatasetFacts
    from app.workers.data_jobs import Inspected

FIRST_SHARE = 0.25

Inspect = Callable[[MixedDataset, "Callable[[Inspected], None]", Callable[[Failure], None]], None]
"""Has a dataset read beside the window, by its mapping or by the one remembered for it, and calls
back with what it holds or why it can't be."""


@dataclass(frozen=True)
class MixedFacts:
    """What is known of one mixed-in dataset: nothing while it is read."""

    facts: "DatasetFacts | None" = None
    failure: Failure | None = None


class MixIntake(QObject):
    """Changes the configuration's `mix`, and knows what stands in it."""

    changed = Signal()
    """What is known of a dataset."""

    def __init__(self, state: AppState, inspect: Inspect) -> None:
        super().__init__(state)
        self._state, self._inspect = state, inspect
        self._known: dict[tuple[Path, str], MixedFacts] = {}
        state.config_changed.connect(self._read_new)
        self._read_new()

    def known(self, mixed: MixedDataset) -> MixedFacts:
        return self._known.get(_key(mixed), MixedFacts())

    @Slot(object)
    def add(self, paths: Sequence[Path]) -> None:
        """Mix in what isn't there yet; each gets a quarter, or what is left."""
        mix = list(self._state.config.mix)
        there = {self._state.config.data, *(mixed.data for mixed in mix)}
        for path in dict.fromkeys(paths):
            if path in there:
                continue
            left = MOST_MIXED_IN - sum(mixed.share for mixed in mix)
            mix.append(MixedDataset(path, round(max(0.01, min(FIRST_SHARE, left)), 4)))
        self._change(mix)

    def remove(self, index: int) -> None:
        mix = list(self._state.config.mix)
        del mix[index]
        self._change(mix)

    def set_share(self, index: int, share: float) -> None:
        mix = list(self._state.config.mix)
        mix[index] = replace(mix[index], share=share)
        self._change(mix)

    def _change(self, mix: Sequence[MixedDataset]) -> None:
        if not self._state.phase.is_active:
            self._state.change_config(mix=tuple(mix))

    @Slot()
    def _read_new(self) -> None:
        """Have read what the configuration names and nobody has read; forget the rest."""
        mix = {_key(mixed): mixed for mixed in self._state.config.mix}
        self._known = {key: known for key, known in self._known.items() if key in mix}
        for key, mixed in mix.items():
            if key not in self._known:
                self._known[key] = MixedFacts()
                self._inspect(mixed, self._taking(key), self._failing(key))
        self._tell()

    def _taking(self, key: tuple[Path, str]) -> "Callable[[Inspected], None]":
        return lambda read: self._take_mapped(key, read)

    def _take_mapped(self, key: tuple[Path, str], read: "Inspected") -> None:
        """The run reads the dataset by the mapping that was used here."""
        self._take(key, MixedFacts(facts=read.facts))
        if read.map != key[1] and key in self._known:
            self._known[key[0], read.map] = self._known[key]
            mix = [
                replace(mixed, map=read.map) if _key(mixed) == key else mixed
                for mixed in self._state.config.mix
            ]
            self._change(mix)

    def _failing(self, key: tuple[Path, str]) -> Callable[[Failure], None]:
        return lambda failure: self._take(key, MixedFacts(failure=failure))

    def _take(self, key: tuple[Path, str], known: MixedFacts) -> None:
        if key in self._known:
            self._known[key] = known
            self._tell()

    def _tell(self) -> None:
        told = (self._why_not(mixed) for mixed in self._state.config.mix)
        self._state.set_mix_problem(next(filter(None, told), ""))
        self.changed.emit()

    def _why_not(self, mixed: MixedDataset) -> str:
        """Why a run can't start with this dataset, in one sentence."""
        known = self.known(mixed)
        name = phrases.dataset_name(mixed.data)
        if known.failure is not None:
            return known.failure.message
        if known.facts is None:
            return f"{name} is being read."
        if not known.facts.examples:
            return f"{name} has no example that can be trained on."
        if known.facts.problem_count and self._state.config.bad_rows == "stop":
            return f"{name} has rows that can't be used."
        return ""


def _key(mixed: MixedDataset) -> tuple[Path, str]:
    return mixed.data, mixed.map
