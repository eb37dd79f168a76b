"""Probes a loaded model before its run: its structure, and which fast paths compute it correctly.

The findings are saved in the run's manifest. Nothing here depends on the architecture.
"""

from collections.abc import Callable, Generator, Mapping
from dataclasses import asdict, dataclass, replace

from app.core.events import Event, LogMessage, StageChanged
from app.core.text.translation import mark
from app.data.training_set.training_data import DataSettings, TrainingData
from app.engine.adapter.flat_adapter import activation_dtype
from app.engine.audit.fast_path_comparison import compare_with_own_code
from app.engine.execution.batch_layout import BatchLayout, choose_batch_layout
from app.engine.execution.model_execution import FastPaths
from app.engine.model.language_model import LanguageModel
from app.engine.model.lm_head import split_model, vocabulary_of
from app.engine.model.model_structure import find_layers_path
from app.engine.tiers.plan import TierPlan

TRAITS_KEY = "model_traits"
"""The key of the traits in a run's manifest."""


@dataclass(frozen=True)
class ModelTraits:
    """The findings of a probe, as plain values."""

    layers_path: str | None
    """Dotted path of the model's list of layers."""
    trunk_path: str | None
    """Dotted path of the module that outputs hidden states; None if the loss needs all logits."""
    vocabulary: int
    """Number of logits per token."""
    activation_dtype: str | None
    """Dtype of the adapted modules' inputs; None if it varies or is not wide enough."""
    supports_packing: bool | None
    """None if packing was not tried because every example has its own row."""
    left_out: tuple[str, ...]
    """Names of the fast paths whose results differ from the model's own code."""
    was_compared: bool
    """False if the model's own gradients were not finite in the trial."""

    def data(self) -> dict[str, object]:
        """The traits as the manifest stores them."""
        return asdict(self) | {"left_out": list(self.left_out)}


@dataclass(frozen=True)
class Probed:
    traits: ModelTraits
    fast: FastPaths
    """The fast paths that the run uses."""
    batching: BatchLayout


def probing(
    model: LanguageModel,
    make_plan: Callable[[], TierPlan],
    rows: TrainingData,
    settings: DataSettings,
    longest: int,
    *,
    recomputes_layers: bool,
    saved: Mapping[str, object] | None = None,
) -> Generator[Event, None, Probed]:
    """Try `model`, which carries its adapter, with rows like those of its run.

    `longest` is the longest row's length in tokens; `saved` is the manifest of a resumed run. The
    model is unchanged afterwards, except that efficient LoRA layers become mlx-lm's if their
    gradients differ. Raises InputError for a model that can't be trained.
    """
    head = split_model(model)
    tried = yield from choose_batch_layout(model, head, rows, settings, saved)
    yield StageChanged(mark("Checking gradients against the model's own code"))
    requested = FastPaths(head, recomputes_layers, is_packed=tried.batching.is_packed)
    compared = compare_with_own_code(model, make_plan(), requested, longest - 1)
    if not compared.is_finite:
        yield LogMessage(_NOT_COMPARED, is_warning=True)
    for name in compared.left_out:
        yield LogMessage(f"Left out, because it changes this model's gradients: {name}.", True)
    head = compared.fast.head
    dtype = activation_dtype(model)
    traits = ModelTraits(
        layers_path=find_layers_path(model),
        trunk_path=head.trunk_path if head else None,
        vocabulary=vocabulary_of(model, head),
        activation_dtype=None if dtype is None else str(dtype),
        supports_packing=tried.supports_packing,
        left_out=compared.left_out,
        was_compared=compared.is_finite,
    )
    batching = replace(tried.batching, is_packed=compared.fast.is_packed)
    return Probed(traits, compared.fast, batching)


_NOT_COMPARED = (
    "The model's own gradients were not finite in a trial, so the faster ways to compute them "
    "could not be compared with its own code."
)
