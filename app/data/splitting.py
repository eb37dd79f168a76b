"""Which rows are held out for validation, decided by seed and content alone."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

_DRAWN_AT_ONCE = 4096


def held_out(digests: npt.NDArray[np.uint64], share: float, seed: int) -> npt.NDArray[np.bool_]:
    """[rows]: which rows are held out.

    Rows are drawn by a hash of seed and content: equal rows stay on one side, and the same rows
    are drawn wherever they stand in the file. At least one row is held out if there are two
    different ones.
    """
    _, groups, sizes = np.unique(digests, return_inverse=True, return_counts=True)
    held = np.zeros(len(sizes), np.bool_)
    if share <= 0 or len(sizes) < 2:
        return np.zeros(len(digests), np.bool_)
    wanted = min(max(1, round(len(digests) * share)), len(digests) - 1)
    taken = 0
    for group, size in _drawn(digests, groups, sizes, seed):
        if taken + size <= wanted:
            held[group] = True
            taken += size
        if taken == wanted:
            break
    if not taken:
        held[np.argmin(sizes)] = True
    return held[groups]


def _drawn(
    digests: npt.NDArray[np.uint64],
    groups: npt.NDArray[np.intp],
    sizes: npt.NDArray[np.intp],
    seed: int,
) -> Iterator[tuple[int, int]]:
    """Groups of equal rows with their sizes, in the order that they are drawn in."""
    content = np.empty(len(sizes), np.uint64)
    content[groups] = digests
    order = np.argsort(_mixed(content ^ _mixed(np.array([seed], np.uint64))), kind="stable")
    for start in range(0, len(order), _DRAWN_AT_ONCE):
        drawn = order[start : start + _DRAWN_AT_ONCE]
        yield from zip(drawn.tolist(), sizes[drawn].tolist(), strict=True)


def _mixed(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """SplitMix64's finish: another order for every seed."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
