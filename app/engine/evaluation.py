"""Measuring a model without training it: validation loss, and questions answered exactly."""

from collections.abc import Callable
from typing import Any

from app.engine.batches import Batch, Batches
from app.engine.head import Head
from app.engine.losses import exact_answers, loss_inputs, summed_loss_alone
from app.engine.machines import ALONE, Machines
from app.engine.mlx_gateway import compiled, import_mlx
from app.engine.modes import evaluating


class Evaluator:
    """Runs a model over batches with dropout off; traces each batch length once."""

    def __init__(self, model: Any, head: Head | None = None, machines: Machines = ALONE) -> None:
        self._model = model
        self._machines = machines
        self._head = head
        self._loss: Callable[..., Any] = compiled(
            lambda *inputs: summed_loss_alone(model, head, *inputs), inputs=[model.state]
        )

    def mean_loss(self, batches: Batches) -> float:
        """Mean cross-entropy per trained token over every example, in nats."""
        loss, tokens = 0.0, 0.0
        with evaluating(self._model):
            for batch in self._machines.in_turn(batches.once()):
                loss += self._loss(*loss_inputs(batch, self._head)).item()
                tokens += batch.trained_tokens
        loss, tokens = self._machines.total(loss, tokens)
        return loss / tokens

    def trace(self, batch: Batch) -> None:
        with evaluating(self._model):
            import_mlx().eval(self._loss(*loss_inputs(batch, self._head)))


def count_exact_answers(
    model: Any, batches: Batches, head: Head | None = None, machines: Machines = ALONE
) -> int:
    """How many examples greedy decoding answers with exactly the trained tokens."""
    correct = 0
    with evaluating(model):
        for batch in machines.in_turn(batches.once()):
            exact = exact_answers(model, batch, head)
            # Rows that only fill up a last batch train nothing, and answer nothing.
            trained: list[float] = batch.trained.sum(axis=1).tolist()
            rows = zip(exact, trained, strict=True)
            correct += sum(is_exact and tokens > 0 for is_exact, tokens in rows)
    return round(machines.total(correct)[0])
