"""Gradients of batches and lessons by tier, compiled once per shape; also the mean gradient
magnitude of each module on the user's data, to assign tiers by importance.

An adapter starts with `lora_b` = 0, so the gradient of `lora_a` is 0. The gradient of `lora_b` is
the base weight's gradient projected by the random `lora_a`. Its mean magnitude measures importance:
it needs no gradients of the base weights, and it drives the first update.
"""

from collections.abc import Callable, Generator, Sequence
from functools import partial

import mlx.core as mx

from app.engine.adapter.adapter import BareModel
from app.engine.adapter.flat_adapter import FlatAdapter
from app.engine.batches.batches import Batch, BatchLoader
from app.engine.batches.training_batches import TrainingBatchLoader
from app.engine.clocks.divergence import summed_divergence
from app.engine.clocks.slow_clock import Lesson
from app.engine.execution.losses import loss_inputs, sum_cross_entropy
from app.engine.execution.model_execution import Execution, FastPaths, Objective
from app.engine.model.adapter_parameters import module_path
from app.engine.model.language_model import LanguageModel
from app.engine.model.model_structure import put, trainable_parameters
from app.engine.runtime.distributed import Machines
from app.engine.runtime.mlx_runtime import RunAheadLimit, maybe_compile
from app.engine.runtime.named_arrays import ArrayFunction, Arrays, number
from app.engine.tiers.optimizer import Gradients
from app.engine.tiers.plan import TierPlan

Vectors = Sequence[mx.array]
"""One float32 vector per tier: [numbers of the tier], as read from the model."""


Key = tuple[tuple[int, ...], tuple[int, ...], Objective]
"""Tiers, lengths of packed examples and objective: the key of a compiled function."""


class BatchGradients:
    """Computes one adapter's gradients, summed over all machines. Lives on the MLX thread."""

    def __init__(
        self, model: LanguageModel, plan: TierPlan, fast: FastPaths, machines: Machines
    ) -> None:
        self._model, self._plan, self._fast, self._machines = model, plan, fast, machines
        self._input = FlatAdapter(model, plan)
        self._divergence = partial(summed_divergence, BareModel(model))
        self._bound = RunAheadLimit()
        self._functions: dict[Key, Callable[..., tuple[mx.array, Arrays]]] = {}

    def measure_memory(self, vectors: Vectors, batch: Batch) -> None:
        """Measure the memory of this batch. From then on, a step uses little more memory than the
        largest measured batch."""
        micro_batch = next(self._machines.share(batch).micro_batches())
        all_tiers = tuple(range(len(self._plan.tiers)))
        mx.eval(self._of_batch(vectors, micro_batch, all_tiers, sum_cross_entropy))
        with self._bound.measure():  # the second time: the first also allocates lasting arrays
            mx.eval(self._of_batch(vectors, micro_batch, all_tiers, sum_cross_entropy))

    def summed(
        self, vectors: Vectors, batches: Sequence[Batch], tiers: tuple[int, ...]
    ) -> tuple[mx.array, Gradients]:
        """The scalar loss and each tier's gradient (a float32 vector), summed over the trained
        tokens of all machines."""
        with self._machines.per_rank_rng(), self._bound.enforced():
            loss, gradients = self._own_sum(vectors, batches, tiers)
        return self._machines.summed(loss, gradients)

    def of_lesson(self, vectors: Vectors, batch: Batch, tiers: tuple[int, ...]) -> Lesson:
        """The KL divergence from the base and its gradients, summed over a lesson's trained tokens.

        A lesson may have fewer rows than there are machines, so every machine computes the whole
        lesson, and all use the mean of the results.
        """
        with self._bound.enforced():
            divergence, found = self._of_batch(vectors, batch, tiers, self._divergence)
            gradients = {tier: self._input.gradient(tier, found) for tier in tiers}
        divergence, gradients = self._machines.summed(divergence, gradients)
        if (count := self._machines.count) > 1:
            divergence = divergence / count
            gradients = {tier: gradient / count for tier, gradient in gradients.items()}
        return Lesson(divergence, gradients, batch)

    def _own_sum(
        self, vectors: Vectors, batches: Sequence[Batch], tiers: tuple[int, ...]
    ) -> tuple[mx.array, Gradients]:
        """The sums of `summed` over this machine's share of the batches."""
        loss: mx.array | None = None
        total: Gradients = {}
        micro_batches = [
            micro for batch in batches for micro in self._machines.share(batch).micro_batches()
        ]
        for batch in micro_batches:
            batch_loss, found = self._of_batch(vectors, batch, tiers, sum_cross_entropy)
            # Evaluate before the vectors are built. The backward pass yields gradients layer by
            # layer, so each layer's activations are freed before those of the next are computed.
            mx.async_eval(batch_loss, found)
            gradients = {tier: self._input.gradient(tier, found) for tier in tiers}
            if loss is None:
                loss, total = batch_loss, gradients
            else:
                loss += batch_loss
                total = {tier: total[tier] + gradients[tier] for tier in total}
            if len(micro_batches) > 1:
                mx.eval(loss, total)  # frees a micro-batch's activations before the next one
        assert loss is not None  # a step has a batch
        return loss, total

    def _of_batch(
        self, vectors: Vectors, batch: Batch, tiers: tuple[int, ...], objective: Objective
    ) -> tuple[mx.array, Arrays]:
        """The summed loss, and gradients by path; compiled at the first batch of a shape."""
        # Packed rows of the same length can hold examples of different lengths.
        key = (tiers, batch.input_lengths, objective)
        if key not in self._functions:
            random = mx.random.state
            self._functions[key] = maybe_compile(
                self._function(*key), inputs=[self._model.state, random], outputs=[random]
            )
        inputs = loss_inputs(batch, self._paths_of(objective).head)
        return self._functions[key](vectors, *inputs)

    def _function(
        self, tiers: tuple[int, ...], packed_lengths: tuple[int, ...], objective: Objective
    ) -> ArrayFunction:
        """Loss and gradients of these tiers; the backward pass ends at their lowest layer.

        `self` keeps the function, so the function must not refer to `self`: the reference cycle
        would keep the model in memory after the run, until Python's garbage collector runs.
        """
        paths = [path for tier in tiers for path in self._plan.paths(tier)]
        execution = Execution(self._model, self._paths_of(objective))
        return execution.gradient_function(self._input, paths, packed_lengths, objective)

    def _paths_of(self, objective: Objective) -> FastPaths:
        return self._fast if objective is sum_cross_entropy else self._fast.for_divergence()


def measure_gradient_importance(
    model: LanguageModel, batches: BatchLoader | TrainingBatchLoader, count: int, seed: int
) -> Generator[float, None, dict[str, float]]:
    """Yields the share done; returns module path → mean |gradient| of the mean loss per token.

    Uses the first `count` batches of the training order that `seed` gives, at most one epoch,
    without dropout. The same seed gives the same result. The model is unchanged afterwards.
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
        put(model, adapter)  # replaces the placeholders of the trace
        for path, gradient in gradients.items():
            if path.endswith("lora_b"):
                mean = number(mx.mean(mx.abs(gradient.astype(mx.float32)))) / batch.trained_tokens
                total[module_path(path)] = total.get(module_path(path), 0.0) + mean / count
    return total
