"""Rates how well a model fits into memory for training: fits, tight, or won't fit."""

from dataclasses import dataclass

from app.core.events import MemoryVerdict

USUAL_ROWS, ROW_TOKENS = 4, 512
"""The batch that a model is rated by; the smallest is one such row with layers recomputed."""


@dataclass(frozen=True)
class TrainingMemory:
    """Bytes at the peak of a LoRA run on all layers, with the adapter's usual rank."""

    smallest_bytes: int
    """One row at a time, gradient checkpointing."""
    usual_bytes: int
    """Batches of four rows, all activations kept."""
    tokens: int = ROW_TOKENS
    """Of each row."""

    def verdict(self, available_bytes: int) -> MemoryVerdict:
        if self.smallest_bytes > available_bytes:
            return "won't fit"
        return "fits" if self.usual_bytes <= available_bytes else "tight"
