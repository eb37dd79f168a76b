"""Measures the mean gradient of each module on the user's data, to assign tiers by importance.

An adapter starts with `lora_b` = 0, so the gradient of `lora_a` is 0 whatever the data; that of
`lora_b` is the base weight's own gradient seen through the random `lora_a`. Its mean magnitude is
what is measured: it needs no gradient of the base, and it is what the first update goes by.
"""

from collections.abc import Generator

import mlx.core as mx

from app.engine.batches.batches import BatchLoader
from app.engine.batches.training_batches import TrainingBatchLoader
from app.engine.execution.losses import loss_inputs, sum_cross_entropy
from app.engine.execution.model_execution import Execution
from app.engine.model.adapter_parameters import module_path
from app.engine.model.language_model import LanguageModel
from app.engine.model.parameter_tree import put, trainable_parameters
from app.engine.runtime.named_arrays import Arrays, number


def measure_gradient_importance(
    model: LanguageModel, batches: BatchLoader | TrainingBatchLoader, count: int, seed: int
) -> Generator[float, None, dict[str, float]]:
    """Yields the share done; returns module path → mean |gradient| of the mean loss per token.

    Goes through the first `count` batches of the training order that `seed` decides, at most one
    epoch, with dropout off; the same seed gives the same numbers. The model stays as it is.
    """
    execution, adapter = Execution(model), trainable_parameters(model)

    def loss_of(arrays: Arrays, *inputs: mx.array) -> mx.array:
        put(model, arrays)
        loss: mx.array = sum_cross_entropy(model, None, *inputs)
        return loss

    loss_and_gradient = mx.value_and_grad(loss_of)
    count = min(count, len(batches))
    total: dict[str, float] = {}
    infinite = batches.infinite(seed)
    for done in range(count):
        yield done / count
        batch = next(infinite)
        with execution.evaluating(batch.input_lengths):
            _, gradients = loss_and_gradient(adapter, *loss_inputs(batch, None))
        put(model, adapter)  # not the placeholders of the trace
        for path, gradient in gradients.items():
            if path.endswith("lora_b"):
                mean = number(mx.mean(mx.abs(gradient.astype(mx.float32)))) / batch.trained_tokens
                total[module_path(path)] = total.get(module_path(path), 0.0) + mean / count
    return total
