"""The tier plan as data: which slots, whole parameters or slices of them, belong to which tier.

How slots come to their tiers is not known here.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from app.core.config import TierConfig
from app.core.errors import InputError
from app.engine.lora import layer_index, rank_axis
from app.engine.mlx_gateway import import_mlx


@dataclass(frozen=True)
class Slot:
    """A parameter, or the slice `start:stop` of it along its rank, in one tier."""

    path: str
    tier: int
    start: int | None = None
    stop: int | None = None
    """Both None for the whole parameter."""

    @property
    def key(self) -> str:
        """The slot's own name: the parameter's path where it is whole."""
        return self.path if self.start is None else f"{self.path}[{self.start}:{self.stop}]"

    def of(self, array: Any) -> Any:
        """The slot's part of the parameter `array`; the array itself where it is whole."""
        if self.start is None:
            return array
        along = slice(self.start, self.stop)
        return array[(slice(None),) * rank_axis(self.path, array.ndim) + (along,)]


@dataclass(frozen=True)
class TierPlan:
    """Tiers and the slots they hold; `check` says whether these cover a model's parameters."""

    tiers: tuple[TierConfig, ...]
    slots: tuple[Slot, ...]

    @classmethod
    def of_wholes(cls, tiers: tuple[TierConfig, ...], tier_of: Mapping[str, int]) -> "TierPlan":
        """A plan that cuts nothing: `tier_of` gives each parameter's tier."""
        return cls(tiers, tuple(Slot(path, tier) for path, tier in tier_of.items()))

    @cached_property
    def of_tier(self) -> tuple[tuple[Slot, ...], ...]:
        """Per tier: its slots, in the model's order."""
        return tuple(
            tuple(slot for slot in self.slots if slot.tier == tier)
            for tier in range(len(self.tiers))
        )

    @cached_property
    def of_path(self) -> Mapping[str, tuple[Slot, ...]]:
        """Per parameter: its slots, along the rank."""
        found: dict[str, list[Slot]] = {}
        for slot in self.slots:
            found.setdefault(slot.path, []).append(slot)
        return {p: tuple(sorted(s, key=lambda s: s.start or 0)) for p, s in found.items()}

    def paths(self, tier: int) -> tuple[str, ...]:
        """The parameters of which a tier holds at least a part, in the model's order."""
        return tuple(dict.fromkeys(slot.path for slot in self.of_tier[tier]))

    def due(self, step: int) -> tuple[int, ...]:
        """Tiers that fire at optimizer step `step` (1-based)."""
        return tuple(k for k, tier in enumerate(self.tiers) if step % tier.period == 0)

    def cut(self, arrays: Mapping[str, Any]) -> dict[str, Any]:
        """Parameter path → array becomes slot key → its part; wholes are passed on as they are."""
        return {slot.key: slot.of(arrays[slot.path]) for slot in self.slots if slot.path in arrays}

    def joined(self, moved: Mapping[str, Any], held: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters of which a slot is in `moved`, whole again; other slots from `held`."""
        whole = {}
        for path, slots in self.of_path.items():
            if not any(slot.key in moved for slot in slots):
                continue
            parts = [moved.get(slot.key, held[slot.key]) for slot in slots]
            axis = rank_axis(path, parts[0].ndim) if len(parts) > 1 else 0
            whole[path] = import_mlx().concatenate(parts, axis) if len(parts) > 1 else parts[0]
        return whole

    def check(self, parameters: Mapping[str, Any]) -> None:
        """Raise InputError, naming what is wrong, unless the slots cover `parameters` once each."""
        for path in self.of_path:
            if path not in parameters:
                raise InputError(f"The tier plan names {path}, which the adapter does not have.")
        for path, array in parameters.items():
            _check_cover(path, array.shape, self.of_path.get(path, ()))
        for slot in self.slots:
            if not 0 <= slot.tier < len(self.tiers):
                raise InputError(f"The tier plan puts {slot.key} in tier {slot.tier}: there is no "
                                 f"such tier.")  # fmt: skip
        for tier, slots in enumerate(self.of_tier):
            if not slots:
                raise InputError(f"Tier {tier} would hold no parameters. Remove the tier.")

    def data(self) -> dict[str, int | list[list[int]]]:
        """The slots as JSON can hold them: path → tier, or path → [[tier, start, stop], …]."""
        return {path: _slots_data(slots) for path, slots in self.of_path.items()}


def plan_from_data(tiers: tuple[TierConfig, ...], data: object) -> TierPlan:
    """The plan that `TierPlan.data()` described. Raises InputError if it is no plan."""
    if not isinstance(data, Mapping):
        raise InputError("The saved tier plan can't be read: it is no table of parameters.")
    return TierPlan(tiers, tuple(slot for path in data for slot in _read_slots(path, data[path])))


def adapted_layers(paths: Iterable[str]) -> tuple[int, ...]:
    """Indexes of the layers that carry trainable parameters, ascending."""
    return tuple(sorted({i for path in paths if (i := layer_index(path)) is not None}))


def _check_cover(path: str, shape: Sequence[int], slots: Sequence[Slot]) -> None:
    if not slots:
        raise InputError(f"The tier plan leaves out {path}.")
    if any(slot.start is None for slot in slots):
        if len(slots) > 1:
            raise InputError(f"The tier plan holds {path} {len(slots)} times.")
        return
    end = 0
    for slot in slots:
        start, stop = slot.start or 0, slot.stop or 0
        if start != end or stop <= start:
            fault = "leaves out" if start > end else "holds twice"
            raise InputError(f"The tier plan {fault} a part of {path}, at {slot.key}.")
        end = stop
    rank = shape[rank_axis(path, len(shape))]
    if end != rank:
        raise InputError(f"The tier plan covers {end} of the {rank} ranks of {path}.")


def _slots_data(slots: Sequence[Slot]) -> int | list[list[int]]:
    if len(slots) == 1 and slots[0].start is None:
        return slots[0].tier
    return [[slot.tier, slot.start or 0, slot.stop or 0] for slot in slots]


def _read_slots(path: str, value: object) -> list[Slot]:
    if type(value) is int:
        return [Slot(path, value)]
    if isinstance(value, list) and all(_is_cut(cut) for cut in value):
        return [Slot(path, *cut) for cut in value]
    raise InputError(f"The saved tier plan can't be read: {path} has {value!r}.")


def _is_cut(value: object) -> bool:
    return isinstance(value, list) and len(value) == 3 and all(type(n) is int for n in value)
