"""Plans by importance, by patterns and by kinds of modules; a tier's own pending gradients."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest

from app.core.config.serialization import parse_tiers, to_dict, with_settings
from app.core.config.training_config import TierConfig, TrainingConfig
from app.core.errors import InputError
from app.core.events import Event, RunFinished, RunStarted, StageChanged, StepFinished
from app.data.row_values import RowLocation
from app.engine.adapter.adapter import add_adapter
from app.engine.batches.batches import BatchLoader
from app.engine.memory.preflight import preview_tiers
from app.engine.model.adapter_parameters import module_path
from app.engine.model.loading import load_base_model
from app.engine.model.model_structure import trainable_parameters
from app.engine.tiers.assignment import even_groups, make_plan
from app.engine.tiers.plan_summary import tier_facts
from app.engine.training.gradients import measure_gradient_importance
from app.engine.training.trainer import resume, train
from app.library.run.manifest import read_manifest


def tiers(*periods: int) -> tuple[TierConfig, ...]:
    return tuple(TierConfig(period) for period in periods)


@pytest.fixture
def config(tiny_model: Path, chat_file: Path, tmp_path: Path) -> TrainingConfig:
    return TrainingConfig(
        model=tiny_model, data=chat_file, output=tmp_path / "run", steps=5, rank=4,
        learning_rate=1e-2, tiers=tiers(1, 2, 4), steps_per_eval=100, calibration_batches=3,
    )  # fmt: skip


def parameters(config: TrainingConfig) -> dict[str, Any]:
    model = load_base_model(config.model).model
    add_adapter(model, config)
    return trainable_parameters(model)


def losses(events: list[Event]) -> list[float]:
    return [event.loss for event in events if isinstance(event, StepFinished)]


# -- importance ----------------------------------------------------------------------------------


def activity_of(config: TrainingConfig, monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """The activity that a run measures before its start."""
    found: dict[str, float] = {}

    def spy(*arguments: Any) -> Any:
        found.update((yield from measure_gradient_importance(*arguments)))
        return found

    monkeypatch.setattr("app.engine.training.setup.measure_gradient_importance", spy)
    list(train(config))
    return found


def test_the_most_active_modules_become_fastest(
    config: TrainingConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    activity = activity_of(replace(config, assign="importance"), monkeypatch)
    plan = make_plan(parameters(config), replace(config, assign="importance"), activity)
    assert all(value > 0 for value in activity.values())
    by_tier = [
        {activity[module_path(slot.path)] for slot in slots} for slots in plan.slices_by_tier
    ]
    assert min(by_tier[0]) > max(by_tier[1])
    assert min(by_tier[1]) > max(by_tier[2])
    other = replace(config, assign="importance", fastest_first="bottom")
    slowest = make_plan(parameters(config), other, activity).slices_by_tier[0][0]
    assert activity[module_path(slowest.path)] < min(by_tier[0])


def test_the_groups_hold_about_as_many_parameters(
    config: TrainingConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(config, assign="importance")
    activity = activity_of(config, monkeypatch)
    weights = parameters(config)
    counts = [f.parameters for f in tier_facts(make_plan(weights, config, activity), weights)]
    assert sum(counts) == sum(array.size for array in weights.values())
    assert max(counts) < 1.25 * min(counts)


def test_the_activity_is_the_mean_gradient_of_lora_b(config: TrainingConfig) -> None:
    """Against a gradient measured from the outside, by moving one module's lora_b."""
    from app.data.tokens.token_view import TokenView
    from app.data.tokens.tokenized_examples import TokenizedExample
    from app.engine.execution.losses import loss_inputs, sum_cross_entropy

    model = load_base_model(config.model).model
    add_adapter(model, config)
    tokens = tuple(range(5, 21))
    batches = BatchLoader(TokenView.of([TokenizedExample(tokens, ((1, 16),), RowLocation(1))]), 1)
    measuring = measure_gradient_importance(model, batches, 1, 0)
    before = trainable_parameters(model)
    with pytest.raises(StopIteration) as ended:
        while True:
            next(measuring)
    activity = ended.value.value
    assert all(trainable_parameters(model)[path] is array for path, array in before.items())
    batch = next(batches.infinite(0))
    arrays = loss_inputs(batch, None)
    path = "model.layers.2.mlp.down_proj.lora_b"
    gradient = mx.grad(lambda b: loss_with(model, path, b, sum_cross_entropy, arrays))(before[path])
    expected = mx.mean(mx.abs(gradient)).item() / 15
    assert activity["model.layers.2.mlp.down_proj"] == pytest.approx(expected, rel=1e-5)


