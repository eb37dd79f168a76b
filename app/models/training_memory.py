"""Estimates the memory for training from the shapes of a model's weights, fast enough for a list
of hundreds, and rates how well a model fits: fits, tight, or won't fit.

A run's estimate (`app.engine.memory`) traces the model's code with the run's settings and data.
Compared with it, this estimate is 0 to 45 % higher for 12 architectures with 0.1 to 30 billion
parameters (tests/models/test_training_memory.py).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.core.config.adapter import AdapterSettings
from app.core.events import MemoryVerdict
from app.models.model_folder import (
    LAYER_OF_TENSOR,
    NOT_OF_TEXT,
    context_length,
    count_in,
    embedding_rows,
)
from app.models.weights import Tensor

USUAL_ROWS, ROW_TOKENS = 4, 512
"""The usual batch that a model is rated by; the smallest is one row with gradient checkpointing."""


@dataclass(frozen=True)
class TrainingMemory:
    """Peak memory of a LoRA run on all layers with the default rank, in bytes."""

    smallest_bytes: int
    """For one row at a time with gradient checkpointing."""
    usual_bytes: int
    """For batches of four rows without gradient checkpointing."""
    tokens: int = ROW_TOKENS
    """Tokens of each row."""

    def verdict(self, available_bytes: int) -> MemoryVerdict:
        if self.smallest_bytes > available_bytes:
            return "won't fit"
        return "fits" if self.usual_bytes <= available_bytes else "tight"


_ADAPTER_BYTES = 4 * 5
"""Bytes per number of the adapter: itself, its start, both moments and the pending gradient."""
_UPDATE_BYTES = 42
"""Bytes per number of the adapter during the update and its verification."""
_ACTIVATIONS = 2.05
"""Copies of a layer's inputs and outputs kept for the backward pass; measured as 1.5 to 2."""
_LOSS_ROWS = 1200
"""Rows of float32 logits in memory at once."""
_RECOMPUTED_LAYERS = 4
_EXPERT = re.compile(r"\.experts\.\d+\.")
_EXPERTS = ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts")
_CHOSEN = ("num_experts_per_tok", "num_experts_per_token", "moe_topk", "moe_top_k", "top_k")
_HIDDEN = ("hidden_size", "n_embd", "d_model", "dim")


def training_memory(
    tensors: Mapping[str, Tensor], numbers: Mapping[str, int], config: Mapping[str, Any]
) -> TrainingMemory | None:
    """The memory for training; None if no layers are found.

    `numbers` maps each tensor to its number of parameters, as from `parameter_counts`.
    """
    layers = _Layers(count_in(config, _EXPERTS), count_in(config, _CHOSEN))
    for name, tensor in tensors.items():
        match = LAYER_OF_TENSOR.search(name)
        if match and name in numbers and len(tensor.shape) > 1 and not NOT_OF_TEXT.search(name):
            layers.add(int(match[1][:9]), name, tensor.shape, numbers[name])
    if not layers.widths:
        return None
    shapes = {name: tensor.shape for name, tensor in tensors.items()}
    tokens = min(ROW_TOKENS, context_length(config, shapes) or ROW_TOKENS)
    item_bytes = _item_bytes(tensors)
    adapter = AdapterSettings().rank * layers.adapted
    resident = sum(tensor.size_bytes for tensor in tensors.values()) + _ADAPTER_BYTES * adapter
    update = _UPDATE_BYTES * adapter
    vocabulary = embedding_rows(shapes) or count_in(config, ("vocab_size",)) or 0
    loss = 4 * _LOSS_ROWS * vocabulary
    between = tokens * (count_in(config, _HIDDEN) or 0) * len(layers.widths)
    layer = _RECOMPUTED_LAYERS * tokens * max(layers.widths.values())
    smallest = item_bytes * int(between + layer) + loss
    kept = USUAL_ROWS * tokens * sum(layers.widths.values())
    default = int(_ACTIVATIONS * item_bytes * kept) + loss
    return TrainingMemory(
        resident + max(smallest, update), resident + max(default, smallest, update), tokens
    )


class _Layers:
    def __init__(self, experts: int | None, chosen: int | None) -> None:
        self._experts, self._chosen = experts, chosen
        """Experts in a layer, and the experts used per token."""
        self.widths: dict[int, float] = {}
        """Layer → the total size of its modules' inputs and outputs per token."""
        self.adapted = 0
        """The number of parameters of an adapter of rank 1 on all layers."""

    def add(self, layer: int, name: str, shape: tuple[int, ...], numbers: int) -> None:
        """Add one module's weight, or a tensor with the weights of all experts."""
        *stacked, outputs, _ = shape
        copies = stacked[0] if stacked else 1
        if not outputs * copies:
            return
        width = outputs + numbers // (outputs * copies)
        self.adapted += width * copies
        self.widths[layer] = self.widths.get(layer, 0.0) + width * self._used(name, copies, stacked)

    def _used(self, name: str, copies: int, stacked: list[int]) -> float:
        """How many of a module's copies are used per token; for a single expert, its share."""
        if stacked:
            return min(copies, self._chosen or copies)
        if self._experts and self._chosen and _EXPERT.search(name):
            return self._chosen / self._experts
        return 1.0


def _item_bytes(tensors: Mapping[str, Tensor]) -> int:
    """Bytes per number of activations, which have the dtype of the weights that are not packed."""
    floats = {"F32": 0, "BF16": 0, "F16": 0}
    for tensor in tensors.values():
        if tensor.dtype in floats:
            floats[tensor.dtype] += tensor.size_bytes
    return 4 if max(floats, key=lambda dtype: floats[dtype]) == "F32" else 2
