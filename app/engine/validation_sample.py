"""Which held-out rows a run's validations read: a sample by seed, the same ones each time.

The larger of two samples contains the smaller one. Knows no model and computes no loss.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.core.config import TrainingConfig
from app.data.token_rows import TokenView

SHARE = 0.04
"""Of the training between two validations, or of the whole run, as validation may cost."""
_TRAINING_COST = 2
"""A row's forward and backward pass beside its forward pass; the base's weights get no gradient."""
FEWEST = 16
"""Rows, whatever they cost: the loss of fewer says little."""
_STREAM = 7
"""Apart from the random numbers that the seed gives elsewhere."""


@dataclass(frozen=True)
class SampleSizes:
    """In rows, over all datasets."""

    each: int
    """Of every validation."""
    last: int
    """Of the one when the run ends."""

    @classmethod
    def of(cls, config: TrainingConfig, held_out: int) -> "SampleSizes":
        """For `held_out` rows that could be read."""
        if config.validation_rows:
            return cls(min(config.validation_rows, held_out), held_out)
        affordable = SHARE * _TRAINING_COST * config.batch_size * config.gradient_accumulation
        each = max(FEWEST, math.ceil(affordable * config.steps_per_eval))
        last = max(each, math.ceil(affordable * config.steps))
        return cls(min(each, held_out), min(last, held_out))


def sampled(views: Sequence[TokenView], rows: int, seed: int) -> list[TokenView]:
    """About `rows` of the rows of several datasets, of each by its size and at least one."""
    sizes = [len(view) for view in views]
    if rows >= sum(sizes):
        return list(views)
    return [
        view.part(_chosen(len(view), max(1, round(rows * len(view) / sum(sizes))), seed))
        for view in views
    ]


def _chosen(size: int, count: int, seed: int) -> "np.typing.NDArray[np.intp]":
    """In the order of the file."""
    return np.sort(np.random.default_rng((seed, _STREAM)).permutation(size)[:count])
