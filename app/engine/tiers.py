"""The tier plan: which trainable parameter belongs to which tier. A plan is data.

A module's `lora_a` and `lora_b` always go together. Every parameter has exactly one tier, and no
tier is empty.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.core.config import TierConfig, TrainingConfig
from app.core.errors import InputError
from app.core.events import TierFacts
from app.engine.lora import layer_index, module_path


@dataclass(frozen=True)
class TierPlan:
    """`tier_of` maps every trainable parameter's path to the index of its tier."""

    tiers: tuple[TierConfig, ...]
    tier_of: Mapping[str, int]

    def paths(self, tier: int) -> tuple[str, ...]:
        """The parameters of a tier, in the model's order."""
        return tuple(path for path, owner in self.tier_of.items() if owner == tier)

    def due(self, step: int) -> tuple[int, ...]:
        """Tiers that fire at optimizer step `step` (1-based)."""
        return tuple(k for k, tier in enumerate(self.tiers) if step % tier.period == 0)


def make_plan(parameters: Mapping[str, Any], config: TrainingConfig) -> TierPlan:
    """Sort `parameters` (dotted path → array) into the config's tiers.

    Raises InputError that names a tier which would hold nothing.
    """
    group = {"depth": _by_depth, "module": _by_module}[config.assign]
    tier_of_group = group(list(parameters), config)
    plan = TierPlan(config.tiers, {path: tier_of_group[path] for path in parameters})
    for index in range(len(plan.tiers)):
        if not plan.paths(index):
            raise InputError(_empty_tier(index, config, parameters))
    return plan


def tier_facts(plan: TierPlan, parameters: Mapping[str, Any]) -> tuple[TierFacts, ...]:
    """Counts read from the arrays themselves, for every tier of the plan."""
    return tuple(_facts(plan, index, parameters) for index in range(len(plan.tiers)))


def adapted_layers(parameters: Mapping[str, Any]) -> tuple[int, ...]:
    """Indexes of the layers that carry trainable parameters, ascending."""
    return tuple(sorted({i for path in parameters if (i := layer_index(path)) is not None}))


def _by_depth(paths: list[str], config: TrainingConfig) -> dict[str, int]:
    """Contiguous blocks of layers, as equal as can be; the fast end gets tier 0."""
    layers = adapted_layers(dict.fromkeys(paths))
    order = list(reversed(layers)) if config.fast_end == "top" else list(layers)
    count = len(config.tiers)
    tier_of_layer = {layer: place * count // len(order) for place, layer in enumerate(order)}

    def tier(path: str) -> int:
        index = layer_index(path)
        # What stands outside the layers (an embedding) changes every prediction: it goes slowest.
        return count - 1 if index is None else tier_of_layer[index]

    return {path: tier(path) for path in paths}


def _by_module(paths: list[str], config: TrainingConfig) -> dict[str, int]:
    """Attention apart from the rest: two kinds, spread over the first and the last tier."""
    if len(config.tiers) > 2:
        raise InputError(
            f"Assignment by module knows two kinds (attention and the rest), so it can't fill "
            f"{len(config.tiers)} tiers.",
            "Use one or two tiers, or assign by depth.",
        )
    attention, rest = (0, 1) if config.fast_end == "top" else (1, 0)
    last = len(config.tiers) - 1
    return {path: min(attention if _is_attention(path) else rest, last) for path in paths}


def _is_attention(path: str) -> bool:
    return any("attn" in part or "attention" in part for part in module_path(path).split("."))


def _facts(plan: TierPlan, index: int, parameters: Mapping[str, Any]) -> TierFacts:
    paths = plan.paths(index)
    tier = plan.tiers[index]
    return TierFacts(
        period=tier.period,
        learning_rate_factor=tier.learning_rate_factor,
        parameters=sum(parameters[path].size for path in paths),
        layers=adapted_layers(dict.fromkeys(paths)),
        description=_describe(paths),
    )


def _describe(paths: tuple[str, ...]) -> str:
    layers = adapted_layers(dict.fromkeys(paths))
    kinds = {_is_attention(path) for path in paths}
    part = {frozenset({True}): "attention of ", frozenset({False}): "all but attention of "}.get(
        frozenset(kinds), ""
    )
    if not layers:
        return "outside the layers"
    span = f"layer {layers[0]}" if len(layers) == 1 else f"layers {layers[0]}–{layers[-1]}"
    return part + span


def _empty_tier(index: int, config: TrainingConfig, parameters: Mapping[str, Any]) -> str:
    if config.assign == "depth":
        layers = len(adapted_layers(parameters))
        return (
            f"Tier {index} would hold no parameters: {len(config.tiers)} tiers can't share "
            f"{layers} adapted layer{'s' if layers != 1 else ''}. Remove a tier."
        )
    return (
        f"Tier {index} would hold no parameters: this model has no such modules. Remove the tier."
    )
