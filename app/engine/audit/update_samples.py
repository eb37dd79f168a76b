"""The numbers of a tier that an audit follows on the host, and the device's measures of the rest.

Knows none of the rules that they are checked by.
"""

import itertools
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import mlx.core as mx
import numpy as np

from app.engine.runtime.named_arrays import ArrayMap
from app.engine.tiers.optimizer import Gradients
from app.engine.tiers.plan import Slot
from app.engine.tiers.update_rules import AdamWState, Array, SampledAnchor

_PRECISIONS = {"float32": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2.0**-7}

_SMALLEST = 1e-37
"""A float32 below this is rounded to 0 by some devices."""


class SampledTier:
    """One tier's sampled numbers on the host: positions, values, optimizer state."""

    def __init__(self, slots: Sequence[Slot], parameters: ArrayMap, each: int) -> None:
        """Sample up to `each` numbers of every slot; `parameters` are the model's, by path."""
        random = np.random.default_rng(0)
        sizes = [math.prod(slot.shape(parameters[slot.path].shape)) for slot in slots]
        chosen = [random.choice(n, min(n, each), replace=False, shuffle=False) for n in sizes]
        self._slots, self._chosen = slots, chosen
        self.anchor: SampledAnchor | None = None
        self._ends = list(itertools.accumulate(sizes))
        starts = [0, *self._ends[:-1]]
        self.positions = np.concatenate(
            [start + places for start, places in zip(starts, chosen, strict=True)]
        )
        """Positions of the samples in the tier's vector."""
        self.values = _values(slots, chosen, parameters)
        """The numbers as last read from the model."""
        self.precision = max(_precision(parameters[slot.path]) for slot in slots)
        """The largest relative rounding error of the tier's dtypes."""
        self.state = AdamWState.zeros(len(self.values))
        self.slow = AdamWState.zeros(len(self.values))
        """State of the slow clock's own AdamW."""
        self.has_gradient = False
        """Whether a gradient since the last firing was not zero."""
        self.had_gradient = False
        """Whether any gradient of the run was not zero."""

    def restore(
        self, m: mx.array, v: mx.array, pending: mx.array, fired: int, pending_count: int
    ) -> None:
        """Continue from the tier's optimizer state: float32 vectors, [numbers of the tier]."""
        here = mx.array(self.positions.astype(np.int32))
        means, squares, waiting = (np.array(x[here], np.float64) for x in (m, v, pending))
        self.state = AdamWState(means, squares, waiting, fired, pending_count)
        has = [bool(mx.any(vector != 0).item()) for vector in (m, v, pending)]
        self.has_gradient, self.had_gradient = has[2], any(has)

    def tie(self, center: ArrayMap, stiffness: ArrayMap) -> None:
        """Tie the numbers to an anchor; `center` and `stiffness` have the parameters' paths."""
        arrays = (_values(self._slots, self._chosen, each) for each in (center, stiffness))
        self.anchor = SampledAnchor(*arrays)

    def pull(self, values: Array, firmness: float) -> Array:
        """How far the anchor pulls these numbers; 0 without an anchor."""
        return self.anchor.pull(values, firmness) if self.anchor else np.zeros_like(values)

    def restore_slow(self, m: mx.array, v: mx.array, count: int) -> None:
        """Continue from the state of the slow clock's own AdamW: float32 vectors as in `restore`,
        and its `count` of updates."""
        here = mx.array(self.positions.astype(np.int32))
        slow_m, slow_v = (np.array(vector[here], np.float64) for vector in (m, v))
        self.slow = AdamWState(slow_m, slow_v, np.zeros_like(slow_m), count)
        self.had_gradient |= bool(mx.any(m != 0).item())

    def would_move(
        self,
        gradient: Array | None,
        rate: float,
        weight_decay: float,
        firmness: float,
        lesson: Array | None = None,
        slow_rate: float = 0.0,
    ) -> bool:
        """Whether firing now, after accumulating this mean gradient, moves any sampled number.

        At the end of a long schedule, an update can be smaller than the rounding of every number.
        """
        state = replace(self.state)
        if gradient is not None:
            state.accumulate(gradient)
        fired = state.fire(self.values, rate, weight_decay)
        if lesson is not None:
            fired = replace(self.slow).learn(fired, lesson, slow_rate)
        change = np.abs(fired + self.pull(fired, firmness) - self.values)
        return bool(np.any(change > self.precision * np.abs(self.values) + _SMALLEST))

    def name_at(self, position: int) -> str:
        """Name of the parameter, or slice of one, at this `position` of the tier's vector."""
        return self._slots[int(np.searchsorted(self._ends, position, side="right"))].key


