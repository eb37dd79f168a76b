"""Our training beside mlx-lm's, as a table.

python -m tests.benchmarks.train_vs_mlx_lm [row …]
"""

import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

from app.core.config.training_config import TrainingConfig
from app.engine.adapter.adapter import adapter_config
from app.engine.batches.batches import Batch, BatchLoader
from app.engine.execution.batch_layout import BatchLayout
from app.engine.model.model_structure import trainable_parameters
from app.engine.runtime.mlx_runtime import (
    clear_cache,
    device_name,
    has_fused_attention_gradient,
    import_mlx_lm,
    uses_compile,
)
from app.engine.training.checkpoints import Progress, save_checkpoint
from tests.benchmarks.older_design import OlderDesign
from tests.benchmarks.sides import Measured, Ours, against_mlx_lm, compare
from tests.benchmarks.workloads import (
    LARGE,
    MIDDLE,
    SMALL,
    Architecture,
    ChatRows,
    Row,
    Shape,
    build,
    chat_rows,
    equal_rows,
    examples,
)

BATCH = 4
TABLE_HEAD = "| what | must reach | time | processor time | medians |\n|---|---|---|---|---|"


def equal_lengths() -> None:
    rows = equal_rows(BATCH, 256, SMALL)
    ours, theirs = beside_mlx_lm(Shape(SMALL), rows, block=1, rounds=9)
    faster("rows of equal length, all trained, vocabulary 4k", "≥ 1.00", ours, theirs)
    difference = ours.first_loss - theirs.first_loss
    print(f"|   first loss, ours − mlx-lm's | ≤ 1e-3 | {difference:.1e} | | |")


def chat_small() -> None:
    rows = chat_rows(48, 1024, SMALL, masked=0.5)
    epoch("epoch of long-tailed masked chat, vocabulary 4k", "≥ 1.5", Shape(SMALL), rows, 2)


def chat_large() -> None:
    rows = chat_rows(24, 512, LARGE, masked=0.7)
    shape = Shape(LARGE)
    epoch("the same, vocabulary 100k, 70 % masked, to 512 tokens", "≥ 2.5", shape, rows, 1)


def packing() -> None:
    """What sharing a row alone is worth: our own epochs with and without it, by turns."""
    for vocabulary, rows in (
        (SMALL, chat_rows(48, 1024, SMALL, masked=0.5)),
        (LARGE, chat_rows(24, 512, LARGE, masked=0.7)),
    ):
        shape = Shape(vocabulary)
        packed, apart = (
            (Ours(build(shape), (1, 2, 4)), epoch_of(rows, BATCH, is_packed))
            for is_packed in (True, False)
        )
        a, b = compare(lambda: packed[0].steps(packed[1]), lambda: apart[0].steps(apart[1]), 3)  # noqa: B023
        what = f"an epoch of {len(rows)} chats, vocabulary {vocabulary >> 10}k, packed / rows apart"
        time_ratio(f"time of {what}", "", a, b)
        memory = f"{a.peak >> 20} / {b.peak >> 20} MiB beyond the weights"
        print_row(f"peak of {what}", "", a.peak / b.peak, None, memory)
        cells = [sum(batch.tokens.size for batch in side[1]) for side in (packed, apart)]
        detail = f"{cells[0]} / {cells[1]} cells for {sum(len(row.tokens) for row in rows)} tokens"
        print_row(f"cells of {what}", "", cells[0] / cells[1], None, detail)


def peak() -> None:
    for masked, goal in ((0.0, "≤ 0.55"), (0.7, "≤ 0.3")):
        rows = equal_rows(BATCH, 128, LARGE, masked)
        ours, theirs = beside_mlx_lm(Shape(LARGE), rows, block=1, rounds=2, recompute=True)
        what = f"vocabulary 100k, both checkpointing, {masked:.0%} masked"
        memory = f"{ours.peak >> 20} / {theirs.peak >> 20} MiB beyond the weights"
        print_row(f"peak memory, {what}", goal, ours.peak / theirs.peak, None, memory)
        faster(f"  tokens/s, {what}", "", ours, theirs)


def long_rows() -> None:
    for length in (2048, 4096):
        rows = equal_rows(1, length, SMALL)
        ours, theirs = beside_mlx_lm(Shape(SMALL), rows, block=1, rounds=2, recompute=True)
        what = f"one row of {length} tokens, both checkpointing, vocabulary 4k"
        time_ratio(f"time of {what}", "≤ 0.8", ours, theirs)
        memory = f"{ours.peak >> 20} / {theirs.peak >> 20} MiB beyond the weights"
        print_row(f"peak of {what}", "≤ 0.75", ours.peak / theirs.peak, None, memory)
        difference = ours.first_loss - theirs.first_loss
        print_row(f"first loss of {what}, ours − mlx-lm's", "≤ 1e-3", difference, None, "")


def tiers() -> None:
    shape, batches = Shape(SMALL), batches_of(equal_rows(BATCH, 128, SMALL)) * 4
    one = Ours(build(shape))
    for skip, goal in ((False, "≤ 1.02"), (True, "≤ 0.9")):
        many = Ours(build(shape), (1, 2, 4), skip=skip)
        a, b = compare(lambda: many.steps(batches), lambda: one.steps(batches), 5)  # noqa: B023
        how = "skipping" if skip else "accumulating"
        time_ratio(f"time of tiers 1,2,4 by depth, {how} / one tier", goal, a, b)


