"""What each of several mixed datasets gives to a run, and how it is told."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.data.mixing import Mixing
from app.data.token_rows import TokenView


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


def mixed_parts(
    names: Sequence[str], train: TokenView, valids: Sequence[TokenView]
) -> tuple[DatasetPart, ...]:
    mixing = train.mixing or Mixing((len(train),), (len(train),))
    counts = np.split(train.trained_counts, np.cumsum(mixing.sizes)[:-1])
    return tuple(
        DatasetPart(name, size, taken, float(count.mean()) * taken, valid)
        for name, size, taken, count, valid in zip(
            names, mixing.sizes, mixing.taken, counts, valids, strict=True
        )
    )


def unmeasured_notes(parts: Sequence[DatasetPart]) -> list[str]:
    """Which of the datasets is not validated on although another is."""
    if not any(len(part.valid) for part in parts):
        return []
    return [
        f"No row of {part.name} is left to validate on, so its own loss is not measured."
        for part in parts
        if not len(part.valid)
    ]


def mixing_notes(train: TokenView, names: Sequence[str], seed: int) -> list[str]:
    """What the first epoch takes of each dataset, counted from its rows."""
    if (mixing := train.mixing) is None:
        return []
    rows = train.epoch(seed, 0)
    datasets = mixing.dataset_of(rows)
    told = []
    for dataset, name in enumerate(names):
        ours = rows[datasets == dataset]
        tokens, size = int(train.lengths[ours].sum()), mixing.sizes[dataset]
        passes = f", {len(ours) / size:.1f} times each" if len(ours) > size else ""
        told.append(
            f"{len(ours):,} rows of {name} ({len(ours) / len(rows):.1%}), which has {size:,}"
            f"{passes}: {tokens:,} tokens"
        )
    return ["The first epoch takes " + "; ".join(told) + "."]
