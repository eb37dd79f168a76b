"""The layout of a run's batches: chosen at its start, saved in its manifest, and kept on resume.

Examples are packed if that is faster and the model gives the same outputs. On a CUDA GPU it is not
faster (tests/benchmarks/README.md): attention in a packed row takes several kernel launches, which
cost more than the padding that packing saves.
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
"""The most shapes of the early rows' batches if shapes are traced; the other rows add theirs."""


@dataclass(frozen=True)
class BatchLayout:
    """The settings that, with data and seed, decide which examples share a batch, and how."""

    batch_size: int
    is_packed: bool
    has_free_shapes: bool
    is_evenly_mixed: bool = True
    """Whether an epoch takes a systematic sample of each mixed dataset instead of a random one."""
    early_rows: int = 0
    """The rows with which the first epoch of a large dataset begins; 0 for all."""
    splits_large: bool = False
    """Whether batches far above the mean size are split into micro-batches."""
    validation_share: float = 0.08
    """Rows that validations read per row trained."""

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
        """The batches that a run trains on; only the early rows' until the others are tokenized."""
        if not len(rows.early):
            return TrainingBatchLoader(None, self.batches(rows.train, vocabulary))
        most = MAX_SHAPES if self.has_free_shapes else EARLY_SHAPES
        early = self.batches(rows.train.part(rows.early), vocabulary, most)
        others = np.delete(np.arange(len(rows.train)), rows.early)
        if rows.later or not len(others):
            return TrainingBatchLoader(early, None)
        return TrainingBatchLoader(early, self.batches(rows.train.part(others), vocabulary))

    def data(self) -> dict[str, object]:
        """The layout as the manifest stores it."""
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
    """Choose the layout, check sequence packing, and log the choice.

    A resumed run keeps the layout of its manifest `saved`. Raises InputError if it has none.
    """
    batch_size = settings.batch_size
    chosen = saved_layout(saved) if saved else default_layout(batch_size, settings.early_rows)
    if not chosen.is_packed:
        yield LogMessage(_OF_ONE if batch_size == 1 else _FASTER_APART)
        return TriedLayout(chosen, supports_packing=None)
    yield StageChanged(mark("Checking whether examples can be packed"))
    if len(rows.early):
        # Try the length limit, which a row that is not tokenized yet can have. The result is then
        # the same once all rows are tokenized.
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


_SHARED = "Sequence packing is on: this model's outputs are the same packed as unpacked."
_APART = "Sequence packing is off: this model's outputs differ for packed examples."
_APART_FROM_HERE_ON = (
    "This run began with sequence packing, but now this model's outputs differ for packed "
    "examples. The rest of the run has one row per example, and its batches come in another order."
)
_FASTER_APART = "Sequence packing is off: each example has its own row."
_OF_ONE = "Sequence packing is off: each batch has one example."


def default_validation_share() -> float:
    """Rows that validations read per row trained; the last validation may read as many again.

    Where matrix products dominate, a forward pass is a third of a step's cost. On an x86 CPU it is
    more: exponentials are slow there, and the backward pass has none.
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
    """The layout in a run's manifest. Raises InputError if it has none."""
    data = manifest.get("batching")
    try:
        return BatchLayout(**data)  # type: ignore[arg-type]
    except TypeError:
        raise InputError(f"The run's batches can't be read: {data}.") from None
