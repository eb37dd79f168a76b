"""Tier plans: every parameter in exactly one tier, modules whole, empty tiers refused by name."""

from pathlib import Path
from typing import Any

import pytest

from app.core.config.training_config import TierConfig, TrainingConfig
from app.core.errors import InputError
from app.engine.adapter.adapter import add_adapter
from app.engine.memory.preflight import preview_tiers
from app.engine.model.adapter_parameters import layer_index, module_path
from app.engine.model.loading import load_architecture
from app.engine.model.model_structure import trainable_parameters
from app.engine.tiers.assignment import make_plan
from app.engine.tiers.plan import adapted_layers
from app.engine.tiers.plan_summary import tier_facts
from tests.engine.packed_models import adapted


def tiers(*periods: int) -> tuple[TierConfig, ...]:
    return tuple(TierConfig(period) for period in periods)


def adapter(path: Path, config: TrainingConfig) -> dict[str, Any]:
    model = load_architecture(path)
    add_adapter(model, config)
    return trainable_parameters(model)


@pytest.mark.parametrize("assign", ["depth", "module"])
@pytest.mark.parametrize("fastest_first", ["top", "bottom"])
def test_every_parameter_has_a_tier_and_modules_stay_whole(
    tiny_model: Path, assign: Any, fastest_first: Any
) -> None:
    config = TrainingConfig(tiers=tiers(1, 2), assign=assign, fastest_first=fastest_first)
    parameters = adapter(tiny_model, config)
    plan = make_plan(parameters, config)
    assert [slot.key for slot in plan.slots] == list(parameters)
    by_module: dict[str, set[int]] = {}
    for slot in plan.slots:
        by_module.setdefault(module_path(slot.path), set()).add(slot.tier)
    assert all(len(owners) == 1 for owners in by_module.values())


@pytest.mark.parametrize(
    ("fastest_first", "expected"), [("top", [(2, 3), (1,), (0,)]), ("bottom", [(0, 1), (2,), (3,)])]
)
def test_depth_makes_contiguous_blocks_from_the_fast_end(
    tiny_model: Path, fastest_first: Any, expected: list[tuple[int, ...]]
) -> None:
    config = TrainingConfig(model=tiny_model, tiers=tiers(1, 2, 4), fastest_first=fastest_first)
    assert [fact.layers for fact in preview_tiers(config)] == expected


def test_module_keeps_attention_apart(tiny_model: Path) -> None:
    config = TrainingConfig(tiers=tiers(1, 4), assign="module")
    parameters = adapter(tiny_model, config)
    plan = make_plan(parameters, config)
    assert all("self_attn" in path for path in plan.paths(0))
    assert all("mlp" in path for path in plan.paths(1))


def test_the_counts_are_those_of_the_arrays(tiny_model: Path) -> None:
    config = TrainingConfig(model=tiny_model, tiers=tiers(1, 2, 4), rank=3)
    parameters = adapter(tiny_model, config)
    facts = tier_facts(make_plan(parameters, config), parameters)
    assert sum(fact.parameters for fact in facts) == sum(p.size for p in parameters.values())
    assert facts == preview_tiers(config)


def test_a_tier_without_parameters_is_refused_by_its_number(tiny_model: Path) -> None:
    config = TrainingConfig(tiers=tiers(1, 2, 4, 8, 16))
    with pytest.raises(InputError, match="Tier 4 would hold no parameters"):
        make_plan(adapter(tiny_model, config), config)


def test_fewer_adapted_layers_mean_fewer_tiers(tiny_model: Path) -> None:
    config = TrainingConfig(tiers=tiers(1, 2, 4), num_layers=2)
    parameters = adapter(tiny_model, config)
    assert adapted_layers(parameters) == (2, 3)
    with pytest.raises(InputError, match="can't share 2 adapted layers"):
        make_plan(parameters, config)


def test_a_tier_is_due_at_multiples_of_its_period(tiny_model: Path) -> None:
    config = TrainingConfig(tiers=tiers(1, 2, 4))
    plan = make_plan(adapter(tiny_model, config), config)
    assert [plan.due(step) for step in range(1, 5)] == [(0,), (0, 1), (0,), (0, 1, 2)]


@pytest.mark.parametrize(
    ("path", "layer"),
    [
        ("model.layers.12.mlp.up_proj.lora_a", 12),
        ("layers.3.attn.lora_b", 3),
        ("language_model.model.layers.0.self_attn.q_proj.lora_a", 0),
        ("model.h.7.attention.dense.lora_a", 7),
        ("transformer.blocks.2.ffn.experts.5.w1.lora_b", 2),
        ("model.embed_tokens.lora_a", None),
    ],
)
def test_the_layer_is_read_from_the_path(path: str, layer: int | None) -> None:
    assert layer_index(path) == layer


def test_a_model_that_calls_its_layers_otherwise_has_tiers_by_depth() -> None:
    parameters = trainable_parameters(adapted("gpt2"))
    plan = make_plan(parameters, TrainingConfig(tiers=tiers(1, 2, 4, 8), rank=4))
    assert [facts.layers for facts in tier_facts(plan, parameters)] == [(3,), (2,), (1,), (0,)]
