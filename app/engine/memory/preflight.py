"""Estimates the tiers and the memory of a run before it starts, also while settings are edited."""

from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import replace

import mlx.core as mx
import mlx.nn as nn

from app.core.config.training_config import TrainingConfig
from app.core.errors import AppError
from app.core.events import Event, LogMessage, MemoryEstimated, StageChanged, TierFacts
from app.core.system.interruption import StoppedEarly, interruptible
from app.core.text.translation import mark
from app.core.wording.memory import NO_ESTIMATE
from app.engine.adapter.adapter import adapted_layer_count, add_adapter
from app.engine.batches.batches import BatchShape
from app.engine.memory.estimate import Advisor, MemoryNeed, memory_need
from app.engine.model.language_model import LanguageModel
from app.engine.model.loading import load_architecture
from app.engine.model.model_structure import trainable_parameters
from app.engine.runtime.mlx_runtime import available_bytes, uses_compile
from app.engine.tiers.assignment import make_plan
from app.engine.tiers.plan_summary import tier_facts
from app.models.model_folder import folder_limits

SMALL_SHARE = 0.02
"""Weights below this share of the memory load faster than an estimate takes."""
FOUR_BITS_GROUP = 64
"""mlx-lm's group size for 4 bits: the weights that share a scale."""


def preview_tiers(config: TrainingConfig) -> tuple[TierFacts, ...]:
    """The parameters of each tier of `config`, without reading weights. Raises AppError.

    For assignment by importance, the data decides when the run starts: counts are approximate, and
    layers are left out.
    """
    model = load_architecture(config.checked().model)
    add_adapter(model, config)
    parameters = trainable_parameters(model)
    facts = tier_facts(make_plan(parameters, config), parameters)
    if config.assign != "importance":
        return facts
    description = "roughly; your data decides"
    return tuple(replace(fact, layers=(), description=description) for fact in facts)


def estimate_memory(
    config: TrainingConfig,
    longest: int | None = None,
    shapes: Iterable[BatchShape] = (),
    *,
    is_bound: bool = False,
    should_stop: Callable[[], bool] = lambda: False,
    model: LanguageModel | None = None,
) -> MemoryEstimated | None:
    """The memory that `config` needs, without reading weights; None if the model can't be traced.

    `model` carries its adapter; None if it isn't loaded. `shapes` are the run's batch shapes. If
    they are unknown, every row has the length of the `longest` example, or the length limit if that
    is unknown too. `is_bound` says that batches may be smaller than the shapes. Raises AppError as
    loading does, and StoppedEarly once `should_stop` returns True.
    """
    traced = model or _adapted(config.checked())
    limit = folder_limits(config.model).row_limit(config.max_seq_length)
    config = replace(config, max_seq_length=limit)
    length = min(longest or limit, limit)
    shapes = list(shapes)
    is_bound = is_bound or (longest is None and not shapes)
    shapes = shapes or [BatchShape((length,) * config.batch_size)]
    available = available_bytes()

    def need(changed: TrainingConfig, shape: BatchShape, four_bits: bool = False) -> MemoryNeed:
        if should_stop():
            raise StoppedEarly
        is_same = changed.num_layers == config.num_layers and not four_bits
        other = traced if is_same else _adapted(changed, four_bits)
        with interruptible:
            return memory_need(other, changed, shape)

    try:
        # Attention grows with the square of the longest row, everything else with the cells.
        largest = {max(shapes, key=lambda s: s.cells), max(shapes, key=lambda s: s.longest)}
        needs = {shape: need(config, shape) for shape in largest}
        shape, needed = max(needs.items(), key=lambda item: item[1].peak_bytes)
        verdict = needed.verdict(available)
        layers = adapted_layer_count(traced, config)
        advisor = Advisor(config, shape, layers, needed, need, available)
        advice = () if verdict == "fits" else advisor.advice()
    except AppError:
        raise
    except Exception:  # third-party model code, or an operation that MLX can't export
        return None
    return MemoryEstimated(
        model_bytes=needed.model_bytes,
        adapter_bytes=needed.adapter_bytes,
        work_bytes=needed.work_bytes,
        cache_bytes=needed.cache_bytes,
        peak_bytes=needed.peak_bytes,
        available_bytes=available,
        length=shape.size[1],
        is_bound=is_bound,
        verdict=verdict,
        advice=advice,
    )


def early_memory_warning(
    config: TrainingConfig, should_stop: Callable[[], bool] = lambda: False
) -> Iterator[Event]:
    """Yields an estimate before anything large is loaded, if the run may not fit.

    Skips small models: they load quickly, and a better estimate follows.
    """
    weights = sum(file.stat().st_size for file in config.model.glob("*.safetensors"))
    if weights < SMALL_SHARE * available_bytes():
        return
    yield StageChanged(mark("Estimating the memory"))
    estimate = estimate_memory(config, should_stop=should_stop)
    if estimate is not None and estimate.verdict != "fits":
        yield estimate


def memory_estimate(
    config: TrainingConfig,
    shapes: Iterable[BatchShape],
    should_stop: Callable[[], bool] = lambda: False,
    model: LanguageModel | None = None,
) -> Generator[Event, None, None]:
    """Yields the estimate for batches of these shapes, or a message that there is none; `model`
    carries its adapter.

    On the CPU, also limits MLX's cache to the estimate. Batches of different lengths free buffers
    of different sizes, so the cache would grow to CACHE_LIMIT_BYTES with any model.
    """
    estimate = estimate_memory(config, shapes=shapes, should_stop=should_stop, model=model)
    if estimate is not None and not uses_compile():
        mx.set_cache_limit(estimate.cache_bytes)
    yield estimate or LogMessage(NO_ESTIMATE)


def _adapted(config: TrainingConfig, four_bits: bool = False) -> LanguageModel:
    model = load_architecture(config.model)
    if four_bits:
        nn.quantize(model, FOUR_BITS_GROUP, bits=4, class_predicate=_can_be_quantized)
    add_adapter(model, config)
    return model


def _can_be_quantized(_: str, module: nn.Module) -> bool:
    return hasattr(module, "to_quantized") and module.weight.shape[-1] % FOUR_BITS_GROUP == 0