def loss_with(model: Any, path: str, value: Any, sum_cross_entropy: Any, arrays: Any) -> Any:
    from mlx.utils import tree_unflatten

    original = trainable_parameters(model)[path]
    model.update(tree_unflatten([(path, value)]))
    loss = sum_cross_entropy(model, None, *arrays)
    model.update(tree_unflatten([(path, original)]))
    return loss


def test_measuring_is_reported_seeded_and_done_once(
    config: TrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(config, assign="importance", dropout=0.1)
    monkeypatch.setattr("app.engine.runtime.stopping.SECONDS_BETWEEN_STAGES", 0.0)
    events = list(train(config))
    stages = [
        e for e in events if isinstance(e, StageChanged) and e.stage == "Measuring importance"
    ]
    assert [stage.fraction for stage in stages] == [0.0, 1 / 3, 2 / 3]
    again = replace(config, output=tmp_path / "again")
    first = list(train(again, stop_after=3))
    monkeypatch.delattr("app.engine.training.setup.measure_gradient_importance")
    rest = list(resume(tmp_path / "again"))
    assert losses(first) + losses(rest) == losses(events)
    assert isinstance(rest[-1], RunFinished)
    assert rest[-1].outcome == "finished"
    plans = [read_manifest(tmp_path / name)["plan"] for name in ("run", "again")]
    assert plans[0] == plans[1]


def test_the_preview_without_data_says_that_the_data_decides(config: TrainingConfig) -> None:
    config = replace(config, assign="importance", data=None)
    facts = preview_tiers(config)
    assert sum(f.parameters for f in facts) == sum(a.size for a in parameters(config).values())
    assert all("your data decides" in fact.description for fact in facts)
    assert all(fact.layers == () for fact in facts)


@pytest.mark.parametrize(
    ("sizes", "count", "groups"),
    [
        ([1, 1, 1, 1, 1, 1], 3, [0, 0, 1, 1, 2, 2]),
        ([9, 1, 1], 3, [0, 1, 2]),
        ([1, 1, 9], 3, [0, 1, 2]),
        ([1, 9, 1, 1], 2, [0, 0, 1, 1]),
        ([1, 1], 3, [0, 1]),
    ],
)
def test_groups_are_contiguous_and_none_is_empty(
    sizes: list[int], count: int, groups: list[int]
) -> None:
    names = [str(i) for i in range(len(sizes))]
    found = even_groups(names, dict(zip(names, sizes, strict=True)), count)
    assert list(found.values()) == groups


# -- manual --------------------------------------------------------------------------------------


def manual(config: TrainingConfig, patterns: str) -> TrainingConfig:
    return replace(config, assign="manual", tier_patterns=patterns)


def test_the_first_pattern_that_fits_wins(config: TrainingConfig) -> None:
    config = manual(config, "self_attn.v_proj=2, self_attn=0, *.layers.0.*=1, *=2")
    plan = make_plan(parameters(config), config)
    tier_of = {slot.path: slot.tier for slot in plan.slots}
    assert tier_of["model.layers.0.self_attn.v_proj.lora_b"] == 2
    assert tier_of["model.layers.0.self_attn.q_proj.lora_a"] == 0
    assert tier_of["model.layers.0.mlp.up_proj.lora_a"] == 1
    assert tier_of["model.layers.3.mlp.up_proj.lora_a"] == 2


def test_a_module_that_no_pattern_fits_is_named(config: TrainingConfig) -> None:
    config = manual(replace(config, tiers=tiers(1, 2)), "self_attn=0, up_proj=1")
    with pytest.raises(InputError, match=r"No tier pattern fits model\.layers\.0\.mlp\.\w+_proj"):
        make_plan(parameters(config), config)


def test_a_tier_that_no_pattern_fills_is_named(config: TrainingConfig) -> None:
    config = manual(config, "self_attn=0, conv=1, *=2")
    with pytest.raises(InputError, match="Tier 1 would hold no parameters: no pattern"):
        make_plan(parameters(config), config)


@pytest.mark.parametrize(
    ("patterns", "words"),
    [
        ("", "Manual tiers need patterns"),
        ("mlp=3, *=0", "'mlp=3' names tier 3, but the last tier is 2"),
        ("mlp", "'mlp' must be a pattern and a tier"),
        ("mlp=x", "'mlp=x' must be"),
        ("=1", "'=1' must be"),
    ],
)
def test_invalid_patterns_are_named(config: TrainingConfig, patterns: str, words: str) -> None:
    (problem,) = manual(config, patterns).problems()
    assert problem.setting == "tier_patterns"
    assert words in problem.message


def test_patterns_may_be_a_list_in_the_settings_file(config: TrainingConfig) -> None:
    listed = with_settings(config, {"tier_patterns": ["mlp=1", "*=0"]}, where="x")
    assert listed.tier_patterns == "mlp=1, *=0"


# -- kinds of modules ----------------------------------------------------------------------------


def test_more_than_two_tiers_by_module_are_kinds_attention_first(config: TrainingConfig) -> None:
    config = replace(config, assign="module")
    weights = parameters(config)
    plan = make_plan(weights, config)
    facts = tier_facts(plan, weights)
    assert sum(fact.parameters for fact in facts) == sum(a.size for a in weights.values())
    assert all(fact.layers == (0, 1, 2, 3) for fact in facts)
    assert "self_attn" in plan.paths(0)[0]
    assert all("mlp" in path for path in plan.paths(2))
    kinds = [{path.split(".")[-2] for path in plan.paths(tier)} for tier in range(3)]
    assert sum(map(len, kinds)) == len(set.union(*kinds)) == 7


def test_tiers_are_described_in_words(config: TrainingConfig) -> None:
    config = manual(config, "layers.0.mlp=0, layers.2.mlp=0, q_proj=1, k_proj=1, *=2")
    weights = parameters(config)
    descriptions = [fact.description for fact in tier_facts(make_plan(weights, config), weights)]
    assert descriptions[0] == "all but attention of 2 layers between 0 and 2"
    assert descriptions[1] in ("q_proj, k_proj of layers 0–3", "k_proj, q_proj of layers 0–3")
    assert descriptions[2] == "14 modules in layers 0–3"


# -- a tier's own pending gradients --------------------------------------------------------------


def test_a_tier_may_skip_while_another_accumulates(config: TrainingConfig) -> None:
    mixed = (TierConfig(1), TierConfig(2, pending="skip"), TierConfig(4))
    events = list(train(replace(config, tiers=mixed)))
    assert [e.pending for e in events if isinstance(e, StepFinished)] == [
        (0, 0, 1), (0, 0, 2), (0, 0, 3), (0, 0, 0), (0, 0, 1)
    ]  # fmt: skip


def test_a_tiers_own_setting_overrides_the_runs(config: TrainingConfig) -> None:
    kept = (TierConfig(1), TierConfig(2, pending="accumulate"), TierConfig(4))
    events = list(train(replace(config, tiers=kept, pending="skip")))
    assert [e.pending for e in events if isinstance(e, StepFinished)][:2] == [(0, 1, 0), (0, 0, 0)]


def test_a_tiers_pending_survives_json_and_the_command_line(config: TrainingConfig) -> None:
    parsed = parse_tiers("1,2", pending="accumulate, skip")
    assert [tier.pending for tier in parsed] == ["accumulate", "skip"]
    config = replace(config, tiers=(TierConfig(1), *parsed))
    plain = json.loads(json.dumps(to_dict(config)))
    assert with_settings(TrainingConfig(), plain, where="x") == config
    with pytest.raises(InputError, match="accumulate or skip"):
        parse_tiers("1,2", pending="skip,maybe")
    with pytest.raises(InputError, match="2 tiers need 2 words"):
        parse_tiers("1,2", pending="skip")


def test_every_plan_trains_and_verifies(config: TrainingConfig, tmp_path: Path) -> None:
    for assign in ("rank", "importance", "module", "manual"):
        run = replace(
            config, assign=assign, tier_patterns="self_attn=0,up_proj=1,*=2",
            output=tmp_path / assign, steps=4,
        )  # fmt: skip
        events = list(train(run))
        steps = [e for e in events if isinstance(e, StepFinished)]
        assert [s.fired for s in steps] == [(0,), (0, 1), (0,), (0, 1, 2)]
        started = next(e for e in events if isinstance(e, RunStarted))
        assert sum(t.parameters for t in started.tiers) == started.trainable_parameters
