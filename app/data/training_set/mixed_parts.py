"""What each of several mixed datasets gives to a run."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.data.tokens.mixture_sampling import Mixing
from app.data.tokens.rows import TokenView


@dataclass(frozen=True)
class DatasetPart:
    """One dataset of a run."""

    name: str
    rows: int
    """Rows to train on that it has."""
    rows_per_epoch: int
    """Those an epoch takes, some maybe more than once."""
    trained_tokens: float
    """Tokens trained in an epoch, as is to be expected of so many rows."""
    valid: TokenView


def dataset_parts(
    names: Sequence[str], train: TokenView, valids: Sequence[TokenView]
) -> tuple[DatasetPart, ...]:
    mixing = train.mixing or Mixing((len(train),), (len(train),))
    counts = np.split(train.trained_counts, np.cumsum(mixing.sizes)[:-1])
    return tuple(
        DatasetPart(name, size, rows_per_epoch, float(count.mean()) * rows_per_epoch, valid)
        for name, size, rows_per_epoch, count, valid in zip(
            names, mixing.sizes, mixing.rows_per_dataset, counts, valids, strict=True
        )
    )
