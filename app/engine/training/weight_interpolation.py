"""Weight interpolation at a run's end: moves the adapter back toward its start as long as it keeps
a set share of the gain (Wortsman et al., 2022, "Robust fine-tuning of zero-shot models").
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
"""The search goes in sixteenths of the way from start to end."""
_MEASUREMENTS = 6
"""At most: two at the ends and four in between."""


def interpolated(start: ArrayMap, end: ArrayMap, share: float) -> Arrays:
    """The weights at `share` of the way from `start` (0) to `end` (1), in each array's dtype."""
    return {
        path: (start[path] + share * (array - start[path])).astype(array.dtype)
        for path, array in end.items()
    }


def interpolating(
    model: LanguageModel, start: ArrayMap, keep: float, measure: Callable[[], Work[float]]
) -> Generator[float, None, float]:
    """Move the adapter to the smallest share of the way from `start` that keeps `keep` of the gain.

    `measure` gives the quality, higher is better. Returns the share; 1 if there was no gain. It is
    found by bisection, so it is the smallest if the measure is monotonic. Yields the share of the
    work done. Closing the generator early restores the adapter.
    """
    end = dict(trainable_parameters(model))
    done = 0

    def measured(share: float) -> Generator[float, None, float]:
        nonlocal done
        write_parameters(model, interpolated(start, end, share) if share < 1 else end)
        value = yield from scaled_progress(measure(), done, 1, _MEASUREMENTS)
        done += 1
        return value

    best = 1.0
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
        best = high / PARTS
    except GeneratorExit:
        write_parameters(model, end)
        raise
    weights = interpolated(start, end, best) if best < 1 else end
    mx.eval(weights)
    write_parameters(model, weights)
    return best
