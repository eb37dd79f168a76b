"""The layout of a run's batches: chosen at its start, kept in its manifest, followed on resume.

Examples share a row where the model was seen to bear it and that is faster. It is not on a CUDA GPU
(tests/benchmarks/README.md): there each launch costs more than the padding it saves, and a packed
row's attention takes several.
"""

from collections.abc import Generator, Mapping
from dataclasses import asdict, dataclass, replace

import numpy as np

from app.core.errors import InputError
from app.core.events import Event, LogMessage, StageChanged
from app.core.text.translation import mark
from app.data.tokens.token_view import TokenView
from app.data.training_set.training_data import DataSettings, TrainingData
from app.engine.batches.batches import MAX_SHAPES, BatchLoader
from app.engine.batches.training_batches import TrainingBatchLoader
from app.engine.execution.sequence_packing import supports_packing
from app.engine.model.language_model import LanguageModel
from app.engine.model.lm_head import SplitModel
from app.engine.runtime.mlx_runtime import has_fused_attention_gradient, uses_compile

EARLY_SHAPES = 8
"""Of the early rows' batches, where a shape is traced: the others have theirs beside them."""


@dataclass(frozen=True)
class BatchLayout:
    """The settings that decide, with data and seed, which examples share a batch, and how."""

    batch_size: int
    is_packed: bool
    has_free_shapes: bool
    is_evenly_mixed: bool = True
    """An epoch takes an even sample of each mixed dataset, not one by chance."""
    early_rows: int = 0
    """The rows with which the first epoch of a large dataset begins; 0 for all."""
    splits_large: bool = False
    """Gradients of batches far above the mean are computed in parts."""
    validation_share: float = 0.08
    """Of the rows trained, the share that validations read."""

    def batches(
        self, view: TokenView, vocabulary: int | None = None, most_shapes: int = MAX_SHAPES
    ) -> BatchLoader:
        return BatchLoader(
            view,
            self.batch_size,
            is_packed=self.is_packed,
            has_free_shapes=self.has_free_shapes,
            splits_large=self.splits_large,
            vocabulary=vocabulary,
            most_shapes=most_shapes,
        )

    def training(self, rows: TrainingData, vocabulary: int | None = None) -> TrainingBatchLoader:
        """The batches that a run trains on; only those of early rows while others are no tokens."""
        if not len(rows.early):
            return TrainingBatchLoader(None, self.batches(rows.train, vocabulary))
        most = MAX_SHAPES if self.has_free_shapes else EARLY_SHAPES
        early = self.batches(rows.train.part(rows.early), vocabulary, most)
        others = np.delete(np.arange(len(rows.train)), rows.early)
        if rows.later or not len(others):
            return TrainingBatchLoader(early, None)
        return TrainingBatchLoader(early, self.batches(rows.train.part(others), vocabulary))

    def data(self) -> dict[str, object]:
        """As the manifest keeps it."""
        return asdict(self)


@dataclass(frozen=True)
class TriedLayout:
    batching: BatchLayout
    supports_packing: bool | None
    """Whether the model gives the same outputs packed as unpacked; None if not checked."""


def choose_batch_layout(
    model: LanguageModel,
    head: SplitModel | None,
    rows: TrainingData,
    settings: DataSettings,
    saved: Mapping[str, object] | None = None,
) -> Generator[Event, None, TriedLayout]:
    """Try the model and log the choice; a run that resumes keeps that of its manifest `saved`."""
    batch_size = settings.batch_size
    chosen = saved_layout(saved) if saved else default_layout(batch_size, settings.early_rows)
    if not chosen.is_packed:
        yield LogMessage(_OF_ONE if batch_size == 1 else _FASTER_APART)
        return TriedLayout(chosen, supports_packing=None)
    yield StageChanged(mark("Checking whether examples can be packed"))
    if len(rows.early):
        # The same trial whether the others are tokens or not; one of them may be that long.
        shapes = [
            shape.with_longest(settings.max_seq_length)
            for shape in chosen.training(rows).early_shapes
        ]
    else:
        views = [view for view in (rows.train, *(part.valid for part in rows.parts)) if len(view)]
        shapes = [shape for view in views for shape in chosen.batches(view).shapes]
    if supports_packing(model, head, shapes):
        yield LogMessage(_SHARED)
        return TriedLayout(chosen, supports_packing=True)
    yield LogMessage(_APART_FROM_HERE_ON, is_warning=True) if saved else LogMessage(_APART)
    return TriedLayout(replace(chosen, is_packed=False), supports_packing=False)


_SHARED = "The examples of a batch share one row, and none affects another."
_APART = "Each example has a row of its own: this model computes something else in a packed row."
_APART_FROM_HERE_ON = (
    "Examples shared rows when this run began; this model computes something else in a packed row, "
    "so from here on each has a row of its own, in batches of another order."
)
_FASTER_APART = "Each example has a row of its own."
_OF_ONE = "Each batch is one example."


def default_validation_share() -> float:
    """Of the rows trained, the share that validations read, and once more at the end.

    A forward pass is a third of a step's cost where matrix products are most of it, and all of it
    on an x86 CPU: exponentials are slow there, and the backward pass has none.
    """
    return 0.05 if uses_compile() else 0.03


def default_layout(batch_size: int, early_rows: int = 0) -> BatchLayout:
    """The fastest layout on this machine, if the model supports it."""
    is_packed = batch_size > 1 and not has_fused_attention_gradient()
    return BatchLayout(
        batch_size,
        is_packed,
        not uses_compile(),
        early_rows=early_rows,
        splits_large=True,
        validation_share=default_validation_share(),
    )


def saved_layout(manifest: Mapping[str, object]) -> BatchLayout:
    """Raises InputError where the manifest has none."""
    data = manifest.get("batching")
    try:
        return BatchLayout(**data)  # type: ignore[arg-type]
    except TypeError:
        raise InputError(f"The run's batches can't be read: {data}.") from None
