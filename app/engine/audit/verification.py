"""Verifies the movement of the weights against the tier plan, measured from the model itself, and
that the base model's weights keep their bits.

Of the latter a sum of bits stands for each array, so two numbers that change places within an array
are not seen.
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
    """KL divergence from the base on the slow clock's lesson, nats per token; NaN without one."""
    pulls: tuple[float, ...] = ()
    """Per tier, how far the lasting clock pulled it back: an L2 norm. Empty without an anchor."""


class MovementMeter:
    """Compares the model's weights before and after a step, on the device.

    The squares are summed by span: the numbers of one layer that stand together in one tier.
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

        The first is a lazy float32 vector: per span the squared delta, per span the squared
        drift, and per tier 1.0 if a number changed.
        """
        return self._measure(list(before), dict(after), self._start)

    def drifts(self, now: Sequence[mx.array]) -> tuple[float, ...]:
        """Per tier, the L2 distance of its vector in `now` (float32) from the start."""
        return tuple(
            number(mx.linalg.norm(new - first)) for new, first in zip(now, self._start, strict=True)
        )

    def unmoved(self, now: Sequence[mx.array], tiers: Sequence[int]) -> list[str]:
        """Paths of parameters in these tiers that have not moved; `now` as of `read`."""
        has_moved: dict[str, bool] = {}
        for tier in tiers:
            changed = np.array(mx.not_equal(now[tier], self._start[tier]))
            parts = np.split(changed, self._ends[tier][:-1])
            for slot, part in zip(self._plan.slices_by_tier[tier], parts, strict=True):
                has_moved[slot.path] = has_moved.get(slot.path, False) or bool(part.any())
        return [path for path, moved in has_moved.items() if not moved]

    def movement(self, measured: Sequence[float]) -> Movement:
        """The movement per tier and layer, from `measure`'s vector as a list."""
        spans = [(tier, layer) for tier, found in enumerate(self._spans) for layer, _ in found]
        deltas, drifts = measured[: len(spans)], measured[len(spans) : 2 * len(spans)]
        changed = measured[2 * len(spans) :]

        def norm(squares: Sequence[float], place: int, wanted: int) -> float:
            of_wanted = (s for s, span in zip(squares, spans, strict=True) if span[place] == wanted)
            return math.sqrt(sum(of_wanted))

        tiers = range(len(changed))
        return Movement(
            deltas=tuple(norm(deltas, 0, tier) for tier in tiers),
            drifts=tuple(norm(drifts, 0, tier) for tier in tiers),
            layer_deltas=tuple(norm(deltas, 1, layer) for layer in self._layers),
            fired=tuple(tier for tier in tiers if changed[tier]),
        )


def idle_modules(unmoved: Sequence[str]) -> str:
    """A sentence, after a space, on the modules that learned nothing; mostly none.

    Any gradient moves `lora_b`. It starts at 0, so one that did not move leaves its module as it
    was, whatever happened to `lora_a`.
    """
    end = ".lora_b"
    modules = [path.removesuffix(end) for path in unmoved if path.endswith(end)]
    if not modules:
        return ""
    shown = ", ".join(modules[:_MAX_NAMED])
    more = f" and {len(modules) - _MAX_NAMED:,} more" if len(modules) > _MAX_NAMED else ""
    return f" Modules that learned nothing: {shown}{more}."


Span = tuple[int | None, int]
"""A layer's index, None outside the layers, and how many numbers of it stand together."""


def _read(plan: TierPlan, parameters: ArrayMap) -> list[mx.array]:
    return [plan.flatten(tier, parameters) for tier in range(len(plan.tiers))]


def _measuring(plan: TierPlan, spans_of: Sequence[Sequence[Span]]) -> ArrayFunction:
    """`MovementMeter.measure` as a function of arrays alone; a method would hold its meter
    in a circle and keep the weights in memory after the run."""

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
    """Where each slot's numbers end in the vector of them all."""
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
    """Raise VerificationError if a tier that was not due moved, or a due one did not.

    `had_gradient[k]` says whether tier k had a non-zero gradient to apply, and `is_lost[k]` whether
    the model does not hold its update.
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
    """The sums of the arrays that a model has and does not train. Lives on the MLX thread."""

    def __init__(self, model: LanguageModel) -> None:
        self._model = model
        self._sums = _bit_sums(model)

    def check(self, step: int) -> None:
        """Raise VerificationError naming an array that changed, came or went since the start."""
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
    """By path, the sum of an array's words of bits, modulo 2³²."""
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
