"""Loss and gradients of one batch, in the fast ways that a run takes, or in the model's own.

Knows nothing of optimizers. What is faster here is compared with the model's own code by
`app.engine.audit.comparison`.
"""

from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import mlx.core as mx

from app.engine.adapter.efficient_lora import gradients_at_once
from app.engine.adapter.flat_adapter import AdapterInput
from app.engine.execution.attention import attention_in_chunks
from app.engine.execution.gradient_checkpointing import layers_recomputed
from app.engine.execution.losses import summed_loss
from app.engine.execution.sequence_packing import attention_within
from app.engine.execution.swiglu import lean_gating
from app.engine.model.language_model import LanguageModel
from app.engine.model.lm_head import Head
from app.engine.model.parameter_tree import put
from app.engine.runtime.arrays import ArrayMap
from app.engine.runtime.mlx_errors import NO_GRADIENTS, plain_model_faults
from app.engine.runtime.untyped import ArrayFunction

Objective = ArrayFunction
"""(model, head or None, *`loss_inputs`) → what is minimized, summed over the trained tokens."""


@dataclass(frozen=True)
class FastPaths:
    """Which of them a run takes, beside lean LoRA layers, which are the model's own matter."""

    head: Head | None = None
    """The loss in two halves; else it is computed from all logits."""
    recomputes_layers: bool = False
    cuts_attention: bool = True
    has_lean_gating: bool = True
    has_split_divergence: bool = True
    """Whether the slow clock's divergence is computed in two halves too."""


def gradient_function(
    model: LanguageModel,
    fast: FastPaths,
    adapter_input: AdapterInput,
    paths: Collection[str],
    packed_lengths: tuple[int, ...],
    objective: Objective = summed_loss,
) -> Callable[..., tuple[mx.array, ArrayMap]]:
    """(tiers' vectors, *`loss_inputs`) → the summed loss, and by path the gradients at `paths`.

    `objective` is summed over the trained tokens instead of the cross-entropy. The backward pass
    ends at the lowest of `paths`.
    """
    names = dict.fromkeys(paths).keys()

    def loss_of(parameters: ArrayMap, *inputs: mx.array) -> mx.array:
        put(model, parameters)
        with layers_recomputed(model, fast.recomputes_layers, names):
            return objective(model, fast.head, *inputs)

    def gradients(vectors: Sequence[mx.array], *inputs: mx.array) -> tuple[mx.array, ArrayMap]:
        with ExitStack() as on:
            on.enter_context(plain_model_faults(NO_GRADIENTS))
            given = on.enter_context(adapter_input.given(vectors))
            if not names:
                with attention_within(packed_lengths):
                    return loss_of({}, *inputs), {}
            # The backward pass too, which calls recomputed layers again. Examples are told
            # apart first, and each one's attention is cut into chunks then.
            if fast.cuts_attention:
                on.enter_context(attention_in_chunks())
            on.enter_context(attention_within(packed_lengths))
            on.enter_context(gradients_at_once(model, names))
            if fast.has_lean_gating:
                on.enter_context(lean_gating(model))
            asked = {path: given[path] for path in names}
            return mx.value_and_grad(loss_of)(asked, *inputs)

    return gradients
