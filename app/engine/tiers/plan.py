"""The tier plan as data: which slots (whole parameters or slices of them) belong to which tier.

`assignment` decides the tier of each slot.
"""

import hashlib
import itertools
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import mlx.core as mx

from app.core.config.training_config import TierConfig
from app.core.errors import InputError
from app.engine.model.adapter_parameters import layer_index, rank_axis
from app.engine.runtime.named_arrays import ArrayMap, Arrays


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
        """The slot's name: the parameter's path, followed by the range of a slice."""
        return self.path if self.start is None else f"{self.path}[{self.start}:{self.stop}]"

    def take(self, array: mx.array) -> mx.array:
        """The slot's slice of the parameter `array`, or the whole array; same dtype."""
        if self.start is None:
            return array
        along = slice(self.start, self.stop)
        return array[(slice(None),) * rank_axis(self.path, array.ndim) + (along,)]

    def shape(self, whole: Sequence[int]) -> tuple[int, ...]:
        """The shape of the slot's part of a parameter of shape `whole`."""
        shape = list(whole)
        if self.start is not None and self.stop is not None:
            shape[rank_axis(self.path, len(shape))] = self.stop - self.start
        return tuple(shape)


@dataclass(frozen=True)
class TierPlan:
    """Tiers and the slots they hold; `check` tests whether they cover a model's parameters."""

    tiers: tuple[TierConfig, ...]
    slots: tuple[Slot, ...]

    @classmethod
    def from_whole_parameters(
        cls, tiers: tuple[TierConfig, ...], tier_of: Mapping[str, int]
    ) -> "TierPlan":
        """A plan of whole parameters; `tier_of` maps each path to its tier."""
        return cls(tiers, tuple(Slot(path, tier) for path, tier in tier_of.items()))

    def restricted_to(self, paths: Iterable[str]) -> "TierPlan":
        """The plan for these parameters only, without tiers that would be empty."""
        requested = set(paths)
        chosen = [slot for slot in self.slots if slot.path in requested]
        numbers = sorted({slot.tier for slot in chosen})
        slots = tuple(replace(slot, tier=numbers.index(slot.tier)) for slot in chosen)
        return TierPlan(tuple(self.tiers[number] for number in numbers), slots)

    @cached_property
    def slices_by_tier(self) -> tuple[tuple[Slot, ...], ...]:
        """Per tier: its slots, in the model's order."""
        return tuple(
            tuple(slot for slot in self.slots if slot.tier == tier)
            for tier in range(len(self.tiers))
        )

    @cached_property
    def slices_by_path(self) -> Mapping[str, tuple[Slot, ...]]:
        """Per parameter: its slots, along the rank."""
        by_path: dict[str, list[Slot]] = {}
        for slot in self.slots:
            by_path.setdefault(slot.path, []).append(slot)
        return {p: tuple(sorted(s, key=lambda s: s.start or 0)) for p, s in by_path.items()}

    def paths(self, tier: int) -> tuple[str, ...]:
        """The parameters of which a tier holds at least a part, in the model's order."""
        return tuple(dict.fromkeys(slot.path for slot in self.slices_by_tier[tier]))

    def due(self, step: int) -> tuple[int, ...]:
        """Tiers that fire at optimizer step `step` (1-based)."""
        return tuple(k for k, tier in enumerate(self.tiers) if step % tier.period == 0)

    def flatten(self, tier: int, arrays: ArrayMap) -> mx.array:
        """A tier's numbers as one float32 vector, [numbers of the tier]; `arrays` are by path."""
        parts = [slot.take(arrays[slot.path]).reshape(-1) for slot in self.slices_by_tier[tier]]
        return mx.concatenate(parts).astype(mx.float32)  # one cast instead of one per part

    def unflatten(self, vectors: Mapping[int, mx.array], arrays: ArrayMap) -> Arrays:
        """The parameters with slots in the tiers of `vectors` ([numbers of the tier] each), by
        path.

        The inverse of `flatten`. Shapes, dtypes and the slices of other tiers come from `arrays`.
        """
        parts: dict[Slot, mx.array] = {}
        for tier, vector in vectors.items():
            slots = self.slices_by_tier[tier]
            shapes = [slot.shape(arrays[slot.path].shape) for slot in slots]
            ends = tuple(itertools.accumulate(math.prod(shape) for shape in shapes))[:-1]
            for slot, shape, part in zip(slots, shapes, vector.split(ends), strict=True):
                parts[slot] = part.reshape(shape).astype(arrays[slot.path].dtype)
        paths = dict.fromkeys(slot.path for slot in parts)
        return {path: self._joined(path, parts, arrays[path]) for path in paths}

    def _joined(self, path: str, parts: Mapping[Slot, mx.array], array: mx.array) -> mx.array:
        slots = self.slices_by_path[path]
        if len(slots) == 1:
            return parts[slots[0]]
        all_parts = [parts[slot] if slot in parts else slot.take(array) for slot in slots]
        return mx.concatenate(all_parts, rank_axis(path, array.ndim))

    def check(self, parameters: ArrayMap) -> None:
        """Raise InputError unless the slots cover each parameter exactly once."""
        for path in self.slices_by_path:
            if path not in parameters:
                raise InputError(f"The tier plan names {path}, which the adapter does not have.")
        for path, array in parameters.items():
            _check_cover(path, array.shape, self.slices_by_path.get(path, ()))
        for slot in self.slots:
            if not 0 <= slot.tier < len(self.tiers):
                raise InputError(f"The tier plan puts {slot.key} in tier {slot.tier}: there is no "
                                 f"such tier.")  # fmt: skip
        for tier, slots in enumerate(self.slices_by_tier):
            if not slots:
                raise InputError(f"Tier {tier} would hold no parameters. Remove the tier.")

    def data(self) -> dict[str, int | list[list[int]]]:
        """The slots as JSON can hold them: path → tier, or path → [[tier, start, stop], …]."""
        return {path: _slots_data(slots) for path, slots in self.slices_by_path.items()}

    def digest(self) -> str:
        """SHA-256 of the slots and their order, in hexadecimal."""
        return hashlib.sha256(json.dumps(self.data()).encode()).hexdigest()


def plan_from_data(tiers: tuple[TierConfig, ...], data: object) -> TierPlan:
    """The plan of `TierPlan.data()`. Raises InputError if `data` is not a plan."""
    if not isinstance(data, Mapping):
        raise InputError("The saved tier plan can't be read: it isn't a table of parameters.")
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
