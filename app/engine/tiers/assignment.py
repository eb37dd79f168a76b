"""Assigns parameters to tiers: by depth, module, rank, importance, or by patterns.

A module's `lora_a` and `lora_b` always share a tier. Assignment by rank cuts both at the same
ranks.
"""

from collections.abc import Callable, Mapping, Sequence

from app.core.config.tiers import parse_patterns
from app.core.config.training_config import TrainingConfig
from app.core.errors import InputError
from app.engine.model.adapter_parameters import is_cut_by_rank, layer_index, module_path, rank_axis
from app.engine.runtime.named_arrays import ArrayMap
from app.engine.tiers.plan import Slot, TierPlan, adapted_layers

Activity = Mapping[str, float]
"""Module path → mean gradient magnitude on the user's data; see `measure_gradient_importance`."""


def make_plan(
    parameters: ArrayMap, config: TrainingConfig, activity: Activity | None = None
) -> TierPlan:
    """Sort `parameters` (dotted path → array) into the config's tiers.

    Assignment by importance needs `activity`. Raises InputError if a tier would hold no parameters
    or a parameter would have no tier.
    """
    if config.assign == "rank":
        plan = TierPlan(config.tiers, _by_rank(parameters, config))
    else:
        plan = TierPlan.from_whole_parameters(config.tiers, _wholes(parameters, config, activity))
    for tier, slots in enumerate(plan.slices_by_tier):
        if not slots:
            raise InputError(f"Tier {tier} would hold no parameters: {_why_empty(plan, config)}")
    plan.check(parameters)
    return plan


def is_attention(module: str) -> bool:
    return any("attn" in part or "attention" in part for part in module.split("."))


def kind(module: str) -> str:
    """A module's name within its layer: "q_proj"."""
    return module.rpartition(".")[2]


def even_groups(order: Sequence[str], sizes: Mapping[str, int], count: int) -> dict[str, int]:
    """Cut `order` into `count` contiguous groups of about equal size: name → group.

    No group is empty unless there are fewer names than groups.
    """
    total, taken, group, is_empty = sum(sizes[name] for name in order), 0, 0, True
    groups = {}
    for place, name in enumerate(order):
        groups_left = count - 1 - group
        is_full = (taken + sizes[name] / 2) * count > total * (group + 1)
        is_needed_later = len(order) - place <= groups_left
        if groups_left and not is_empty and (is_full or is_needed_later):
            group, is_empty = group + 1, True
        groups[name], is_empty = group, False
        taken += sizes[name]
    return groups


def _wholes(
    parameters: ArrayMap, config: TrainingConfig, activity: Activity | None
) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for path, array in parameters.items():
        sizes[module_path(path)] = sizes.get(module_path(path), 0) + array.size
    match config.assign:
        case "module":
            tier_of = _by_module(sizes, config)
        case "importance":
            tier_of = _by_importance(sizes, config, activity or {})
        case "manual":
            tier_of = _by_pattern(sizes, config)
        case _:
            tier_of = _by_depth(sizes, config)
    return {path: tier_of[module_path(path)] for path in parameters}


def _by_depth(sizes: Mapping[str, int], config: TrainingConfig) -> dict[str, int]:
    """Contiguous blocks of layers, as equal as can be; the fast end gets tier 0."""
    layers = adapted_layers(f"{module}." for module in sizes)
    order = list(reversed(layers)) if config.fastest_first == "top" else list(layers)
    count = len(config.tiers)
    tier_of_layer = {layer: place * count // len(order) for place, layer in enumerate(order)}

    def tier(module: str) -> int:
        index = layer_index(f"{module}.")
        # A module outside the layers, such as an embedding, affects every prediction: slowest tier.
        return count - 1 if index is None else tier_of_layer[index]

    return {module: tier(module) for module in sizes}


def _by_module(sizes: Mapping[str, int], config: TrainingConfig) -> dict[str, int]:
    """Attention and the other modules in separate tiers; more than two tiers split by module name,
    attention first or last."""
    is_fast: Callable[[str], bool] = (
        is_attention if config.fastest_first == "top" else lambda module: not is_attention(module)
    )
    if len(config.tiers) <= 2:
        last = len(config.tiers) - 1
        return {module: 0 if is_fast(module) else last for module in sizes}
    kind_sizes: dict[str, int] = {}
    for module in sorted(sizes, key=is_fast, reverse=True):
        kind_sizes[kind(module)] = kind_sizes.get(kind(module), 0) + sizes[module]
    tier_of_kind = even_groups(list(kind_sizes), kind_sizes, len(config.tiers))
    return {module: tier_of_kind[kind(module)] for module in sizes}


def _by_importance(
    sizes: Mapping[str, int], config: TrainingConfig, activity: Activity
) -> dict[str, int]:
    """The modules with the largest gradients in the fastest tier, or in the slowest with
    `fastest_first="bottom"`."""
    sign = -1 if config.fastest_first == "top" else 1
    order = sorted(sizes, key=lambda module: sign * activity.get(module, 0.0))
    return even_groups(order, sizes, len(config.tiers))


def _by_pattern(sizes: Mapping[str, int], config: TrainingConfig) -> dict[str, int]:
    patterns = parse_patterns(config.tier_patterns, len(config.tiers))
    tier_of = {}
    for module in sizes:
        fitting = next((pattern for pattern in patterns if pattern.fits(module)), None)
        if fitting is None:
            raise InputError(f"No tier pattern fits {module}.", "End the list with *=TIER.")
        tier_of[module] = fitting.tier
    return tier_of


def _by_rank(parameters: ArrayMap, config: TrainingConfig) -> tuple[Slot, ...]:
    """Every module cut into contiguous slices of the rank, the first in tier 0."""
    slots: list[Slot] = []
    count = len(config.tiers)
    for path, array in parameters.items():
        if not is_cut_by_rank(path):
            # All slices share it: in a faster tier it would change the slow slices' output.
            slots.append(Slot(path, count - 1))
            continue
        rank = array.shape[rank_axis(path, array.ndim)]
        if rank < count:
            raise InputError(
                f"Rank {rank} can't be cut into {count} tiers.", "Raise the rank or remove a tier."
            )
        edges = [tier * rank // count for tier in range(count + 1)]
        slots += [Slot(path, tier, edges[tier], edges[tier + 1]) for tier in range(count)]
    return tuple(slots)


def _why_empty(plan: TierPlan, config: TrainingConfig) -> str:
    count = len(config.tiers)
    match config.assign:
        case "depth":
            layers = len(adapted_layers(plan.slices_by_path))
            plural = "s" if layers != 1 else ""
            return f"{count} tiers can't share {layers} adapted layer{plural}. Remove a tier."
        case "manual":
            return "no pattern puts a module there. Change the patterns or remove the tier."
        case "importance":
            return f"there are fewer modules than {count} tiers. Remove a tier."
        case _:
            return "this model has no such modules. Remove the tier."
