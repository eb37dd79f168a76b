"""Verifies that exactly the tiers that are due move, measured from the model itself, and that the
base model's weights stay bit-identical.

The base weights are compared by a checksum per array: the sum of its bits. Two numbers that swap
places within one array go undetected.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import mlx.core as mx
import numpy as np

from app.core.errors import VerificationError
from app.engine.model.adapter_parameters import layer_index
from app.engine.model.language_model import LanguageModel
from app.engine.model.model_structure import parameters, trainable_parameters
from app.engine.runtime.mlx_runtime import maybe_compile
from app.engine.runtime.named_arrays import ArrayFunction, ArrayMap, Arrays, number
from app.engine.tiers.plan import Slot, TierPlan, adapted_layers

OWN_FAULT = "This is a fault in Nestling or MLX, not in your data. Report it with the run's log."
_TOO_SMALL = "The learning rate may be too small for the weights' precision."
_MAX_NAMED = 3


@dataclass(frozen=True)
class Movement:
    """How far the weights moved in one step, per tier and per layer, as L2 norms."""

    deltas: tuple[float, ...]
    drifts: tuple[float, ...]
    layer_deltas: tuple[float, ...]
    fired: tuple[int, ...]
    """Tiers of which at least one number changed."""


@dataclass(frozen=True)
class StepMeasurement:
    """One finished step in plain numbers."""

    loss: float
    """Mean cross-entropy per trained token, in nats; not finite if the step was void."""
    trained_tokens: int
    gradient_norm: float
    pending: tuple[int, ...]
    movement: Movement
    is_void: bool
    base_kl: float = math.nan
    """KL divergence from the base on the slow clock's lesson before the update, nats per token; NaN
    without one."""
    base_kl_after: float = math.nan
    """The KL divergence on the same lesson after the update; NaN unless the lesson is audited."""
    pulls: tuple[float, ...] = ()
    """Per tier, the L2 norm of the lasting clock's pull. Empty without an anchor."""


class MovementMeter:
    """Compares the model's weights before and after a step, on the device.

    Squares are summed per span: a contiguous run of one layer's numbers in a tier's vector.
    """

    def __init__(self, plan: TierPlan, start: ArrayMap) -> None:
        self._plan = plan
        self._start = self.read(start)
        self._layers = adapted_layers(start)
        self._ends = [_ends(slots, start) for slots in plan.slices_by_tier]
        self._spans = [_spans(slots, start) for slots in plan.slices_by_tier]
        self._measure = maybe_compile(_measuring(plan, self._spans))

    def read(self, parameters: ArrayMap) -> list[mx.array]:
        """Each tier's numbers in `parameters` as a float32 vector, [numbers of the tier]."""
        return _read(self._plan, parameters)

    def measure(
        self, before: Sequence[mx.array], after: ArrayMap
    ) -> tuple[mx.array, list[mx.array]]:
        """The movement from the vectors `before` to the parameters `after`, and `after` as vectors.

        The movement is a lazy float32 vector: the squared delta of each span, then the squared
        drift of each span, then 1.0 for each tier in which a number changed, else 0.0.
        """
        return self._measure(list(before), dict(after), self._start)

    def drifts(self, now: Sequence[mx.array]) -> tuple[float, ...]:
        """Per tier, the L2 distance of its float32 vector in `now` from the start."""
        return tuple(
            number(mx.linalg.norm(new - first)) for new, first in zip(now, self._start, strict=True)
        )

    def unmoved(self, now: Sequence[mx.array], tiers: Sequence[int]) -> list[str]:
        """Paths of parameters in these tiers that have not moved; `now` is a result of `read`."""
        has_moved: dict[str, bool] = {}
        for tier in tiers:
            changed = np.array(mx.not_equal(now[tier], self._start[tier]))
            parts = np.split(changed, self._ends[tier][:-1])
            for slot, part in zip(self._plan.slices_by_tier[tier], parts, strict=True):
                has_moved[slot.path] = has_moved.get(slot.path, False) or bool(part.any())
        return [path for path, moved in has_moved.items() if not moved]

    def movement(self, measured: Sequence[float]) -> Movement:
        """The movement per tier and layer, from `measure`'s vector as a list."""
        spans = [(tier, layer) for tier, of_tier in enumerate(self._spans) for layer, _ in of_tier]
        deltas, drifts = measured[: len(spans)], measured[len(spans) : 2 * len(spans)]
        changed = measured[2 * len(spans) :]

        def norm(squares: Sequence[float], place: int, wanted: int) -> float:
            matching = (s for s, span in zip(squares, spans, strict=True) if span[place] == wanted)
            return math.sqrt(sum(matching))

        tiers = range(len(changed))
        return Movement(
            deltas=tuple(norm(deltas, 0, tier) for tier in tiers),
            drifts=tuple(norm(drifts, 0, tier) for tier in tiers),
            layer_deltas=tuple(norm(deltas, 1, layer) for layer in self._layers),
            fired=tuple(tier for tier in tiers if changed[tier]),
        )


