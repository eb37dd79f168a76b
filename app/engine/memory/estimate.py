"""The memory that a run needs: base model, adapter, optimizer, and the work on one batch."""

from dataclasses import dataclass

from app.core.config.training_config import TrainingConfig
from app.core.events import MemoryVerdict
from app.engine.batches.batches import BatchShape
from app.engine.memory.step_trace import step_bytes
from app.engine.model.language_model import LanguageModel
from app.engine.model.parameter_tree import parameters, trainable_parameters
from app.engine.runtime.mlx_runtime import CACHE_LIMIT_BYTES, uses_compile

KEPT_COPIES = 4
"""Of the adapter's numbers, beside the adapter: both moments, pending gradients, the start."""
UPDATE_COPIES = 10.5
"""The same while the update and its proof run, gradients included; measured on the CPU."""
CPU_CACHE_SHARE = 0.1
"""Of the work. With 0 to 1 a step took equally long on 16 cores; the process grew by as much."""
DOUBT = 1.2
"""How far an estimate may be off."""


@dataclass(frozen=True)
class MemoryNeed:
    """Bytes of a run's largest batch; `peak_bytes` is what MLX's own counter should show."""

    model_bytes: int
    adapter_bytes: int
    """The adapter, its start, and what the optimizer remembers of it."""
    work_bytes: int
    """Activations, loss and gradients of one batch, or the update if that takes more."""

    @property
    def peak_bytes(self) -> int:
        return self.model_bytes + self.adapter_bytes + self.work_bytes

    @property
    def cache_bytes(self) -> int:
        """Freed memory that MLX may keep beside the peak; it gives it back when memory is short."""
        share = 1.0 if uses_compile() else CPU_CACHE_SHARE
        return min(CACHE_LIMIT_BYTES, int(share * self.work_bytes))

    def verdict(self, available_bytes: int) -> MemoryVerdict:
        if self.peak_bytes > available_bytes:
            return "won't fit"
        # A GPU's cache is given back only once an allocation has failed.
        kept = self.cache_bytes if uses_compile() else 0
        roomy = max(DOUBT * self.peak_bytes, self.peak_bytes + kept)
        return "fits" if roomy <= available_bytes else "tight"


def memory_need(model: LanguageModel, config: TrainingConfig, shape: BatchShape) -> MemoryNeed:
    """The need of `config` with batches of this shape; `model` carries its adapter.

    Raises ValueError or RuntimeError for a model whose code can't be traced.
    """
    adapter = sum(array.size * 4 for array in trainable_parameters(model).values())
    whole = sum(array.nbytes for array in parameters(model).values())
    own = sum(array.nbytes for array in trainable_parameters(model).values())
    batch = step_bytes(model, shape, recompute=config.grad_checkpoint)
    if config.grad_accumulation_steps > 1:
        batch += adapter  # the sum so far
    return MemoryNeed(
        model_bytes=whole - own,
        adapter_bytes=own + KEPT_COPIES * adapter,
        work_bytes=max(batch, int(UPDATE_COPIES * adapter)),
    )
