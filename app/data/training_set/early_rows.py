"""Which rows of a large dataset a run begins with, decided by seed, content and place alone.

They come from all over the dataset. The first epoch takes them before the others, so that training
begins while those become tokens; which ones they are does not depend on whether that is so. Half of
all content is never held out for validation, and they are of that half.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.data.tokens.rows import Ints
from app.data.training_set.validation_split import Digests, draw_numbers, mix_bits

EARLY_ROWS = 1024
"""About so many. A run has some minutes of training with them, on a small model some seconds."""
_MIN_FACTOR = 4
"""A dataset with fewer than so many times as many rows has none: all its rows come together."""
_MAX_HOLDOUT_SHARE = 0.4
_HALF = 2**63

Keys = npt.NDArray[np.uint64]
"""[rows]: the largest belong to early rows; 0 for a row that is never one."""


@dataclass(frozen=True)
class EarlyRows:
    """The rule of one run."""

    wanted: int
    """About so many; 0 for a run without."""
    seed: int

    def applies_to(self, rows: int, holdout_share: float) -> bool:
        """Whether a dataset of so many rows has any."""
        return 0 < _MIN_FACTOR * self.wanted <= rows and holdout_share <= _MAX_HOLDOUT_SHARE

    def keys(self, digests: Digests, places: Ints, file: int) -> Keys:
        """Of rows of the file with this number among those to train on."""
        numbers = draw_numbers(digests, self.seed)
        line, row = places.astype(np.uint64).T
        keys = mix_bits(mix_bits(mix_bits(numbers ^ line) ^ row) ^ np.uint64(file))
        return np.where(numbers >= _HALF, keys, np.uint64(0))

    def least_key(self, rows: int) -> np.uint64:
        """Of the early rows of a dataset of so many rows."""
        rows = max(rows, _MIN_FACTOR * self.wanted)
        return np.uint64(2**64 - 1 - 2**65 * self.wanted // rows)

    def chosen(self, keys: Keys, least: np.uint64, batch_size: int) -> npt.NDArray[np.intp]:
        """Which rows, in their order; whole batches of them, so that no batch is a short one."""
        candidates = np.flatnonzero(keys >= least)
        count = len(candidates) // batch_size * batch_size
        largest = np.argsort(~keys[candidates], kind="stable")[:count]
        return np.sort(candidates[largest])
