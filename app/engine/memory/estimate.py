"""Estimates the memory of a run (base model, adapter, optimizer state, work on one batch), and
finds changes of settings that make it fit.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from app.core.config.training_config import TrainingConfig
from app.core.errors import AppError
from app.core.events import MemoryAdvice, MemoryVerdict
from app.core.system.interruption import StoppedEarly
from app.engine.batches.batches import BatchShape
from app.engine.memory.step_trace import step_bytes
from app.engine.model.language_model import LanguageModel
from app.engine.model.model_structure import parameters, trainable_parameters
from app.engine.runtime.mlx_runtime import CACHE_LIMIT_BYTES, uses_compile

KEPT_COPIES = 4
"""Copies of the adapter kept beside it: both moments, pending gradients, the start."""
UPDATE_COPIES = 10.5
"""Copies during the update and its verification, including gradients; measured on the CPU."""
SLOW_COPIES, SLOW_UPDATE = 2, 2.25
"""Copies for both moments of the slow clock's own AdamW; further copies of each in the update."""
CPU_CACHE_SHARE = 0.1
"""MLX's cache on the CPU, relative to the work. From 0 to 1, a step took equally long on 16 cores,
and the process grew by the cache's size."""
DOUBT = 1.2
"""Safety factor on an estimate."""


@dataclass(frozen=True)
class MemoryNeed:
    """The memory of a run at its largest batch; `peak_bytes` predicts `mx.get_peak_memory()`."""

    model_bytes: int
    adapter_bytes: int
    """The adapter, its start, and its optimizer state."""
    work_bytes: int
    """Activations, loss and gradients of one batch, or the update if that takes more."""

    @property
    def peak_bytes(self) -> int:
        return self.model_bytes + self.adapter_bytes + self.work_bytes

    @property
    def cache_bytes(self) -> int:
        """Freed memory that MLX may keep in its cache; it returns it when memory is short."""
        share = 1.0 if uses_compile() else CPU_CACHE_SHARE
        return min(CACHE_LIMIT_BYTES, int(share * self.work_bytes))

    def verdict(self, available_bytes: int) -> MemoryVerdict:
        if self.peak_bytes > available_bytes:
            return "won't fit"
        # On a GPU, MLX empties its cache only after an allocation fails.
        kept = self.cache_bytes if uses_compile() else 0
        with_margin = max(DOUBT * self.peak_bytes, self.peak_bytes + kept)
        return "fits" if with_margin <= available_bytes else "tight"


def memory_need(model: LanguageModel, config: TrainingConfig, shape: BatchShape) -> MemoryNeed:
    """The memory of `config` with batches of this shape; `model` carries its adapter.

    Raises ValueError or RuntimeError for a model whose code can't be traced.
    """
    in_float32 = sum(array.size * 4 for array in trainable_parameters(model).values())
    whole = sum(array.nbytes for array in parameters(model).values())
    adapter = sum(array.nbytes for array in trainable_parameters(model).values())
    batch = step_bytes(model, shape, recompute=config.grad_checkpoint)
    if config.grad_accumulation_steps > 1:
        batch += in_float32  # the accumulated gradient
    slow = SLOW_COPIES if config.slow_adamw_rate else 0
    return MemoryNeed(
        model_bytes=whole - adapter,
        adapter_bytes=adapter + (KEPT_COPIES + slow) * in_float32,
        work_bytes=max(batch, int((UPDATE_COPIES + SLOW_UPDATE * slow) * in_float32)),
    )


SHORTEST = 128
"""Tokens; a shorter limit would truncate most examples."""

Need = Callable[[TrainingConfig, BatchShape, bool], MemoryNeed]
"""(config, batch shape, whether to quantize the base to 4 bits) → the memory needed."""


@dataclass(frozen=True)
class Change:
    """A change of settings that saves memory."""

    text: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    work_share: float = 0.0
    """At least this share of the work remains; a change that can't be enough is not estimated."""
    has_four_bits: bool = False

    def with_more(self, more: "Change") -> "Change":
        text = f"{self.text}, {more.text[0].lower()}{more.text[1:]}" if self.text else more.text
        has_four_bits = self.has_four_bits or more.has_four_bits
        return Change(text, self.settings | more.settings, 0.0, has_four_bits)


