"""Measuring a model without training it: validation loss, and questions answered exactly."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from app.engine.batches import Batch, Batches
from app.engine.losses import exact_answers, summed_loss
from app.engine.mlx_gateway import compiled, import_mlx


class Evaluator:
    """Runs a model over batches with dropout off; traces each batch length once."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._loss: Callable[..., Any] = compiled(
            lambda tokens, trained: summed_loss(model, tokens, trained), inputs=[model.state]
        )

    def mean_loss(self, batches: Batches) -> float:
        """Mean cross-entropy per trained token over every example, in nats."""
        loss, tokens = 0.0, 0
        with evaluating(self._model):
            for batch in batches.once():
                loss += self._loss(*_arrays(batch)).item()
                tokens += batch.trained_tokens
        return loss / tokens

    def trace(self, batch: Batch) -> None:
        with evaluating(self._model):
            import_mlx().eval(self._loss(*_arrays(batch)))


def count_exact_answers(model: Any, batches: Batches) -> int:
    """How many examples greedy decoding answers with exactly the trained tokens."""
    correct = 0
    with evaluating(model):
        for batch in batches.once():
            exact = exact_answers(model, *_arrays(batch)).tolist()
            # Rows that only fill up a last batch train nothing, and answer nothing.
            trained: list[float] = batch.trained.sum(axis=1).tolist()
            rows = zip(exact, trained, strict=True)
            correct += sum(is_exact and tokens > 0 for is_exact, tokens in rows)
    return correct


@contextmanager
def evaluating(model: Any) -> Iterator[None]:
    """Dropout off inside, and back on as it was after."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)


def _arrays(batch: Batch) -> tuple[Any, Any]:
    mx = import_mlx()
    return mx.array(batch.tokens), mx.array(batch.trained)
