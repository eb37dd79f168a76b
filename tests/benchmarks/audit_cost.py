"""The cost of auditing every update: our step beside the same step without it, by turns.

python -m tests.benchmarks.audit_cost
"""

import sys
from collections.abc import Callable
from typing import Any

from app.core.config.presets import demo_config
from app.engine.adapter.adapter import add_adapter
from app.engine.audit.gradient_audit import EVERY_STEP
from app.engine.audit.loss_audit import EVERY
from app.engine.audit.update_audit import UpdateAudit
from app.engine.model.loading import load_base_model
from app.engine.model.model_structure import trainable_parameters
from app.engine.runtime.mlx_runtime import uses_compile
from tests.benchmarks.sides import Measured, Ours, timed
from tests.benchmarks.train_vs_mlx_lm import BATCH, batches_of, print_row, print_table, time_ratio
from tests.benchmarks.workloads import (
    REAL_SIZES,
    SMALL,
    Architecture,
    RealSize,
    Shape,
    build,
    equal_rows,
)

GOAL, GOAL_OF_SECOND = "≤ 1.01", "≤ 0.01"


class NoAudit:
    """Replaces an audit, and accepts everything."""

    def observe(self, *_: Any) -> Any:
        import mlx.core as mx

        return mx.array(0.0)

    def check(self, *_: Any) -> None:
        pass

    check_rate = finish = check


def small() -> None:
    for hidden in (256, 512):
        _beside(f"hidden {hidden}, 4×256", lambda h=hidden: build(Shape(SMALL, h)), SMALL, 256, 12)


def starter() -> None:
    config = demo_config()

    def built() -> Any:
        base = load_base_model(config.model)
        add_adapter(base.model, config)
        import mlx.core as mx

        mx.eval(base.model.parameters())
        base.model.train()
        return base.model

    _beside("the demo's model, 4×64", built, 1000, 64, 50)


def real() -> None:
    models: list[Architecture] = [RealSize(name, bits) for name in REAL_SIZES for bits in (None, 4)]
    for model in models if uses_compile() else ():
        _beside(f"{model}, 4×512", lambda m=model: build(m), model.vocabulary, 512, 15)


def _beside(what: str, model: Callable[[], Any], vocabulary: int, length: int, rounds: int) -> None:
    batches = batches_of(equal_rows(BATCH, length, vocabulary)) * 4
    ours = Ours(model(), (1, 2, 4))
    step = ours.training
    ours.warm_up(batches)
    ours.steps(batches)
    audited, bare = Measured(), Measured()
    for _ in range(rounds):
        # The same step, so that no other model's place in memory is measured.
        step._audit = UpdateAudit(
            step._optimizer.rules(),
            step._optimizer.plan,
            trainable_parameters(ours.model),
            step.state,
            step._meter.drifts(step._vectors),
        )
        ours.steps(batches[:1])  # a new audit has read all weights: the device fetches them again
        timed(audited, lambda: ours.steps(batches))
        step._audit = NoAudit()  # type: ignore[assignment]
        ours.steps(batches[:1])
        timed(bare, lambda: ours.steps(batches))
    time_ratio(f"{what}, audited / not", GOAL, audited, bare)
    tiers = tuple(range(len(step._optimizer.plan.tiers)))
    audits: list[tuple[str, int, Callable[[], object]]] = [
        ("loss", EVERY, lambda: step._losses.expected(batches[:1], EVERY)),
        (
            "gradients",
            EVERY_STEP,
            lambda: step._second_gradients.of_step(batches[:1], EVERY_STEP, tiers),
        ),
    ]
    for audited_part, every, audit in audits:
        checked, plain = Measured(), Measured()
        for _ in range(rounds):
            timed(checked, audit)
            timed(plain, lambda: ours.steps(batches[:1]))
        share = checked.median / plain.median / every
        name = f"{what}, the {audited_part} of every {every}th step / steps"
        detail = f"{1000 * checked.median:.0f} / {1000 * plain.median:.0f} ms"
        print_row(name, GOAL_OF_SECOND, share, None, detail)


ROWS: dict[str, Callable[[], None]] = {f.__name__: f for f in (small, starter, real)}


if __name__ == "__main__":
    print_table(ROWS, sys.argv[1:])
