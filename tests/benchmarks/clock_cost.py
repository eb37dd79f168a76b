"""The cost of the slow clock: our step with a lesson every fourth time, beside the same without.

python -m tests.benchmarks.clock_cost [small] [real] [real_long]
python -m tests.benchmarks.clock_cost --model DIR    # a real model, rows of 512 tokens
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from app.engine.audit.lesson_audit import LessonAudit
from app.engine.batches.batches import BatchLoader
from app.engine.clocks.slow_clock import SlowClock
from app.engine.runtime.mlx_runtime import uses_compile
from tests.benchmarks.sides import Measured, Ours, timed
from tests.benchmarks.train_vs_mlx_lm import (
    BATCH,
    batches_of,
    examples,
    print_row,
    print_table,
    time_ratio,
)
from tests.benchmarks.workloads import (
    REAL_SIZES,
    SMALL,
    Architecture,
    RealSize,
    Shape,
    build,
    chat_rows,
    equal_rows,
)

GOAL = "≤ 1.10"
EVERY, TEXT_TOKENS = 4, 100


@dataclass(frozen=True)
class ModelFolder:
    """A model on disk, as `build` takes it."""

    folder: Path

    @property
    def vocabulary(self) -> int:
        return int(json.loads((self.folder / "config.json").read_text())["vocab_size"])

    def module(self) -> Any:
        from mlx_lm.utils import load_model

        return load_model(self.folder)[0]


def small() -> None:
    _beside("hidden 256, 4×256", Shape(SMALL, 256), SMALL, 256, 8)
    _beside("hidden 256, 4×64", Shape(SMALL, 256), SMALL, 64, 16)


def real() -> None:
    _real(512, (None, 4))


def real_long() -> None:
    _real(2048, (None,))


def _real(length: int, widths: tuple[int | None, ...]) -> None:
    models = [RealSize(name, bits) for name in REAL_SIZES for bits in widths]
    for model in models if uses_compile() else ():
        _beside(f"{model}, 4×{length}", model, model.vocabulary, length, 15)


def _beside(
    name: str, architecture: Architecture, vocabulary: int, length: int, rounds: int
) -> None:
    batches = batches_of(equal_rows(BATCH, length, vocabulary)) * EVERY
    ours = Ours(build(architecture), (1,))
    step, audit = ours.training, ours.training._lessons
    rules = replace(step._optimizer.rules(), slow_every=EVERY, slow_weight=4.0)
    texts = BatchLoader(examples(chat_rows(16, TEXT_TOKENS, vocabulary, 0.3)), BATCH // 2)
    clock = SlowClock(texts, 16, EVERY, 4.0, 0, "")
    with_lessons, without = Measured(), Measured()
    for number in range(1 + rounds):
        if number == 1:
            with_lessons, without = Measured(), Measured()  # the first round compiles
        step._slow, step._lessons = clock, LessonAudit(rules, step._audit.positions)
        timed(with_lessons, lambda: ours.steps(batches))
        step._slow, step._lessons = None, audit
        timed(without, lambda: ours.steps(batches))
    time_ratio(f"{name}, with lessons / without", GOAL, with_lessons, without)
    peaks = f"{with_lessons.peak >> 20} / {without.peak >> 20} MiB beyond the weights"
    print_row("  its peak", GOAL, with_lessons.peak / without.peak, None, peaks)


ROWS: dict[str, Callable[[], None]] = {f.__name__: f for f in (small, real, real_long)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="*", choices=[*ROWS, []])
    parser.add_argument("--model", type=Path)
    asked = parser.parse_args()
    if asked.model is not None:
        model = ModelFolder(asked.model)
        name = f"{asked.model.name}, 4×512"
        print_table({"model": lambda: _beside(name, model, model.vocabulary, 512, 2)}, ())
    else:
        print_table(ROWS, asked.rows)


if __name__ == "__main__":
    main()
