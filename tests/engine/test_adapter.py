"""LoRA and DoRA on chosen modules: trained here, loaded by mlx-lm, the same logits."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx_lm
import numpy as np
import pytest

from app.core.config.serialization import with_settings
from app.core.config.training_config import TierConfig, TrainingConfig
from app.core.errors import InputError
from app.core.events import RunFinished, StepFinished
from app.engine.adapter.adapter import adapter_config, add_adapter
from app.engine.batches.batches import Batch
from app.engine.memory.preflight import preview_tiers
from app.engine.model.loading import load_base_model
from app.engine.model.model_structure import trainable_parameters
from app.engine.tiers.assignment import make_plan
from app.engine.tiers.optimizer import TieredAdamW
from app.engine.training.checkpoints import Progress, save_checkpoint
from app.engine.training.step import StepMeasurement, TrainingStep
from app.engine.training.trainer import resume, train

TIERS = (TierConfig(1), TierConfig(2))
PROMPT = [[10, 20, 30, 40]]


def batch(seed: int) -> Batch:
    random = np.random.default_rng(seed)
    trained = np.ones((4, 12), np.float32)
    trained[:, 0] = 0.0
    return Batch(random.integers(3, 250, (4, 12)).astype(np.int32), trained)


def trained(config: TrainingConfig, folder: Path) -> tuple[Any, StepMeasurement]:
    """A model after four steps, saved to `folder`; and its last step."""
    model = load_base_model(config.model).model
    add_adapter(model, config)
    model.train()
    start = trainable_parameters(model)
    mx.eval(start)
    optimizer = TieredAdamW(make_plan(start, config))
    step = TrainingStep(model, optimizer, optimizer.init(start), start)
    for number in range(1, 5):
        measured = step.run([batch(number)], number, 1e-2)
    save_checkpoint(
        folder, trainable_parameters(model), adapter_config(model, config), step.state,
        step.stiffness(), Progress(step=4),
    )  # fmt: skip
    model.eval()
    return model, measured


def difference(one: Any, other: Any) -> float:
    prompt = mx.array(PROMPT)
    return float(mx.max(mx.abs((one(prompt) - other(prompt)).astype(mx.float32))).item())


@pytest.mark.parametrize("assign", ["depth", "rank"])
@pytest.mark.parametrize("bits", [None, 4, 8])
@pytest.mark.parametrize("kind", ["lora", "dora"])
def test_mlx_lm_loads_what_was_trained_and_gives_our_logits(
    make_model: Callable[..., Path], tmp_path: Path, kind: Any, bits: int | None, assign: Any
) -> None:
    config = TrainingConfig(
        model=make_model(bits=bits, hidden=64 if bits else 32), rank=4, tiers=TIERS,
        fine_tune_type=kind, assign=assign,
    )  # fmt: skip
    ours, measured = trained(config, tmp_path / "step-000004")
    base, _ = mlx_lm.load(str(config.model))
    theirs, _ = mlx_lm.load(str(config.model), adapter_path=str(tmp_path / "step-000004"))
    assert difference(ours, base) > 1e-2
    assert difference(ours, theirs) <= 1e-4
    assert measured.movement.fired == (0, 1)
    assert all(delta > 0 for delta in measured.movement.layer_deltas)


@pytest.mark.parametrize("kind", ["lora", "dora"])
def test_chosen_modules_and_layers_alone_carry_an_adapter(
    tiny_model: Path, tmp_path: Path, kind: Any
) -> None:
    config = TrainingConfig(
        model=tiny_model, rank=4, tiers=TIERS, fine_tune_type=kind, num_layers=2,
        keys="q_proj, self_attn.v_proj,",
    )  # fmt: skip
    ours, _ = trained(config, tmp_path / "step-000004")
    leaves = {"lora_a", "lora_b"} | ({"m"} if kind == "dora" else set())
    assert set(trainable_parameters(ours)) == {
        f"model.layers.{layer}.self_attn.{name}_proj.{leaf}"
        for layer in (2, 3) for name in "qv" for leaf in leaves
    }  # fmt: skip
    saved = adapter_config(ours, config)
    assert sorted(saved["lora_parameters"]["keys"]) == ["self_attn.q_proj", "self_attn.v_proj"]
    base, _ = mlx_lm.load(str(config.model))
    theirs, _ = mlx_lm.load(str(config.model), adapter_path=str(tmp_path / "step-000004"))
    assert difference(ours, base) > 1e-3
    assert difference(ours, theirs) <= 1e-4


def test_the_magnitudes_of_dora_move_and_are_measured(tiny_model: Path, tmp_path: Path) -> None:
    config = TrainingConfig(
        model=tiny_model, rank=4, tiers=(TierConfig(1),), fine_tune_type="dora", keys="o_proj"
    )
    model = load_base_model(tiny_model).model
    add_adapter(model, config)
    start = trainable_parameters(model)
    ours, measured = trained(config, tmp_path / "step-000004")
    moved = {
        path: mx.sum(mx.square(a - start[path])).item()
        for path, a in trainable_parameters(ours).items()
    }
    assert all(moved[f"model.layers.{i}.self_attn.o_proj.m"] > 0 for i in range(4))
    assert measured.movement.drifts[0] == pytest.approx(sum(moved.values()) ** 0.5, rel=1e-4)


def test_magnitudes_that_all_slices_share_go_with_the_slowest(tiny_model: Path) -> None:
    config = TrainingConfig(
        model=tiny_model, rank=4, tiers=TIERS, fine_tune_type="dora", assign="rank"
    )
    model = load_base_model(tiny_model).model
    add_adapter(model, config)
    plan = make_plan(trainable_parameters(model), config)
    assert {slot.tier for slot in plan.slots if slot.path.endswith(".m")} == {1}
    assert [fact.layers for fact in preview_tiers(config)] == [(0, 1, 2, 3), (0, 1, 2, 3)]


@pytest.mark.parametrize("keys", ["q_prj", "q_proj, mlp", "proj"])
def test_a_module_the_model_does_not_have_is_refused_with_those_it_has(
    tiny_model: Path, keys: str
) -> None:
    model = load_base_model(tiny_model).model
    with pytest.raises(
        InputError, match=r"no module named .* Its modules are .*q_proj, "
    ) as caught:
        add_adapter(model, TrainingConfig(keys=keys))
    for name in ("k_proj", "v_proj", "o_proj", "gate_proj", "down_proj", "up_proj"):
        assert name in str(caught.value)


def test_modules_may_be_a_list_in_the_settings_file() -> None:
    config = with_settings(TrainingConfig(), {"keys": ["q_proj", "v_proj"]}, where="x")
    assert config.keys == "q_proj, v_proj"


def test_dora_on_bits_that_mlx_lm_gets_wrong_is_refused(make_model: Callable[..., Path]) -> None:
    model = load_base_model(make_model(bits=6, hidden=64)).model
    with pytest.raises(InputError, match="quantized to 6 bits"):
        add_adapter(model, TrainingConfig(fine_tune_type="dora"))
    add_adapter(model, TrainingConfig())


def test_dora_on_experts_is_refused(tiny_model: Path) -> None:
    from mlx_lm.models.switch_layers import SwitchLinear

    model = load_base_model(tiny_model).model
    model.layers[1].mlp.up_proj = SwitchLinear(32, 64, 2)
    with pytest.raises(InputError, match=r"can't adapt mlp\.up_proj: it is a SwitchLinear"):
        add_adapter(model, TrainingConfig(fine_tune_type="dora"))


def test_a_dora_run_resumes_bit_equal(tiny_model: Path, chat_file: Path, tmp_path: Path) -> None:
    config = TrainingConfig(
        model=tiny_model, data=chat_file, steps=6, rank=4, tiers=TIERS, dropout=0.1,
        fine_tune_type="dora", keys="q_proj,up_proj", steps_per_eval=100,
    )  # fmt: skip

    def losses(events: Any) -> list[float]:
        return [e.loss for e in events if isinstance(e, StepFinished)]

    whole = losses(train(replace(config, output=tmp_path / "whole")))
    cut = losses(train(replace(config, output=tmp_path / "cut"), stop_after=3))
    *rest, end = resume(tmp_path / "cut")
    assert cut + losses(rest) == whole
    assert isinstance(end, RunFinished)
    assert end.outcome == "finished"
