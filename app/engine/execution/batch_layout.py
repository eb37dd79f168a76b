"""How a run's examples become batches: decided at its start, kept with it, and followed later.

Examples share a row where the model was seen to bear it and that is faster. It is not on a CUDA GPU
(tests/benchmarks/README.md): there each launch costs more than the padding it saves, and a packed
row's attention takes several.
"""

from collections.abc import Generator
from dataclasses import asdict, dataclass, replace

import numpy as np

from app.core.errors import InputError
from app.core.events import Event, LogMessage, StageChanged
from app.data.tokens.view import TokenView
from app.data.training_set.training_data import DataSettings, TrainingData
from app.engine.batches.batches import MAX_SHAPES, Batches
from app.engine.batches.training_batches import TrainingBatches
from app.engine.execution.sequence_packing import can_pack
from app.engine.model.language_model import LanguageModel
from app.engine.model.lm_head import Head
from app.engine.runtime.mlx_runtime import has_fused_attention_gradient, uses_compile

EARLY_SHAPES = 8
"""Of the early rows' batches, where a shape is traced: the others have theirs beside them."""


@dataclass(frozen=True)
class Batching:
    """What decides, beside data and seed, which examples share a batch, and how it is laid out."""

    batch_size: int
    is_packed: bool
    has_free_shapes: bool
    is_evenly_mixed: bool = True
    """An epoch takes an even sample of each mixed dataset, not one by chance as it once did."""
    early_rows: int = 0
    """Of a large dataset the first epoch begins with about so many; 0: it does not, as once."""

    def batches(
        self, view: TokenView, vocabulary: int | None = None, most_shapes: int = MAX_SHAPES
    ) -> Batches:
        return Batches(
            view,
            self.batch_size,
            is_packed=self.is_packed,
            has_free_shapes=self.has_free_shapes,
            vocabulary=vocabulary,
            most_shapes=most_shapes,
        )

    def training(self, rows: TrainingData, vocabulary: int | None = None) -> TrainingBatches:
        """Those that a run trains on, or of them the early ones where there are later rows."""
        if not len(rows.early):
            return TrainingBatches(None, self.batches(rows.train, vocabulary))
        most = MAX_SHAPES if self.has_free_shapes else EARLY_SHAPES
        early = self.batches(rows.train.part(rows.early), vocabulary, most)
        others = np.delete(np.arange(len(rows.train)), rows.early)
        if rows.later or not len(others):
            return TrainingBatches(early, None)
        return TrainingBatches(early, self.batches(rows.train.part(others), vocabulary))

    def data(self) -> dict[str, object]:
        """As the manifest keeps it."""
        return asdict(self)


@dataclass(frozen=True)
class TriedBatching:
    batching: Batching
    supports_packing: bool | None
    """Whether the model was seen to treat packed examples as if alone; None if not tried."""


def choosing_batching(
    model: LanguageModel,
    head: Head | None,
    rows: TrainingData,
    settings: DataSettings,
    saved: object = None,
) -> Generator[Event, None, TriedBatching]:
    """Try the model and say what is chosen; `saved` is what a run that goes on began with."""
    batch_size = settings.batch_size
    chosen = _saved(saved) if saved else fastest_batching(batch_size, settings.early_rows)
    if not chosen.is_packed:
        yield LogMessage(_OF_ONE if batch_size == 1 else _FASTER_APART)
        return TriedBatching(chosen, supports_packing=None)
    yield StageChanged("Checking whether examples can be packed")
    if len(rows.early):
        # The same trial whether the others are tokens or not; one of them may be that long.
        shapes = [
            shape.with_longest(settings.max_seq_length)
            for shape in chosen.training(rows).early_shapes
        ]
    else:
        views = [view for view in (rows.train, *(part.valid for part in rows.parts)) if len(view)]
        shapes = [shape for view in views for shape in chosen.batches(view).shapes]
    if can_pack(model, head, shapes):
        yield LogMessage(_SHARED)
        return TriedBatching(chosen, supports_packing=True)
    yield LogMessage(_APART_FROM_HERE_ON, is_warning=True) if saved else LogMessage(_APART)
    return TriedBatching(replace(chosen, is_packed=False), supports_packing=False)


_SHARED = "The examples of a batch share one row; the model was seen to treat each as if alone."
_APART = "Each example has a row of its own: in a shared one, this model would treat it otherwise."
_APART_FROM_HERE_ON = (
    "Examples shared rows when this run began; the model does not give them what it gives each "
    "alone, so from here on each has a row of its own, in batches of another order."
)
_FASTER_APART = "Each example has a row of its own."
_OF_ONE = "Each batch is one example."


def fastest_batching(batch_size: int, early_rows: int = 0) -> Batching:
    """What would be fastest on this machine, if the model bears it."""
    is_packed = batch_size > 1 and not has_fused_attention_gradient()
    return Batching(batch_size, is_packed, not uses_compile(), early_rows=early_rows)


def _saved(data: object) -> Batching:
    try:
        return Batching(**data)  # type: ignore[arg-type]
    except TypeError:
        raise InputError(
            f"The run says nothing about its batches that can be read: {data}."
        ) from None