def older() -> None:
    for hidden, vocabulary in ((256, SMALL), (512, SMALL), (256, MIDDLE), (512, MIDDLE)):
        shape = Shape(vocabulary, hidden)
        batches = batches_of(equal_rows(BATCH, 64, vocabulary, 0.5))
        old, ours = OlderDesign(build(shape)), Ours(build(shape))
        a, b = compare(lambda: old.steps(batches), lambda: ours.steps(batches), 5)  # noqa: B023
        what = f"time of the older design / ours, hidden {hidden}, vocabulary {vocabulary >> 10}k"
        time_ratio(what, "≥ 1.3", a, b)


def checkpoint() -> None:
    import mlx.core as mx

    ours = Ours(build(Shape(SMALL)))
    batches = batches_of(equal_rows(BATCH, 128, SMALL))
    with tempfile.TemporaryDirectory() as folder:
        count = iter(range(1000))

        def save() -> None:
            mx.eval(ours.training.state.tree())
            save_checkpoint(
                Path(folder) / f"step-{next(count):06d}", trainable_parameters(ours.model),
                adapter_config(ours.model, TrainingConfig()), ours.training.state,
                ours.training.stiffness(), Progress(),
            )  # fmt: skip

        a, b = compare(save, lambda: ours.steps(batches), 5)
    share = a.median / (100 * b.median)
    print_row("time of a checkpoint / 100 steps", "≤ 0.01", share, None, _ms(a, b))


def full_logits() -> None:
    """What the fused loss alone is worth: our own step with and without it."""
    shape = Shape(LARGE)
    for masked in (0.0, 0.7):
        batches = batches_of(equal_rows(BATCH, 128, LARGE, masked))
        fused, full = Ours(build(shape)), Ours(build(shape), fused_loss=False)
        a, b = compare(lambda: fused.steps(batches), lambda: full.steps(batches), 3)  # noqa: B023
        what = f"the fused loss / all logits, vocabulary 100k, {masked:.0%} masked"
        time_ratio(f"time of {what}", "", a, b)
        print_row(
            f"peak of {what}", "", a.peak / b.peak, None, f"{a.peak >> 20} / {b.peak >> 20} MiB"
        )


ROWS: dict[str, Callable[[], None]] = {
    f.__name__: f
    for f in (
        equal_lengths,
        chat_small,
        chat_large,
        packing,
        peak,
        long_rows,
        tiers,
        older,
        checkpoint,
        full_logits,
    )
}


def print_table(rows: Mapping[str, Callable[[], None]], names: Sequence[str]) -> None:
    """The rows named, or all, under the table's head; how long each took goes to stderr."""
    import_mlx_lm()
    print(device_name(), end="\n\n")
    print(TABLE_HEAD)
    for name in names or rows:
        start = perf_counter()
        rows[name]()
        print(f"{name}: {perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
        clear_cache()


def epoch(
    what: str, goal: str, shape: Architecture, rows: list[Row], rounds: int, size: int = BATCH
) -> None:
    order = epoch_of(rows, size, is_packed=not has_fused_attention_gradient())
    model = build(shape)
    ours, theirs = against_mlx_lm(
        Ours(build(shape), (1, 2, 4)), order, model, ChatRows(rows),
        batch_size=size, block=len(rows) // size, rounds=rounds,
        longest=max(len(row.tokens) for row in rows),
    )  # fmt: skip
    faster(f"useful tokens/s, {what}", goal, ours, theirs)


def epoch_of(rows: list[Row], size: int, is_packed: bool) -> list[Batch]:
    """The batches of a run's first epoch on this machine."""
    batches = BatchLayout(size, is_packed, has_free_shapes=not uses_compile()).batches(
        examples(rows)
    )
    return [batches.batch(indexes) for indexes in batches.epoch(0, 0)]


def beside_mlx_lm(
    shape: Architecture, rows: list[Row], **options: Any
) -> tuple[Measured, Measured]:
    batches = batches_of(rows) * options["block"]
    ours = Ours(build(shape), recompute=options.get("recompute", False))
    longest = len(rows[0].tokens)
    return against_mlx_lm(
        ours,
        batches,
        build(shape),
        ChatRows(rows),
        batch_size=len(batches[0].tokens),
        longest=longest,
        **options,
    )


def batches_of(rows: list[Row]) -> list[Batch]:
    batches = BatchLoader(examples(rows), min(BATCH, len(rows)))
    return [batches.batch(indexes) for indexes in batches.epoch(0, 0)]


def faster(what: str, goal: str, ours: Measured, theirs: Measured) -> None:
    """How many times as fast we are: their time over ours."""
    wall, cpu = theirs.median / ours.median, theirs.cpu_median / ours.cpu_median
    print_row(what, goal, wall, cpu, _ms(ours, theirs))


def time_ratio(what: str, goal: str, a: Measured, b: Measured, more: str = "") -> None:
    """The time of `a` in times of `b`."""
    print_row(what, goal, a.median / b.median, a.cpu_median / b.cpu_median, _ms(a, b) + more)


def _ms(a: Measured, b: Measured) -> str:
    return f"{a.median * 1000:.0f} / {b.median * 1000:.0f} ms"


def print_row(what: str, goal: str, wall: float, cpu: float | None, detail: str) -> None:
    processor = "" if cpu is None else f"{cpu:.3g}×"
    print(f"| {what} | {goal} | {wall:.3g}× | {processor} | {detail} |", flush=True)


if __name__ == "__main__":
    print_table(ROWS, sys.argv[1:])
