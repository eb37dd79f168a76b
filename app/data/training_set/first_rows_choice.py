"""Chooses the rows of a large dataset that a run begins with, by seed, content and location alone.

They come from all over the dataset. The first epoch takes them first, so that training begins while
the others are tokenized; the choice does not depend on whether they are. Only half of all content
may be held out for validation, and the early rows are of the other half.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.data.tokens.tokenized_examples import Ints
from app.data.training_set.validation_split import Digests, draw_numbers, mix_bits

EARLY_ROWS = 1024
"""The approximate number: some minutes of training, on a small model some seconds."""
_MIN_FACTOR = 4
"""A dataset with fewer rows than this multiple has no early rows."""
_MAX_HOLDOUT_SHARE = 0.4
_HALF = 2**63

Keys = npt.NDArray[np.uint64]
"""[rows]: early rows have the largest keys; 0 for a row that is never early."""


@dataclass(frozen=True)
class EarlyRows:
    """The rule of one run."""

    wanted: int
    """The approximate number of early rows; 0 for none."""
    seed: int

    def applies_to(self, rows: int, holdout_share: float) -> bool:
        """Whether a dataset of so many rows has early rows."""
        return 0 < _MIN_FACTOR * self.wanted <= rows and holdout_share <= _MAX_HOLDOUT_SHARE

    def keys(self, digests: Digests, places: Ints, file: int) -> Keys:
        """[rows]: the keys of rows of a training file with this number."""
        numbers = draw_numbers(digests, self.seed)
        line, row = places.astype(np.uint64).T
        keys = mix_bits(mix_bits(mix_bits(numbers ^ line) ^ row) ^ np.uint64(file))
        return np.where(numbers >= _HALF, keys, np.uint64(0))

    def least_key(self, rows: int) -> np.uint64:
        """The smallest key of early rows in a dataset of so many rows."""
        rows = max(rows, _MIN_FACTOR * self.wanted)
        return np.uint64(2**64 - 1 - 2**65 * self.wanted // rows)

    def chosen(self, keys: Keys, least: np.uint64, batch_size: int) -> npt.NDArray[np.intp]:
        """The indexes of the early rows, in order; only whole batches, so that none is short."""
        candidates = np.flatnonzero(keys >= least)
        count = len(candidates) // batch_size * batch_size
        largest = np.argsort(~keys[candidates], kind="stable")[:count]
        return np.sort(candidates[largest])
