"""The two sides: Nestling's step, and mlx-lm's own `train()`, a block of steps at a time.

mlx-lm's loop can't be stepped from outside, so our block runs inside its batch iterator, whose
time it doesn't count: both sides alternate in one process, on one machine, in one state.
"""

import contextlib
import io
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

import numpy as np

from app.engine.batches.batches import Batch
from app.engine.model.lm_head import split_model
from app.engine.model.model_structure import trainable_parameters
from app.engine.runtime.mlx_runtime import uses_compile
from app.engine.tiers.assignment import make_plan
from app.engine.tiers.optimizer import TieredAdamW
from app.engine.training.step import TrainingStep
from tests.benchmarks.workloads import config_of

RATE = 1e-4


@dataclass
class Measured:
    """Seconds of each block of steps, the last one's peak bytes, and the first loss.

    The peak is measured from the memory in use before a step: weights and optimizer state, equal on
    both sides, are not in it.
    """

    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)
    """Processor time of the same blocks: what a busy machine distorts least."""
    peak: int = 0
    first_loss: float = 0.0

    @property
    def median(self) -> float:
        return median(self.seconds)

    @property
    def cpu_median(self) -> float:
        return median(self.cpu_seconds)


class Ours:
    """Our step with everything on: telemetry, verification, tiers."""

    def __init__(
        self,
        model: Any,
        periods: Sequence[int] = (1,),
        *,
        recompute: bool = False,
        skip: bool = False,
        fused_loss: bool = True,
    ) -> None:
        start = trainable_parameters(model)
        plan = make_plan(start, config_of(tuple(periods)))
        optimizer = TieredAdamW(plan, skip_pending=skip)
        head = split_model(model) if fused_loss else None
        self.model, self.measured, self._step = model, Measured(), 0
        self._recomputes = recompute
        self.training = TrainingStep(
            model, optimizer, optimizer.init(start), start, head=head,
            recompute_layers=recompute,
        )  # fmt: skip

    def warm_up(self, batches: Sequence[Batch]) -> None:
        """As a run does before its first step, where layers are recomputed on a GPU."""
        if uses_compile() and self._recomputes:
            for batch in {batch.tokens.shape: batch for batch in batches}.values():
                self.training.measure_memory(batch)

    def steps(self, batches: Sequence[Batch]) -> None:
        for batch in batches:
            self._step += 1
            loss = self.training.run([batch], self._step, RATE).loss
            self.measured.first_loss = self.measured.first_loss or loss

    def block(self, batches: Sequence[Batch]) -> None:
        timed(self.measured, lambda: self.steps(batches))


def compare(a: Callable[[], None], b: Callable[[], None], rounds: int) -> tuple[Measured, Measured]:
    """Both, once to warm up and then `rounds` times in turn."""
    first, second = Measured(), Measured()
    a(), b()
    for _ in range(rounds):
        timed(first, a)
        timed(second, b)
    return first, second


def against_mlx_lm(
    ours: Ours,
    batches: Sequence[Batch],
    model: Any,
    rows: Any,
    *,
    batch_size: int,
    block: int,
    rounds: int,
    longest: int,
    recompute: bool = False,
) -> tuple[Measured, Measured]:
    """Blocks of our `batches` against blocks of `block` steps of mlx-lm's own training.

    The first block of each only warms up: mlx-lm compiles in it.
    """
    import mlx.core as mx
    import mlx.optimizers as optimizers
    from mlx_lm.tuner import trainer
    from mlx_lm.tuner.callbacks import TrainingCallback
    from mlx_lm.tuner.datasets import CacheDataset

    ours.warm_up(batches)
    theirs, taken = Measured(), []

    class Watch(TrainingCallback):
        def on_train_loss_report(self, info: dict[str, Any]) -> None:
            theirs.first_loss = theirs.first_loss or info["train_loss"]
            taken.append(1 / info["iterations_per_second"])
            theirs.peak = max(theirs.peak, mx.get_peak_memory() - active_before)

    active_before = 0

    def alternating(dataset: Any, **options: Any) -> Iterator[Any]:
        nonlocal active_before
        inner = trainer.iterate_batches(dataset=dataset, **{**options, "seed": 0})
        for _ in range(rounds + 1):
            ours.block(batches)
            active_before = mx.get_active_memory()
            mx.reset_peak_memory()
            theirs.peak = 0
            start = process_time()
            for _ in range(block):
                yield next(inner)
            theirs.cpu_seconds.append(process_time() - start)
        yield next(inner)  # the loop comes back only for another batch

    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        arguments = trainer.TrainingArgs(
            batch_size=batch_size, iters=block * (rounds + 1) + 1, steps_per_report=1,
            steps_per_save=10**9, max_seq_length=longest, grad_checkpoint=recompute,
            adapter_file=str(Path(folder) / "adapters.safetensors"),
        )  # fmt: skip
        kind = type(model.layers[0])
        own_call = kind.__call__
        try:
            trainer.train(
                model, optimizers.AdamW(RATE), CacheDataset(rows), args=arguments,
                iterate_batches=alternating, training_callback=Watch(),
            )  # fmt: skip
        finally:
            kind.__call__ = own_call  # its checkpointing patches the class for good
    theirs.seconds = np.array(taken[:-1]).reshape(rounds + 1, block).sum(axis=1).tolist()
    for side in (ours.measured, theirs):
        side.seconds, side.cpu_seconds = side.seconds[1:], side.cpu_seconds[1:]
    return ours.measured, theirs


def timed(measured: Measured, work: Callable[[], None]) -> None:
    import mlx.core as mx

    active_before = mx.get_active_memory()
    mx.reset_peak_memory()
    start, cpu_start = perf_counter(), process_time()
    work()
    measured.seconds.append(perf_counter() - start)
    measured.cpu_seconds.append(process_time() - cpu_start)
    measured.peak = mx.get_peak_memory() - active_before
