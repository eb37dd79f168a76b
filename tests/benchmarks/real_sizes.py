"""The same comparison at the sizes of real models, on a GPU: random weights, bfloat16 and 4-bit.

python -m tests.benchmarks.real_sizes [row …]
"""

import sys
from collections.abc import Callable

from app.engine.execution import attention
from tests.benchmarks.sides import Ours, compare
from tests.benchmarks.train_vs_mlx_lm import (
    BATCH,
    batches_of,
    beside_mlx_lm,
    epoch,
    faster,
    print_row,
    print_table,
    time_ratio,
)
from tests.benchmarks.workloads import REAL_SIZES, RealSize, build, chat_rows, equal_rows

MODELS = [RealSize(name, bits) for name in REAL_SIZES for bits in (None, 4)]
QWEN = RealSize("Qwen3-0.6B")


def equal_lengths() -> None:
    for model in MODELS:
        rows = equal_rows(BATCH, 512, model.vocabulary)
        ours, theirs = beside_mlx_lm(model, rows, block=4, rounds=4)
        faster(f"{model}: 4×512, all trained", "≥ 1.00", ours, theirs)
        memory = f"{ours.peak >> 20} / {theirs.peak >> 20} MiB"
        print_row("  its peak beyond the weights", "", ours.peak / theirs.peak, None, memory)
        difference = ours.first_loss - theirs.first_loss
        print_row("  first loss, ours − mlx-lm's", "≤ 1e-3", difference, None, "")


def chat() -> None:
    for model in MODELS:
        for size, longest in ((4, 1024), (16, 512)):
            rows = chat_rows(16 * size, longest, model.vocabulary, masked=0.7)
            what = f"{model}: epoch of chat to {longest} tokens, 70 % masked, {size} rows a batch"
            epoch(what, "≥ 2.5", model, rows, 2, size)


def peak() -> None:
    for model in MODELS:
        for masked, goal in ((0.0, "≤ 0.55"), (0.7, "≤ 0.3")):
            rows = equal_rows(BATCH, 512, model.vocabulary, masked)
            ours, theirs = beside_mlx_lm(model, rows, block=2, rounds=3, recompute=True)
            what = f"{model}: 4×512, both checkpointing, {masked:.0%} masked"
            memory = f"{ours.peak >> 20} / {theirs.peak >> 20} MiB beyond the weights"
            print_row(f"{what}, peak", goal, ours.peak / theirs.peak, None, memory)
            faster("  tokens/s", "", ours, theirs)


def long_rows() -> None:
    for length in (2048, 4096):
        rows = equal_rows(1, length, QWEN.vocabulary)
        for is_cut in (False, True):
            attention.has_fused_attention_gradient = lambda is_cut=is_cut: not is_cut
            ours, theirs = beside_mlx_lm(QWEN, rows, block=2, rounds=3, recompute=True)
            how = "in chunks" if is_cut else "MLX's"
            what = f"{QWEN}: one row of {length}, both checkpointing, our attention {how}"
            time_ratio(f"{what}, time", "≤ 0.8", ours, theirs)
            memory = f"{ours.peak >> 20} / {theirs.peak >> 20} MiB beyond the weights"
            print_row("  peak", "≤ 0.75", ours.peak / theirs.peak, None, memory)


def tiers() -> None:
    batches = batches_of(equal_rows(BATCH, 512, QWEN.vocabulary)) * 4
    one = Ours(build(QWEN))
    for skip, goal in ((False, "≤ 1.02"), (True, "≤ 0.9")):
        many = Ours(build(QWEN), (1, 2, 4), skip=skip)
        a, b = compare(lambda: many.steps(batches), lambda: one.steps(batches), 5)  # noqa: B023
        how = "skipping" if skip else "accumulating"
        time_ratio(f"{QWEN}: tiers 1,2,4 by depth, {how} / one tier", goal, a, b)


ROWS: dict[str, Callable[[], None]] = {
    f.__name__: f for f in (equal_lengths, chat, peak, long_rows, tiers)
}


if __name__ == "__main__":
    print_table(ROWS, sys.argv[1:])
