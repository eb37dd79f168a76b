"""Probes a loaded model before its run: its structure, and the fast paths that are right for it.

One probe, whose findings are frozen and kept in the run's manifest. Knows no architecture.
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
"""Their place in a run's manifest."""


@dataclass(frozen=True)
class ModelTraits:
    """The findings of a probe, in plain values."""

    layers_path: str | None
    """Dotted path of the list of its layers."""
    trunk_path: str | None
    """Of the module that gives hidden states; None where the loss is computed from all logits."""
    vocabulary: int
    """Tokens that it has logits for."""
    activation_dtype: str | None
    """Of what goes into the adapted modules, where it is one and wide enough; else None."""
    supports_packing: bool | None
    """None where it was not tried, as examples have rows of their own anyway."""
    left_out: tuple[str, ...]
    """Names of the fast paths that computed something else than the model's own code."""
    was_compared: bool
    """False where the model's own gradients were not finite in the trial."""

    def data(self) -> dict[str, object]:
        """As the manifest keeps them."""
        return asdict(self) | {"left_out": list(self.left_out)}


@dataclass(frozen=True)
class Probed:
    traits: ModelTraits
    fast: FastPaths
    """The fast paths that the run takes."""
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

    `longest` is how many tokens the longest row has; `saved` is the manifest of a run that
    resumes. The model stays as it is, but for lean LoRA layers that are left out. Raises InputError
    for a model that can't be trained.
    """
    head = split_model(model)
    tried = yield from choose_batch_layout(model, head, rows, settings, saved)
    yield StageChanged(mark("Checking gradients against the model's own code"))
    requested = FastPaths(head, recomputes_layers, is_packed=tried.batching.is_packed)
    found = compare_with_own_code(model, make_plan(), requested, longest - 1)
    if not found.is_finite:
        yield LogMessage(_NOT_COMPARED, is_warning=True)
    for name in found.left_out:
        yield LogMessage(f"Left out, because it changes this model's gradients: {name}.", True)
    head = found.fast.head
    dtype = activation_dtype(model)
    traits = ModelTraits(
        layers_path=find_layers_path(model),
        trunk_path=head.trunk_path if head else None,
        vocabulary=vocabulary_of(model, head),
        activation_dtype=None if dtype is None else str(dtype),
        supports_packing=tried.supports_packing,
        left_out=found.left_out,
        was_compared=found.is_finite,
    )
    batching = replace(tried.batching, is_packed=found.fast.is_packed)
    return Probed(traits, found.fast, batching)


_NOT_COMPARED = (
    "The model's own gradients were not finite in a trial, so the faster ways to compute them "
    "could not be compared with its own code."
)
