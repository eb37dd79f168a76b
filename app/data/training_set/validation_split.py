"""Splits a dataset into training and validation rows, and chooses the early rows that a run begins
with. Both depend on seed, content and location alone.

The early rows come from all parts of the dataset. The first epoch takes them first, so training
begins while the others are tokenized; the choice is the same when all rows are tokenized. Half of
all content, by its hash, can be held out; the early rows come from the other half.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.data.tokens.tokenized_examples import Ints

_GROUPS_AT_ONCE = 4096

Digests = npt.NDArray[np.uint64]
HoldoutMask = npt.NDArray[np.bool_]


def split_datasets(
    digests: Sequence[Sequence[Digests]], have_valid: Sequence[bool], share: float, seed: int
) -> list[list[HoldoutMask]]:
    """`holdout_masks` with one share for all datasets, but 0 for those with a validation file."""
    shares = [0.0 if has_valid else share for has_valid in have_valid]
    return holdout_masks(digests, shares, seed)


def holdout_masks(
    datasets: Sequence[Sequence[Digests]], shares: Sequence[float], seed: int
) -> list[list[HoldoutMask]]:
    """A mask for each file of each dataset, [rows]: True for rows held out for validation.

    Rows are drawn by a hash of seed and content, so equal rows stay on one side, and the order of
    rows does not matter. Each dataset holds out its share, in proportion from each of its files,
    and at least one row if two of its rows differ. A share of 0 keeps a dataset's rows in training,
    and also equal rows of other datasets.
    """
    files = [file for dataset in datasets for file in dataset]
    file_of_row = np.repeat(np.arange(len(files)), [len(file) for file in files])
    digests = np.concatenate(files) if files else np.zeros(0, np.uint64)
    content, firsts, groups, sizes = np.unique(
        digests, return_index=True, return_inverse=True, return_counts=True
    )
    masked = np.zeros(len(sizes), np.bool_)
    may_be_masked = np.ones(len(sizes), np.bool_)
    file_of_group = file_of_row[firsts]  # a group of equal rows belongs to its first file
    dataset_of_file = np.repeat(np.arange(len(datasets)), [len(files) for files in datasets])
    for dataset, share in enumerate(shares):
        if share <= 0:
            may_be_masked[groups[dataset_of_file[file_of_row] == dataset]] = False
    order = _order(content, seed)
    for dataset, share in enumerate(shares):
        if share > 0:
            numbers = np.flatnonzero(dataset_of_file == dataset)
            is_in_dataset = may_be_masked & (dataset_of_file[file_of_group] == dataset)
            _mark_holdout(
                masked,
                sizes,
                order,
                [is_in_dataset & (file_of_group == file) for file in numbers],
                share,
            )
    ends = np.cumsum([len(file) for file in files])
    masks = iter(np.split(masked[groups], ends[:-1]) if files else [])
    return [[next(masks) for _ in dataset] for dataset in datasets]


def _mark_holdout(
    masked: HoldoutMask,
    sizes: npt.NDArray[np.intp],
    order: npt.NDArray[np.intp],
    files: Sequence[npt.NDArray[np.bool_]],
    share: float,
) -> None:
    """Mark the groups of equal rows that one dataset holds out; `files` has a mask of the groups
    for each file."""
    is_in_dataset = np.logical_or.reduce(files)
    if is_in_dataset.sum() < 2:
        return
    rows = [int(sizes[file].sum()) for file in files]
    total = 0
    for file, wanted in zip(files, _quotas(rows, share), strict=True):
        file_total = 0
        for group, size in _groups_in_order(order[file[order]], sizes):
            if file_total >= wanted:
                break
            if file_total + size <= wanted:
                masked[group] = True
                file_total += size
        total += file_total
    if not total:
        smallest = np.flatnonzero(is_in_dataset)
        masked[smallest[np.argmin(sizes[smallest])]] = True


def _quotas(rows: Sequence[int], share: float) -> list[int]:
    """The number of rows that each file holds out, so that the total makes up the share."""
    total = sum(rows)
    wanted = min(max(1, round(total * share)), total - 1)
    exact = [wanted * count / total for count in rows]
    quotas = [int(part) for part in exact]
    by_remainder = sorted(range(len(rows)), key=lambda i: quotas[i] - exact[i])
    for file in by_remainder[: wanted - sum(quotas)]:
        quotas[file] += 1
    return quotas


def _groups_in_order(
    order: npt.NDArray[np.intp], sizes: npt.NDArray[np.intp]
) -> Iterator[tuple[int, int]]:
    """Yield groups of equal rows with their sizes, in the order of the draw."""
    for start in range(0, len(order), _GROUPS_AT_ONCE):
        groups = order[start : start + _GROUPS_AT_ONCE]
        yield from zip(groups.tolist(), sizes[groups].tolist(), strict=True)


def draw_numbers(digests: Digests, seed: int) -> Digests:
    """[rows]: pseudorandom numbers; rows with the lowest numbers are drawn first."""
    return mix_bits(digests ^ mix_bits(np.array([seed], np.uint64)))


def _order(content: Digests, seed: int) -> npt.NDArray[np.intp]:
    return np.argsort(draw_numbers(content, seed), kind="stable")


def mix_bits(values: Digests) -> Digests:
    """The finalizer of SplitMix64, a hash of 64-bit numbers."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


EARLY_ROWS = 1024
"""The approximate number of early rows: minutes of training, or seconds with a small model."""
_MIN_FACTOR = 4
"""A dataset has early rows only if it has at least this multiple of them."""
_MAX_HOLDOUT_SHARE = 0.4
_HALF = 2**63

Keys = npt.NDArray[np.uint64]
"""[rows]: early rows have the largest keys; 0 for a row that is never early."""


@dataclass(frozen=True)
class EarlyRows:
    """Chooses the early rows of one run."""

    wanted: int
    """The approximate number of early rows; 0 for none."""
    seed: int

    def applies_to(self, rows: int, holdout_share: float) -> bool:
        """Whether a dataset of this size has early rows."""
        return 0 < _MIN_FACTOR * self.wanted <= rows and holdout_share <= _MAX_HOLDOUT_SHARE

    def keys(self, digests: Digests, places: Ints, file: int) -> Keys:
        """[rows]: the keys of rows of training file number `file`."""
        numbers = draw_numbers(digests, self.seed)
        line, row = places.astype(np.uint64).T
        keys = mix_bits(mix_bits(mix_bits(numbers ^ line) ^ row) ^ np.uint64(file))
        return np.where(numbers >= _HALF, keys, np.uint64(0))

    def least_key(self, rows: int) -> np.uint64:
        """The smallest key of an early row in a dataset of this size."""
        rows = max(rows, _MIN_FACTOR * self.wanted)
        return np.uint64(2**64 - 1 - 2**65 * self.wanted // rows)

    def chosen(self, keys: Keys, least: np.uint64, batch_size: int) -> npt.NDArray[np.intp]:
        """The indexes of the early rows, ascending; a whole number of batches."""
        candidates = np.flatnonzero(keys >= least)
        count = len(candidates) // batch_size * batch_size
        largest = np.argsort(~keys[candidates], kind="stable")[:count]
        return np.sort(candidates[largest])
