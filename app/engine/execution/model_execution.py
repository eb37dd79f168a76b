"""Applies a model's patches for training, evaluation or tracing in order, and undoes them.

Knows nothing of optimizers. `app.engine.audit.fast_path_comparison` compares the fast paths with
the model's own code.
"""

from collections.abc import Collection, Iterator, Sequence, Set
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

import mlx.core as mx

from app.engine.adapter.efficient_lora import eager_lora_gradients
from app.engine.adapter.flat_adapter import FlatAdapter
from app.engine.execution.attention import attention_in_chunks
from app.engine.execution.gradient_checkpointing import checkpointed_layers
from app.engine.execution.losses import sum_cross_entropy
from app.engine.execution.sequence_packing import packed_attention
from app.engine.execution.swiglu import memory_efficient_swiglu
from app.engine.model.language_model import LanguageModel
from app.engine.model.lm_head import SplitModel
from app.engine.model.model_structure import evaluating, put
from app.engine.runtime.mlx_errors import NO_GRADIENTS, model_errors_as_input_errors
from app.engine.runtime.mlx_runtime import uses_compile
from app.engine.runtime.named_arrays import ArrayFunction, ArrayMap

Objective = ArrayFunction
"""(model, head or None, *`loss_inputs`) → the loss, summed over the trained tokens."""


@dataclass(frozen=True)
class FastPaths:
    """The fast paths that a run uses instead of the model's own code."""

    head: SplitModel | None = None
    """The split model, for the loss in chunks; None to compute it from all logits."""
    recomputes_layers: bool = False
    cuts_attention: bool = True
    has_lean_gating: bool = True
    has_split_divergence: bool = True
    """Whether the slow clock's KL divergence uses `head` too."""
    is_packed: bool = False
    has_efficient_lora: bool = True
    """Whether LoRA layers have the efficient call. It belongs to the model; no context applies it.
    """

    def for_divergence(self) -> "FastPaths":
        """The fast paths for the slow clock's KL divergence."""
        return self if self.has_split_divergence else replace(self, head=None)


class Execution:
    """One model with its fast paths. Each context undoes its patches when it ends."""

    def __init__(self, model: LanguageModel, fast: FastPaths | None = None) -> None:
        self.model, self.fast = model, fast or FastPaths()

    @contextmanager
    def evaluating(self, packed_lengths: Sequence[int] = ()) -> Iterator[None]:
        """Inside, dropout is off; attention stays within each packed example of these lengths."""
        with evaluating(self.model), self.packing(packed_lengths):
            yield

    @contextmanager
    def scoring(self) -> Iterator[None]:
        """`evaluating` without packing: on a CPU with attention in chunks, as in a training step.

        On a CPU, MLX's attention also computes the scores that a causal mask hides; on a GPU it is
        fused.
        """
        with evaluating(self.model), ExitStack() as patches:
            if self.fast.cuts_attention and not uses_compile():
                patches.enter_context(attention_in_chunks())
            yield

    @contextmanager
    def packing(self, packed_lengths: Sequence[int]) -> Iterator[None]:
        """Inside, attention stays within each packed example of these lengths, if there are any."""
        with packed_attention(packed_lengths):
            yield

    @contextmanager
    def tracing(self, packed_lengths: Sequence[int] = ()) -> Iterator[None]:
        """Inside, attention is computed as in a training step; patches that can't be traced are
        left out."""
        with attention_in_chunks(), self.packing(packed_lengths):
            yield

    @contextmanager
    def training(self, packed_lengths: Sequence[int], trained: Set[str]) -> Iterator[None]:
        """Inside, a loss and its gradients are computed at the parameters `trained`, by path.

        Keep the context open during the backward pass: gradient checkpointing calls layers again.
        """
        with ExitStack() as patches:
            patches.enter_context(model_errors_as_input_errors(NO_GRADIENTS))
            # The last patch runs first: it separates packed examples, then each is cut into chunks.
            if trained and self.fast.cuts_attention:
                patches.enter_context(attention_in_chunks())
            patches.enter_context(self.packing(packed_lengths))
            if trained:
                patches.enter_context(eager_lora_gradients(self.model, trained))
            if trained and self.fast.has_lean_gating:
                patches.enter_context(memory_efficient_swiglu(self.model))
            yield

    def gradient_function(
        self,
        adapter: FlatAdapter,
        paths: Collection[str],
        packed_lengths: tuple[int, ...],
        objective: Objective = sum_cross_entropy,
    ) -> ArrayFunction:
        """A function (tiers' vectors, *`loss_inputs`) → the summed `objective`, and its gradients
        at `paths` by path.

        The backward pass ends at the lowest layer in `paths`.
        """
        trained = dict.fromkeys(paths).keys()

        def loss_of(parameters: ArrayMap, *inputs: mx.array) -> mx.array:
            put(self.model, parameters)
            with checkpointed_layers(self.model, self.fast.recomputes_layers, trained):
                return objective(self.model, self.fast.head, *inputs)

        def gradients(vectors: Sequence[mx.array], *inputs: mx.array) -> tuple[mx.array, ArrayMap]:
            with adapter.applied(vectors) as arrays, self.training(packed_lengths, trained):
                if not trained:
                    return loss_of({}, *inputs), {}
                return mx.value_and_grad(loss_of)({path: arrays[path] for path in trained}, *inputs)

        return gradients
