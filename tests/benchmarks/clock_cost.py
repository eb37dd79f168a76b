"""The cost of the slow clock: our step with a lesson every fourth time, beside the same without.

python -m tests.benchmarks.clock_cost
"""

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from app.engine.audit.loss_audit import LessonAudit
from app.engine.batches.batches import BatchLoader
from app.engine.clocks.slow_clock import SlowClock
from app.engine.runtime.mlx_runtime import uses_compile
from tests.benchmarks.sides import Measured, Ours, timed
from tests.benchmarks.train_vs_mlx_lm import BATCH, batches_of, examples, print_table, time_ratio
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


def small() -> None:
    _beside("hidden 256, 4×256", lambda: build(Shape(SMALL, 256)), SMALL, 256, 8)
    _beside("hidden 256, 4×64", lambda: build(Shape(SMALL, 256)), SMALL, 64, 16)


def real() -> None:
    models: list[Architecture] = [RealSize(name, bits) for name in REAL_SIZES for bits in (None, 4)]
    for model in models if uses_compile() else ():
        _beside(f"{model}, 4×512", lambda m=model: build(m), model.vocabulary, 512, 15)


def _beside(what: str, model: Callable[[], Any], vocabulary: int, length: int, rounds: int) -> None:
    batches = batches_of(equal_rows(BATCH, length, vocabulary)) * EVERY
    ours = Ours(model(), (1,))
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
    time_ratio(f"{what}, with lessons / without", GOAL, with_lessons, without)


ROWS: dict[str, Callable[[], None]] = {f.__name__: f for f in (small, real)}


if __name__ == "__main__":
    print_table(ROWS, sys.argv[1:])