def idle_modules(unmoved: Sequence[str]) -> str:
    """A sentence that names the modules that learned nothing, with a leading space; "" if none.

    Any gradient moves `lora_b`. It starts at 0, so a module whose `lora_b` never moved still
    computes the base model's output, whatever happened to its `lora_a`.
    """
    end = ".lora_b"
    modules = [path.removesuffix(end) for path in unmoved if path.endswith(end)]
    if not modules:
        return ""
    shown = ", ".join(modules[:_MAX_NAMED])
    more = f" and {len(modules) - _MAX_NAMED:,} more" if len(modules) > _MAX_NAMED else ""
    return f" Modules that learned nothing: {shown}{more}."


Span = tuple[int | None, int]
"""A layer's index (None outside the layers) and how many contiguous numbers belong to it."""


def _read(plan: TierPlan, parameters: ArrayMap) -> list[mx.array]:
    return [plan.flatten(tier, parameters) for tier in range(len(plan.tiers))]


def _measuring(plan: TierPlan, spans_of: Sequence[Sequence[Span]]) -> ArrayFunction:
    """`MovementMeter.measure` as a function of arrays alone.

    A compiled method and its meter would refer to each other, and that reference cycle would keep
    the weights in memory after the run.
    """

    def measured(
        before: list[mx.array], after: Arrays, start: list[mx.array]
    ) -> tuple[mx.array, list[mx.array]]:
        vectors = _read(plan, after)
        deltas, drifts, changed = [], [], []
        for old, new, first, spans in zip(before, vectors, start, spans_of, strict=True):
            deltas += _sums(mx.square(new - old), spans)
            drifts += _sums(mx.square(new - first), spans)
            changed.append(mx.any(new != old).astype(mx.float32))
        return mx.stack([*deltas, *drifts, *changed]), vectors

    return measured


def _spans(slots: Sequence[Slot], arrays: ArrayMap) -> list[Span]:
    by_layer = itertools.groupby(slots, key=lambda slot: layer_index(slot.path))
    return [(layer, _ends(tuple(together), arrays)[-1]) for layer, together in by_layer]


def _ends(slots: Sequence[Slot], arrays: ArrayMap) -> list[int]:
    """The end offset of each slot in the concatenated vector."""
    sizes = (math.prod(slot.shape(arrays[slot.path].shape)) for slot in slots)
    return list(itertools.accumulate(sizes))


def _sums(squares: mx.array, spans: Sequence[Span]) -> list[mx.array]:
    ends = tuple(itertools.accumulate(size for _, size in spans))
    return [part.sum() for part in squares.split(ends[:-1])]


def verify(
    movement: Movement,
    due: Sequence[int],
    had_gradient: Sequence[bool],
    is_lost: Sequence[bool],
    step: int,
) -> None:
    """Raise VerificationError if a tier moved without being due, or was due and did not move.

    `had_gradient[k]` says whether tier k had a non-zero gradient to apply; `is_lost[k]` says
    whether its update is missing from the model.
    """
    for tier, has_gradient in enumerate(had_gradient):
        if tier in movement.fired and tier not in due:
            raise VerificationError(
                f"At step {step}, tier {tier} moved although it was not due: "
                f"its weights changed by {movement.deltas[tier]:.3g}."
            )
        if tier in due and has_gradient and tier not in movement.fired:
            raise VerificationError(
                f"At step {step}, tier {tier} was due but its weights did not move.",
                OWN_FAULT if is_lost[tier] else _TOO_SMALL,
            )


def fault(step: int, sentence: str) -> VerificationError:
    return VerificationError(f"At step {step}, {sentence}.", OWN_FAULT)


class FrozenWeights:
    """Checksums of a model's frozen arrays. Lives on the MLX thread."""

    def __init__(self, model: LanguageModel) -> None:
        self._model = model
        self._sums = _bit_sums(model)

    def check(self, step: int) -> None:
        """Raise VerificationError if an array was changed, added or removed since the start."""
        now = _bit_sums(self._model)
        changed = [path for path in self._sums | now if self._sums.get(path) != now.get(path)]
        if not changed:
            return
        others = f" and {len(changed) - 1:,} more" if len(changed) > 1 else ""
        raise VerificationError(
            f"After step {step}, weights of the base model are not those the run began with: "
            f"{changed[0]}{others}.",
            OWN_FAULT,
        )


def _bit_sums(model: LanguageModel) -> dict[str, int]:
    """Path → the sum of the array's bit patterns, read as unsigned words, modulo 2³²."""
    words = {1: mx.uint8, 2: mx.uint16, 4: mx.uint32, 8: mx.uint32}
    frozen = _frozen(model)
    if not frozen:
        return {}
    sums = [mx.sum(array.view(words[array.itemsize])) for array in frozen.values()]
    return dict(zip(frozen, np.array(mx.stack(sums)).tolist(), strict=True))


def _frozen(model: LanguageModel) -> ArrayMap:
    trained = trainable_parameters(model)
    every = parameters(model).items()
    return {path: array for path, array in every if path not in trained and array.size}
