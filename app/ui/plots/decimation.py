"""Many points reduced to what a plot can show, smallest and largest kept. Knows no Qt.

A span is the start and stop of a slice. Blocks lie at multiples of a power of two, so that a
growing curve doesn't shimmer.
"""

import numpy as np
import numpy.typing as npt

from app.ui.plots.series import Steps, Values


def block_size(count: int, bins: int) -> int:
    """The power of two that cuts `count` points into at most `bins` blocks."""
    return 1 << max(0, -(-count // max(1, bins)) - 1).bit_length()


def extremes(
    steps: Steps, values: Values, span: tuple[int, int], bins: int
) -> tuple[Steps, Values]:
    """The points of a span, or at most 2·bins + 5 of them: each block's smallest and largest."""
    start, stop = span
    if stop - start <= 2 * bins:
        return steps[start:stop], values[start:stop]
    size = block_size(stop - start, bins)
    first = start // size * size
    whole = first + (stop - first) // size * size
    blocks = values[first:whole].reshape(-1, size)
    picked = np.stack([blocks.argmin(axis=1), blocks.argmax(axis=1)], axis=1)
    picked.sort(axis=1)
    indexes = (picked + np.arange(first, whole, size)[:, None]).ravel()
    if whole < stop:
        rest = values[whole:stop]
        tail = sorted({int(rest.argmin()), int(rest.argmax()), len(rest) - 1})
        indexes = np.concatenate([indexes, whole + np.array(tail)])
    return steps[indexes], values[indexes]


def means(
    steps: Steps, values: Values, span: tuple[int, int], bins: int
) -> tuple[npt.NDArray[np.float64], Values]:
    """Each block's mean step and mean value; at most bins + 1 points."""
    first, edges, lengths = _blocks(span, bins)
    x = np.add.reduceat(steps[first : span[1]], edges, dtype=np.float64) / lengths
    y = np.add.reduceat(values[first : span[1]], edges, dtype=np.float64) / lengths
    return x, y.astype(np.float32)


def band(
    steps: Steps, values: Values, span: tuple[int, int], bins: int
) -> tuple[npt.NDArray[np.float64], Values, Values]:
    """Each block's mean step, smallest and largest value; at most bins + 1 of each."""
    first, edges, lengths = _blocks(span, bins)
    x = np.add.reduceat(steps[first : span[1]], edges, dtype=np.float64) / lengths
    part = values[first : span[1]]
    return x, np.minimum.reduceat(part, edges), np.maximum.reduceat(part, edges)


def _blocks(
    span: tuple[int, int], bins: int
) -> tuple[int, npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """The first block's start, each block's start from there, and each block's length."""
    start, stop = span
    size = block_size(stop - start, bins)
    first = start // size * size
    edges = np.arange(0, stop - first, size)
    return first, edges, np.diff(np.append(edges, stop - first))
