"""Reduces many points to what a plot can show; keeps minima and maxima. Does not import Qt.

A span is the start and stop of a slice. Bins begin at multiples of a power of two, so that a
growing curve doesn't flicker.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from app.ui.plots.block_aggregates import BLOCK, Stretches, stretch
from app.ui.plots.series import Series, Values


class Binned(NamedTuple):
    """A curve in bins, as arrays of equal length."""

    x: npt.NDArray[np.float64]
    """The mean step of each bin."""
    mean: Values
    low: Values
    high: Values


def bin_size(count: int, bins: int) -> int:
    """The smallest power of two that divides `count` points into at most `bins` bins."""
    return 1 << max(0, -(-count // max(1, bins)) - 1).bit_length()


def binned(series: Series, column: int, span: tuple[int, int], bins: int) -> Binned:
    """The means and extremes of a span in at most bins + 1 bins; large bins are computed from
    blocks.
    """
    start, stop = span
    size = bin_size(stop - start, bins)
    first = start // size * size
    if size <= BLOCK:
        points = series.steps[first:stop], series.values(column)[first:stop]
        return _from_points(*points, size)
    whole = stop // BLOCK
    tail = slice(whole * BLOCK, stop)
    blocks = series.blocks.of(column, first // BLOCK, whole)
    rest = stretch(series.steps[tail], series.values(column)[tail])
    return _joined(blocks, rest, size // BLOCK)


def _from_points(steps: npt.NDArray[Any], values: Values, size: int) -> Binned:
    if size == 1:
        return Binned(steps.astype(np.float64), values, values, values)
    edges = np.arange(0, len(steps), size)
    counts = np.diff(np.append(edges, len(steps)))
    return Binned(
        np.add.reduceat(steps, edges, dtype=np.float64) / counts,
        (np.add.reduceat(values, edges, dtype=np.float64) / counts).astype(np.float32),
        np.minimum.reduceat(values, edges),
        np.maximum.reduceat(values, edges),
    )


def _joined(blocks: Stretches, rest: Stretches, size: int) -> Binned:
    """Join every `size` stretches into one bin."""
    pairs: Iterable[tuple[Any, Any]] = zip(blocks, rest, strict=True)
    counts, step_sums, sums, low, high = map(np.concatenate, pairs)
    edges = np.arange(0, len(counts), size)
    points = np.add.reduceat(counts, edges)
    return Binned(
        np.add.reduceat(step_sums, edges) / points,
        (np.add.reduceat(sums, edges) / points).astype(np.float32),
        np.minimum.reduceat(low, edges),
        np.maximum.reduceat(high, edges),
    )


def extremes(
    x: npt.NDArray[Any], values: Values, span: tuple[int, int], bins: int
) -> tuple[npt.NDArray[Any], Values]:
    """The points of a span, or at most 2·bins + 5 of them: the minimum and maximum of each bin."""
    start, stop = span
    if stop - start <= 2 * bins:
        return x[start:stop], values[start:stop]
    size = bin_size(stop - start, bins)
    first = start // size * size
    whole = first + (stop - first) // size * size
    cut = values[first:whole].reshape(-1, size)
    picked = np.stack([cut.argmin(axis=1), cut.argmax(axis=1)], axis=1)
    picked.sort(axis=1)
    indexes = (picked + np.arange(first, whole, size)[:, None]).ravel()
    if whole < stop:
        rest = values[whole:stop]
        tail = sorted({int(rest.argmin()), int(rest.argmax()), len(rest) - 1})
        indexes = np.concatenate([indexes, whole + np.array(tail)])
    return x[indexes], values[indexes]


def sampled(values: Values, most: int) -> Values:
    """At most `most` of the values, at equal distances."""
    return values[:: -(-len(values) // most) or 1]
