"""Evaluates a model without training it: validation loss, and exact answers to questions."""

from collections.abc import Generator

import mlx.core as mx
import numpy as np

from app.engine.batches.batches import Batch, BatchLoader
from app.engine.execution.losses import exact_answers, loss_inputs, sum_cross_entropy_eval
from app.engine.execution.model_execution import Execution, FastPaths
from app.engine.model.language_model import LanguageModel
from app.engine.model.lm_head import SplitModel
from app.engine.runtime.distributed import ALONE, Machines
from app.engine.runtime.mlx_runtime import maybe_compile
from app.engine.runtime.named_arrays import ArrayFunction, number


class Evaluator:
    """Evaluates a model on batches with dropout off; traces each batch shape once."""

    def __init__(
        self,
        model: LanguageModel,
        fast: FastPaths | None = None,
        machines: Machines = ALONE,
        objective: ArrayFunction = sum_cross_entropy_eval,
    ) -> None:
        """`objective` takes the model, the head and the inputs of `loss_inputs`, and returns a sum
        over trained tokens."""
        self._execution = Execution(model, fast)
        self._machines, self._objective = machines, objective
        self._losses: dict[tuple[int, ...], ArrayFunction] = {}

    def mean_loss(self, batches: BatchLoader) -> Generator[float, None, float]:
        """The mean objective per trained token over all examples; by default cross-entropy in nats.

        Yields the share done after each batch. Don't use the model between batches.
        """
        loss, tokens = 0.0, 0.0
        with self._execution.scoring():
            for batch, share in self._machines.round_robin(batches.once(), len(batches)):
                if batch is not None:
                    loss += number(self._loss(batch))
                    tokens += batch.trained_tokens
                yield share
        loss, tokens = self._machines.total(loss, tokens)
        return loss / tokens

    def _loss(self, batch: Batch) -> mx.array:
        lengths = batch.input_lengths
        if lengths not in self._losses:
            self._losses[lengths] = maybe_compile(
                self._loss_for(lengths), inputs=[self._execution.model.state]
            )
        return self._losses[lengths](*loss_inputs(batch, self._execution.fast.head))

    def _loss_for(self, packed_lengths: tuple[int, ...]) -> ArrayFunction:
        # Not `self`, whose cache would then be part of a reference cycle.
        execution, objective = self._execution, self._objective

        def loss(*inputs: mx.array) -> mx.array:
            with execution.packing(packed_lengths):
                return objective(execution.model, execution.fast.head, *inputs)

        return loss


def find_wrong_answers(
    model: LanguageModel,
    batches: BatchLoader,
    head: SplitModel | None = None,
    machines: Machines = ALONE,
) -> Generator[float, None, list[int]]:
    """Indexes of the examples for which greedy decoding does not give exactly the trained tokens.

    `batches` are unpacked. Yields the share done after each batch. Don't use the model between
    batches.
    """
    examples = list(batches.rows_once())
    local = iter(examples[machines.rank :: machines.count])
    is_wrong = np.zeros(sum(map(len, examples)))
    with Execution(model).evaluating():
        for batch, share in machines.round_robin(batches.once(), len(batches)):
            if batch is not None:
                rows = next(local)
                # Rows that pad the last batch belong to no example.
                is_wrong[rows] = np.logical_not(exact_answers(model, batch, head)[: len(rows)])
            yield share
    return [int(row) for row in np.flatnonzero(machines.total(*is_wrong.tolist()))]
