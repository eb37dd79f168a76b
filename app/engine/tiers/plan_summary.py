"""Describes a tier plan in numbers and in words for people."""

from collections.abc import Sequence

from app.core.events import TierFacts
from app.engine.model.adapter_parameters import layer_index, module_path
from app.engine.runtime.named_arrays import ArrayMap
from app.engine.tiers.assignment import is_attention, kind
from app.engine.tiers.plan import Slot, TierPlan, adapted_layers

MAX_KINDS_NAMED = 4


def tier_facts(plan: TierPlan, parameters: ArrayMap) -> tuple[TierFacts, ...]:
    """The size, layers and description of every tier, counted from the arrays in `parameters`."""
    return tuple(
        TierFacts(
            period=tier.period,
            learning_rate_factor=tier.learning_rate_factor,
            parameters=sum(slot.take(parameters[slot.path]).size for slot in slots),
            layers=adapted_layers(slot.path for slot in slots),
            description=_describe(plan, slots),
        )
        for tier, slots in zip(plan.tiers, plan.slices_by_tier, strict=True)
    )


def _describe(plan: TierPlan, slots: Sequence[Slot]) -> str:
    everything = _modules(plan.slots)
    modules = _modules(slots)
    layers, kinds = _layers(modules), {kind(module) for module in modules}
    if layers == (None,):
        return "outside the layers"
    block = [m for m in everything if layer_index(f"{m}.") in layers and kind(m) in kinds]
    if len(block) > len(modules):
        return f"{len(modules)} modules in {_span(layers)}"
    return _ranks(slots) + _kinds(modules, everything) + _span(layers)


def _ranks(slots: Sequence[Slot]) -> str:
    """ "ranks 1–4 of " if all slices cover the same ranks, else ""."""
    cuts = {(slot.start, slot.stop) for slot in slots if slot.start is not None}
    if len(cuts) != 1:
        return ""
    start, stop = cuts.pop()
    first = (start or 0) + 1
    return f"rank {first} of " if first == stop else f"ranks {first}–{stop} of "


def _kinds(modules: Sequence[str], everything: Sequence[str]) -> str:
    """The kinds of modules, as "attention of " or "q_proj, v_proj of "; "" for all kinds."""
    kinds = list(dict.fromkeys(kind(module) for module in modules))
    all_kinds = {kind(module): is_attention(module) for module in everything}
    if len(kinds) == len(all_kinds):
        return ""
    for is_wanted, words in ((True, "attention of "), (False, "all but attention of ")):
        if set(kinds) == {name for name, attention in all_kinds.items() if attention == is_wanted}:
            return words
    if len(kinds) > MAX_KINDS_NAMED:
        return f"{len(kinds)} kinds of modules of "
    return ", ".join(kinds) + " of "


def _modules(slots: Sequence[Slot]) -> list[str]:
    return list(dict.fromkeys(module_path(slot.path) for slot in slots))


def _layers(modules: Sequence[str]) -> tuple[int | None, ...]:
    return tuple(dict.fromkeys(layer_index(f"{module}.") for module in modules))


def _span(layers: Sequence[int | None]) -> str:
    inside = sorted(layer for layer in layers if layer is not None)
    if len(inside) == 1:
        return f"layer {inside[0]}"
    if inside[-1] - inside[0] == len(inside) - 1:
        return f"layers {inside[0]}–{inside[-1]}"
    return f"{len(inside)} layers between {inside[0]} and {inside[-1]}"
