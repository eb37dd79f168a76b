"""Interpolation at a run's end: the adapter goes back toward its start, as far as it keeps a share
of what the run learned (after Wortsman et al., 2022, "Robust fine-tuning of zero-shot models").
"""

from collections.abc import Callable, Generator

import mlx.core as mx

from app.core.progress import scaled_progress
from app.engine.model.adapter_parameters import write_parameters
from app.engine.model.language_model import LanguageModel
from app.engine.model.model_structure import trainable_parameters
from app.engine.runtime.named_arrays import ArrayMap, Arrays
from app.engine.runtime.stopping import Work

PARTS = 16
"""The way from start to end is searched in sixteenths."""
_MEASUREMENTS = 6
"""At most: at both ends, and four in between."""


def interpolated(start: ArrayMap, end: ArrayMap, share: float) -> Arrays:
    """`end` at 1, `start` at 0; in each array's own type."""
    return {
        path: (start[path] + share * (array - start[path])).astype(array.dtype)
        for path, array in end.items()
    }


def interpolating(
    model: LanguageModel, start: ArrayMap, keep: float, measure: Callable[[], Work[float]]
) -> Generator[float, None, float]:
    """Bring the model's adapter to the smallest share of the way from `start` at which `measure`,
    higher is better, keeps `keep` of its gain; returns the share, 1 where there was no gain.

    Found by bisection, so it is the smallest if the measure is monotonic. Yields the share done;
    closed early, it leaves the adapter as it was.
    """
    end = dict(trainable_parameters(model))
    done = 0

    def measured(share: float) -> Generator[float, None, float]:
        nonlocal done
        write_parameters(model, interpolated(start, end, share) if share < 1 else end)
        value = yield from scaled_progress(measure(), done, 1, _MEASUREMENTS)
        done += 1
        return value

    found = 1.0
    try:
        before, after = (yield from measured(0.0)), (yield from measured(1.0))
        least = before + keep * (after - before)
        low, high = 0, PARTS
        while after > before and high - low > 1:
            middle = (low + high) // 2
            if (yield from measured(middle / PARTS)) >= least:
                high = middle
            else:
                low = middle
        found = high / PARTS
    except GeneratorExit:
        write_parameters(model, end)
        raise
    weights = interpolated(start, end, found) if found < 1 else end
    mx.eval(weights)
    write_parameters(model, weights)
    return found
