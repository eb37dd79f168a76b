"""Rank slices: each part of every adapter moves at its own pace, and the adapter stays ordinary."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx_lm
import numpy as np
import pytest

from app.core.config.training_config import TierConfig, TrainingConfig
from app.core.errors import InputError, VerificationError
from app.core.events import RunFinished, StepFinished
from app.engine.adapter.adapter import add_adapter
from app.engine.batches.batches import Batch
from app.engine.model.adapter_parameters import write_parameters
from app.engine.model.loading import load_base_model
from app.engine.model.model_structure import trainable_parameters
from app.engine.tiers.assignment import make_plan
from app.engine.tiers.optimizer import TieredAdamW
from app.engine.tiers.plan import Slot, TierPlan, plan_from_data
from app.engine.tiers.plan_summary import tier_facts
from app.engine.training import step as step_module
from app.engine.training.step import TrainingStep
from app.engine.training.trainer import resume, train
from app.library.run.manifest import read_manifest

RATE = 1e-2
Arrays = dict[str, Any]


def tiers(*periods: int) -> tuple[TierConfig, ...]:
    return tuple(TierConfig(period) for period in periods)


def sliced(path: Path, periods: Sequence[int], rank: int = 5, assign: Any = "rank") -> TrainingStep:
    model = load_base_model(path).model
    config = TrainingConfig(rank=rank, tiers=tiers(*periods), assign=assign)
    add_adapter(model, config)
    model.train()
    start = trainable_parameters(model)
    optimizer = TieredAdamW(make_plan(start, config))
    return TrainingStep(model, optimizer, optimizer.init(start), start)


def batch(seed: int) -> Batch:
    random = np.random.default_rng(seed)
    trained = np.ones((4, 12), np.float32)
    trained[:, 0] = 0.0
    return Batch(random.integers(3, 250, (4, 12)).astype(np.int32), trained)


def weights(step: TrainingStep) -> Arrays:
    return trainable_parameters(step._model)


def test_every_module_is_cut_alike_and_both_halves_go_together(tiny_model: Path) -> None:
    plan = sliced(tiny_model, [1, 2, 4])._optimizer.plan
    for path, slots in plan.slices_by_path.items():
        assert [(s.tier, s.start, s.stop) for s in slots] == [(0, 0, 1), (1, 1, 3), (2, 3, 5)], path


def test_a_slice_that_is_not_due_has_delta_exactly_0(tiny_model: Path) -> None:
    step = sliced(tiny_model, [1, 2, 4])
    plan = step._optimizer.plan
    for number in range(1, 9):
        before = weights(step)
        measured = step.run([batch(number)], number, RATE)
        after = weights(step)
        assert measured.movement.fired == plan.due(number)
        assert measured.pending == (0, number % 2, number % 4)
        for slot in plan.slots:
            moved = mx.any(slot.take(before[slot.path]) != slot.take(after[slot.path])).item()
            assert moved == (slot.tier in plan.due(number)), slot
        for tier, slots in enumerate(plan.slices_by_tier):
            changes = [s.take(after[s.path]) - s.take(before[s.path]) for s in slots]
            squares = [mx.sum(mx.square(change)).item() for change in changes]
            assert measured.movement.deltas[tier] == pytest.approx(sum(squares) ** 0.5, rel=1e-5)


def test_the_slices_products_add_up_to_the_adapters_product(tiny_model: Path) -> None:
    step = sliced(tiny_model, [1, 2])
    for number in (1, 2):
        step.run([batch(number)], number, RATE)
    plan, arrays = step._optimizer.plan, weights(step)
    path = "model.layers.1.mlp.up_proj"
    whole = arrays[f"{path}.lora_a"] @ arrays[f"{path}.lora_b"]
    pairs = zip(
        plan.slices_by_path[f"{path}.lora_a"], plan.slices_by_path[f"{path}.lora_b"], strict=True
    )
    parts = [a.take(arrays[a.path]) @ b.take(arrays[b.path]) for a, b in pairs]
    assert mx.allclose(sum(parts), whole, atol=1e-6)


def test_slices_that_all_fire_every_step_are_uncut_bit_for_bit(tiny_model: Path) -> None:
    cut, uncut = sliced(tiny_model, [1, 1, 1]), sliced(tiny_model, [1], assign="depth")
    for number in range(1, 6):
        assert cut.run([batch(number)], number, RATE).loss == (
            uncut.run([batch(number)], number, RATE).loss
        )
    assert all(mx.array_equal(a, weights(uncut)[p]) for p, a in weights(cut).items())


def test_a_slice_that_moves_out_of_turn_stops_the_run(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = sliced(tiny_model, [1, 4])
    slot = step._optimizer.plan.slices_by_tier[1][0]

    def write_too_much(model: Any, updates: Arrays) -> None:
        shifted = updates[slot.path] + 1e-6
        write_parameters(model, updates | {slot.path: shifted})

    monkeypatch.setattr(step_module, "write_parameters", write_too_much)
    with pytest.raises(VerificationError, match="tier 1 moved although it was not due"):
        step.run([batch(1)], 1, RATE)


def test_the_counts_are_those_of_the_slices(tiny_model: Path) -> None:
    step = sliced(tiny_model, [1, 2, 4])
    facts = tier_facts(step._optimizer.plan, weights(step))
    total = sum(array.size for array in weights(step).values())
    assert [fact.parameters for fact in facts] == [total // 5, total * 2 // 5, total * 2 // 5]
    assert [fact.description for fact in facts] == [
        "rank 1 of layers 0–3", "ranks 2–3 of layers 0–3", "ranks 4–5 of layers 0–3"
    ]  # fmt: skip


def test_fewer_ranks_than_tiers_are_refused(tiny_model: Path) -> None:
    with pytest.raises(InputError, match="Rank 2 can't be cut into 3 tiers"):
        sliced(tiny_model, [1, 2, 4], rank=2)
    problems = TrainingConfig(rank=2, assign="rank").problems()
    assert [p.message for p in problems] == ["Rank 2 can't be cut into 3 tiers."]


# -- a whole run ---------------------------------------------------------------------------------


@pytest.fixture
def config(tiny_model: Path, chat_file: Path, tmp_path: Path) -> TrainingConfig:
    return TrainingConfig(
        model=tiny_model, data=chat_file, output=tmp_path / "run", steps=9, rank=5,
        learning_rate=1e-2, assign="rank", tiers=tiers(1, 2, 4), dropout=0.1, steps_per_eval=100,
    )  # fmt: skip


def ended(events: Any) -> RunFinished:
    end = list(events)[-1]
    assert isinstance(end, RunFinished)
    assert end.outcome == "finished", end.message
    return end


def test_a_sliced_run_saves_an_ordinary_adapter(config: TrainingConfig) -> None:
    end = ended(train(config))
    prompt = mx.array([[10, 20, 30, 40]])
    base, _ = mlx_lm.load(str(config.model))
    tuned, _ = mlx_lm.load(str(config.model), adapter_path=str(end.adapter_dir))
    assert mx.max(mx.abs(base(prompt) - tuned(prompt))).item() > 1e-2


def test_a_sliced_run_resumes_bit_equal_with_its_saved_plan(
    config: TrainingConfig, tmp_path: Path
) -> None:
    def losses(events: Any) -> list[float]:
        return [e.loss for e in events if isinstance(e, StepFinished)]

    whole = losses(train(config))
    again = replace(config, output=tmp_path / "cut")
    assert losses(train(again, stop_after=5)) + losses(resume(tmp_path / "cut")) == whole
    a, b = (mx.load(str(r / "checkpoints/step-000009/optimizer.safetensors"))
            for r in (tmp_path / "run", tmp_path / "cut"))  # fmt: skip
    assert set(a) == set(b)
    assert all(mx.array_equal(a[name], b[name]) for name in a)


def test_the_manifest_holds_the_plan_and_it_is_rebuilt_exactly(config: TrainingConfig) -> None:
    run_dir = ended(train(config)).run_dir
    saved = read_manifest(run_dir)["plan"]
    assert saved["model.layers.0.mlp.up_proj.lora_a"] == [[0, 0, 1], [1, 1, 3], [2, 3, 5]]
    model = load_base_model(config.model).model
    add_adapter(model, config)
    assert plan_from_data(config.tiers, saved) == make_plan(trainable_parameters(model), config)


# -- plans that don't hold ---------------------------------------------------------------------

A, B = "layers.0.up.lora_a", "layers.0.up.lora_b"
WHOLE = {A: 0, B: 1}


def check(data: object) -> None:
    parameters = {A: mx.zeros((6, 4)), B: mx.zeros((4, 3))}
    plan_from_data(tiers(1, 2), data).check(parameters)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({A: 0}, f"leaves out {B}"),
        (WHOLE | {"ghost": 1}, "names ghost"),
        (WHOLE | {B: 2}, f"puts {B} in tier 2"),
        ({A: 0, B: 0}, "Tier 1 would hold no parameters"),
        (WHOLE | {A: [[0, 0, 2], [1, 3, 4]]}, f"leaves out a part of {A}, at .*3:4"),
        (WHOLE | {A: [[0, 0, 3], [1, 2, 4]]}, f"holds twice a part of {A}, at .*2:4"),
        (WHOLE | {A: [[0, 0, 2], [1, 2, 3]]}, f"covers 3 of the 4 ranks of {A}"),
        (WHOLE | {A: [[0, 0, 5]]}, "covers 5 of the 4 ranks"),
        (WHOLE | {A: "0"}, f"{A} has '0'"),
        (WHOLE | {A: [[0, 0]]}, "can't be read"),
        ([], "isn't a table"),
    ],
)
def test_a_gap_an_overlap_or_an_empty_tier_is_named(data: object, words: str) -> None:
    check(WHOLE)
    with pytest.raises(InputError, match=words):
        check(data)


def test_a_parameter_assigned_twice_is_named() -> None:
    plan = TierPlan(tiers(1), (Slot(A, 0), Slot(A, 0)))
    with pytest.raises(InputError, match=f"holds {A} 2 times"):
        plan.check({A: mx.zeros((6, 4))})


def test_experts_are_cut_along_their_own_rank_axis() -> None:
    parameters = {A: mx.zeros((8, 4, 6)), B: mx.zeros((8, 3, 4))}
    plan = make_plan(parameters, TrainingConfig(rank=4, assign="rank", tiers=tiers(1, 2)))
    shapes = {slot.key: slot.take(parameters[slot.path]).shape for slot in plan.slots}
    assert shapes[f"{A}[0:2]"] == (8, 2, 6)
    assert shapes[f"{B}[2:4]"] == (8, 3, 2)
    ones = mx.ones(plan.flatten(0, parameters).size)
    whole = plan.unflatten({0: ones}, parameters)
    assert {path: array.shape for path, array in whole.items()} == {A: (8, 4, 6), B: (8, 3, 4)}
    assert mx.all(whole[A][:, :2] == 1).item()
    assert whole[A].sum().item() == 8 * 2 * 6


@pytest.mark.parametrize("assign", ["rank", "depth", "module"])
def test_unflatten_inverts_flatten(tiny_model: Path, assign: Any) -> None:
    step = sliced(tiny_model, [1, 2], assign=assign)
    plan, arrays = step._optimizer.plan, weights(step)
    numbers = {path: mx.random.normal(array.shape) for path, array in arrays.items()}
    vectors = {tier: plan.flatten(tier, numbers) for tier in (0, 1)}
    back = plan.unflatten(vectors, arrays)
    assert set(back) == set(arrays)
    assert all(mx.array_equal(back[path], numbers[path]) for path in arrays)
    only = plan.unflatten({1: vectors[1]}, arrays)
    for slot in plan.slots:
        if slot.path in only:
            expected = numbers if slot.tier == 1 else arrays
            assert mx.array_equal(slot.take(only[slot.path]), slot.take(expected[slot.path]))
        else:
            assert slot.tier == 0