@dataclass(frozen=True)
class Advisor:
    """Finds changes that make a run fit into the available memory."""

    config: TrainingConfig
    shape: BatchShape
    """The shape of the largest batch."""
    layers: int
    """The number of adapted layers."""
    needed: MemoryNeed
    need: Need
    available_bytes: int

    def advice(self) -> tuple[MemoryAdvice, ...]:
        """Single changes that make the run fit, or else the first combination that does.

        Each kind of change contributes the smallest change that is enough. The two kinds that cost
        only time are also tried together; other kinds follow them.
        """
        kinds = self._kinds()
        recomputing, smaller, *_ = kinds
        both = [one.with_more(other) for one in recomputing for other in smaller]
        slower = self._each([recomputing, smaller]) or self._each([both])
        return (*slower, *self._each(kinds[2:])) or self._combined(kinds)

    def _each(self, kinds: list[list[Change]]) -> tuple[MemoryAdvice, ...]:
        return tuple(advice for kind in kinds if (advice := self._first(kind)))

    def _kinds(self) -> list[list[Change]]:
        """Kinds of changes, ordered by their cost for the user; in each kind, the smallest change
        first."""
        kinds = (self._recomputing, self._smaller, self._shorter, self._four_bits, self._fewer)
        return [list(kind()) for kind in kinds]

    def _first(self, kind: list[Change]) -> MemoryAdvice | None:
        return next((advice for change in kind if (advice := self._tried(change))), None)

    def _combined(self, kinds: list[list[Change]]) -> tuple[MemoryAdvice, ...]:
        combined = Change()
        for kind in filter(None, kinds):
            combined = combined.with_more(kind[-1])
            if advice := self._tried(combined):
                return (advice,)
        return ()

    def _tried(self, change: Change) -> MemoryAdvice | None:
        least = change.work_share * self.needed.work_bytes / DOUBT
        changed = replace(self.config, **change.settings)
        if least > self.available_bytes or changed.problems():
            return None
        shape = self.shape.resized(changed.batch_size, changed.max_seq_length)
        try:
            needed = self.need(changed, shape, change.has_four_bits)
        except (AppError, StoppedEarly):
            raise
        except Exception:  # with these settings, the model's code can't be traced
            return None
        if needed.verdict(self.available_bytes) != "fits":
            return None
        # A 4-bit base is another model, which no setting selects.
        settings = () if change.has_four_bits else tuple(change.settings.items())
        return MemoryAdvice(f"{change.text}.", settings, needed.peak_bytes)

    def _recomputing(self) -> Iterator[Change]:
        if not self.config.grad_checkpoint:
            yield Change("Gradient checkpointing", {"grad_checkpoint": True})

    def _smaller(self) -> Iterator[Change]:
        """Smaller batches with the same number of examples per step."""
        batch = self.config.batch_size
        for size in range(batch // 2, 0, -1):
            if batch % size == 0:
                count = self.config.grad_accumulation_steps * batch // size
                text = f"Batch size {size}, gradient accumulation {count}"
                settings = {"batch_size": size, "grad_accumulation_steps": count}
                yield Change(text, settings, size / batch)

    def _shorter(self) -> Iterator[Change]:
        limit = 1 << (self.shape.longest - 1).bit_length() >> 1
        while limit >= SHORTEST:
            share = (limit / self.shape.longest) ** 2  # as if all work were attention
            yield Change(f"Max length {limit:,} tokens", {"max_seq_length": limit}, share)
            limit //= 2

    def _four_bits(self) -> Iterator[Change]:
        yield Change("A 4-bit version of this base model", has_four_bits=True)

    def _fewer(self) -> Iterator[Change]:
        layers = self.layers
        while layers > 1:
            layers //= 2
            text = f"Adapter on the top {layers} layer{'s' if layers > 1 else ''} only"
            yield Change(text, {"num_layers": layers})