@dataclass(frozen=True)
class Observed:
    """A tier after a step, as the device measured it."""

    values: Array
    """The sampled numbers in the model."""
    excess: float
    """The largest change of any number beyond its weight decay and rounding."""
    was_touched: bool
    """Whether a number changed between the end of the step before and the start of this one."""
    differs: bool
    """Whether any number differs from the one that the optimizer wrote."""
    moved: float
    """The sum of all the tier's squared changes."""
    gradients: Array | None = None
    """Gradients of the sampled numbers, summed over trained tokens; None if not computed."""
    squares: float = 0.0
    """The sum of all the tier's squared gradients."""


def observation(
    gradients: Gradients, wanted: dict[int, mx.array], found: Sequence[mx.array],
    before: Sequence[mx.array], after: Sequence[mx.array], allowed: mx.array,
    positions: Sequence[mx.array],
    anchors: Sequence[tuple[mx.array, mx.array]] = (), firmness: mx.array | None = None,
) -> mx.array:  # fmt: skip
    """All tiers' measures as one lazy float32 vector for `parsed`, so the host waits only once.

    Each tier has a vector, [numbers of the tier]. `wanted` holds those that the optimizer wrote, of
    the tiers that were due. The others were read from the model: `before` after the last step,
    `found` at the start of this one, `after` at its end. `allowed` is each tier's change, relative
    to a number's size, that does not count as excess. Neither does the pull towards `anchors` (each
    tier's center and stiffness), where `firmness` is a tier's pull at stiffness 1.
    """
    samples, scalars = [], []
    for tier, (at_start, old, new, here) in enumerate(
        zip(found, before, after, positions, strict=True)
    ):
        samples.append(new[here])
        excess = mx.abs(new - old) - allowed[tier] * mx.abs(old)
        if anchors and firmness is not None:
            center, stiffness = anchors[tier]
            firm = firmness[tier] * stiffness
            excess = excess - firm / (1 + firm) * mx.abs(old - center)
        scalars.append(mx.max(excess))
        scalars.append(mx.any(at_start != old).astype(mx.float32))
        differs = mx.any(new != wanted[tier]) if tier in wanted else mx.array(False)
        scalars.append(differs.astype(mx.float32))
        scalars.append(mx.sum(mx.square(new - old)))
        if tier in gradients:
            samples.append(gradients[tier][here])
            scalars.append(mx.sum(mx.square(gradients[tier])))
    return mx.concatenate([mx.stack(scalars), *samples])


def parsed(numbers: Array, sizes: Sequence[int], with_gradients: Collection[int]) -> list[Observed]:
    """Split a vector of `observation` by tier.

    `sizes` are the tiers' sample counts; `with_gradients` are the tiers that had gradients.
    """
    scalars = iter(numbers)
    heads = [[next(scalars) for _ in range(4 + (k in with_gradients))] for k in range(len(sizes))]
    lengths = [n for k, n in enumerate(sizes) for _ in range(1 + (k in with_gradients))]
    start = sum(map(len, heads))
    samples = iter(np.split(numbers[start:], np.cumsum(lengths)[:-1]))
    tiers = []
    for k, (excess, touched, differs, moved, *squares) in enumerate(heads):
        values = next(samples)
        gradient = (next(samples), *squares) if k in with_gradients else ()
        tiers.append(Observed(values, excess, bool(touched), bool(differs), moved, *gradient))
    return tiers


def _values(slots: Sequence[Slot], chosen: Sequence[np.ndarray], parameters: ArrayMap) -> Array:
    """The sampled numbers, read from the parameters themselves."""
    values = []
    for slot, places in zip(slots, chosen, strict=True):
        array = parameters[slot.path]
        if slot.start is not None:
            is_first = not slot.path.endswith("lora_a") and array.ndim == 2
            axis = 0 if is_first else array.ndim - 1 if slot.path.endswith("lora_b") else 1
            array = mx.take(array, mx.arange(slot.start, slot.stop), axis)
        values.append(np.array(array.astype(mx.float32)).reshape(-1)[places])
    return np.concatenate(values).astype(np.float64)


def _precision(array: mx.array) -> float:
    return _PRECISIONS[str(array.dtype).rpartition(".")[2]]
