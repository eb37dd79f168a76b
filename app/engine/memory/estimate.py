"""The memory that a run needs (base model, adapter, optimizer, and the work on one batch), and
changes of settings that make it fit, each one estimated.
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
"""Of the adapter's numbers, beside the adapter: both moments, pending gradients, the start."""
UPDATE_COPIES = 10.5
"""The same while the update and its proof run, gradients included; measured on the CPU."""
SLOW_COPIES, SLOW_UPDATE = 2, 2.25
"""Both moments of the slow clock's own AdamW; how much more each takes during the update."""
CPU_CACHE_SHARE = 0.1
"""Of the work. With 0 to 1 a step took equally long on 16 cores; the process grew by as much."""
DOUBT = 1.2
"""How far an estimate may be off."""


@dataclass(frozen=True)
class MemoryNeed:
    """Bytes of a run's largest batch; `peak_bytes` is what MLX's own counter should show."""

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
        """Freed memory that MLX may keep beside the peak; it gives it back when memory is short."""
        share = 1.0 if uses_compile() else CPU_CACHE_SHARE
        return min(CACHE_LIMIT_BYTES, int(share * self.work_bytes))

    def verdict(self, available_bytes: int) -> MemoryVerdict:
        if self.peak_bytes > available_bytes:
            return "won't fit"
        # A GPU's cache is given back only once an allocation has failed.
        kept = self.cache_bytes if uses_compile() else 0
        with_margin = max(DOUBT * self.peak_bytes, self.peak_bytes + kept)
        return "fits" if with_margin <= available_bytes else "tight"


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
    slow = SLOW_COPIES if config.slow_adamw_rate else 0
    return MemoryNeed(
        model_bytes=whole - own,
        adapter_bytes=own + (KEPT_COPIES + slow) * adapter,
        work_bytes=max(batch, int((UPDATE_COPIES + SLOW_UPDATE * slow) * adapter)),
    )


SHORTEST = 128
"""Tokens; a shorter limit would cut most examples."""

Need = Callable[[TrainingConfig, BatchShape, bool], MemoryNeed]
"""Of a config, batches of this shape, and whether the base is made one of 4 bits."""


@dataclass(frozen=True)
class Change:
    text: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    work_share: float = 0.0
    """At least so much of the work remains: what can't be enough needs no estimate."""
    has_four_bits: bool = False

    def with_more(self, more: "Change") -> "Change":
        text = f"{self.text}, {more.text[0].lower()}{more.text[1:]}" if self.text else more.text
        has_four_bits = self.has_four_bits or more.has_four_bits
        return Change(text, self.settings | more.settings, 0.0, has_four_bits)


@dataclass(frozen=True)
class Advisor:
    config: TrainingConfig
    shape: BatchShape
    """Of the largest batch."""
    layers: int
    """How many carry an adapter."""
    needed: MemoryNeed
    need: Need
    available_bytes: int

    def advice(self) -> tuple[MemoryAdvice, ...]:
        """Single changes that make the run fit; where none does, the first pile of them that does.

        Of each kind of change the smallest that is enough. Two that cost only time are tried
        together before one that takes something from the run stands alone.
        """
        kinds = self._kinds()
        recomputing, smaller, *_ = kinds
        both = [one.with_more(other) for one in recomputing for other in smaller]
        slower = self._each([recomputing, smaller]) or self._each([both])
        return (*slower, *self._each(kinds[2:])) or self._combined(kinds)

    def _each(self, kinds: list[list[Change]]) -> tuple[MemoryAdvice, ...]:
        return tuple(advice for kind in kinds if (advice := self._first(kind)))

    def _kinds(self) -> list[list[Change]]:
        """Changes ordered by their cost for the user; in each kind the smallest first."""
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
        except Exception:  # trained that way, the model's code can't be traced
            return None
        if needed.verdict(self.available_bytes) != "fits":
            return None
        # A base of fewer bits is another model: no setting makes it.
        settings = () if change.has_four_bits else tuple(change.settings.items())
        return MemoryAdvice(f"{change.text}.", settings, needed.peak_bytes)

    def _recomputing(self) -> Iterator[Change]:
        if not self.config.grad_checkpoint:
            yield Change("Gradient checkpointing", {"grad_checkpoint": True})

    def _smaller(self) -> Iterator[Change]:
        """Smaller batches, with as many examples to a step as before."""
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
            share = (limit / self.shape.longest) ** 2  # all of it attention
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
