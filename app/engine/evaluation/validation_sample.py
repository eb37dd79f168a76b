"""Samples the held-out rows of a run's validations by seed: the same rows each time.

The larger of two samples contains the smaller one. If the first epoch begins with early rows, the
sample has the first rows of the validation draw, which are also tokenized early. Computes no loss.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.core.config.training_config import TrainingConfig
from app.data.tokens.token_view import TokenView
from app.data.training_set.training_data import TrainingData
from app.data.training_set.validation_split import draw_numbers
from app.engine.batches.batches import BatchLoader
from app.engine.execution.batch_layout import BatchLayout

_MIN_TRAINED = 200
"""The size of a validation is computed for at least this many trained rows between validations: a
mean loss over fewer held-out rows is too noisy."""
_EARLY_LAST = 512
"""If the last validation reads at most this many rows, they are tokenized before the run begins. A
run that reads more has enough steps to tokenize them meanwhile."""
_STREAM = 7
"""Separates these random numbers from others of the same seed."""


@dataclass(frozen=True)
class SampleSizes:
    """Numbers of validation rows, over all datasets."""

    each: int
    """Rows of every validation."""
    last: int
    """Rows of the validation at the run's end."""

    @classmethod
    def of(cls, config: TrainingConfig, held_out: int, share: float) -> "SampleSizes":
        """The sizes for `held_out` available rows, with `share` rows read per row trained."""
        if config.validation_rows:
            return cls(min(config.validation_rows, held_out), held_out)
        rows = config.batch_size * config.grad_accumulation_steps
        each = math.ceil(share * max(_MIN_TRAINED, rows * config.steps_per_eval))
        last = max(each, math.ceil(share * rows * config.steps))
        return cls(min(each, held_out), min(last, held_out))

    @property
    def early(self) -> int:
        """The number of rows to tokenize before the run begins."""
        return self.last if self.last <= _EARLY_LAST else self.each


def first_of_draw(view: TokenView, rows: int, seed: int) -> TokenView:
    """The first `rows` rows of the seed's draw, in the order of the file."""
    drawn = np.argsort(draw_numbers(view.digests, seed), kind="stable")[:rows]
    return view.part(np.sort(drawn))


def sampled(views: Sequence[TokenView], rows: int, seed: int) -> list[TokenView]:
    """About `rows` rows of several datasets, in proportion to their sizes; at least one of each."""
    sizes = [len(view) for view in views]
    if rows >= sum(sizes):
        return list(views)
    return [
        view.part(_chosen(len(view), max(1, round(rows * len(view) / sum(sizes))), seed))
        for view in views
    ]


def _chosen(size: int, count: int, seed: int) -> npt.NDArray[np.intp]:
    """`count` random indexes below `size`, ascending."""
    return np.sort(np.random.default_rng((seed, _STREAM)).permutation(size)[:count])


@dataclass(frozen=True)
class ValidationSet:
    name: str
    batches: BatchLoader
    """Batches of the sample that each validation reads."""
    last_batches: BatchLoader
    """Batches of the larger sample, or of all rows, at the run's end; the same object if equal."""
    rows: int
    last_rows: int
    weight: float
    """The weight of the dataset's loss: its trained tokens per epoch."""
    is_last_there: bool = True
    """False while some rows of the last sample are not tokenized."""


def validation_sets(
    config: TrainingConfig, rows: TrainingData, batching: BatchLayout, vocabulary: int | None = None
) -> tuple[ValidationSet, ...]:
    parts = [part for part in rows.parts if len(part.valid)]
    views = [part.valid for part in parts]
    sizes = SampleSizes.of(config, rows.valid_rows, batching.validation_share)
    sets = []

    def sample(size: int) -> list[TokenView]:
        if len(rows.early):  # then there is only one dataset
            return [first_of_draw(view, size, config.seed) for view in views]
        return sampled(views, size, config.seed)

    samples = (sample(size) for size in (sizes.each, sizes.last))
    for part, each, last in zip(parts, *samples, strict=True):
        batches = batching.batches(each, vocabulary)
        is_same = len(each) == len(last)
        last_batches = batches if is_same else batching.batches(last, vocabulary)
        last_rows = sizes.last if rows.later else len(last)
        one = ValidationSet(
            part.name, batches, last_batches, len(each), last_rows, part.trained_tokens,
            is_last_there=last_rows == len(last),
        )  # fmt: skip
        sets.append(one)
    return tuple(sets)


def sample_note(sets: Sequence[ValidationSet], held_out: int) -> str:
    """A sentence for the log; "" if every validation reads all held-out rows."""
    each, last = sum(one.rows for one in sets), sum(one.last_rows for one in sets)
    if each == held_out:
        return ""
    at_the_end = "all of them" if last == held_out else f"{last:,}"
    return (
        f"Each validation reads {each:,} of {held_out:,} validation rows; the last one, when the "
        f"run ends, {at_the_end}."
    )
