"""An engine that lies about its updates: every lie stops the run or is named at its end."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest

from app.core.config.training_config import TierConfig, TrainingConfig
from app.core.errors import VerificationError
from app.core.events import RunFinished, StepFinished
from app.engine.audit.loss_audit import LossAudit
from app.engine.model.adapter_parameters import layer_index
from app.engine.model.loading import load_base_model
from app.engine.model.model_structure import trainable_parameters
from app.engine.tiers.optimizer import TieredAdamW
from app.engine.tiers.plan import TierPlan
from app.engine.tiers.update_rules import AdamWState, UpdateRules, largest_update
from app.engine.training import checkpoints as checkpoints_module
from app.engine.training import loop as loop_module
from app.engine.training import restored_run
from app.engine.training import step as step_module
from app.engine.training import trainer as trainer_module
from app.engine.training.checkpoints import Checkpoint
from app.engine.training.gradients import BatchGradients
from app.engine.training.run_counters import learning_rate
from app.engine.training.step import TrainingStep
from app.engine.training.trainer import resume, train
from tests.engine.training_steps import batch, training_step

STEPS = 6
Lie = Callable[[pytest.MonkeyPatch], None]


@pytest.fixture
def config(tiny_model: Path, chat_file: Path, tmp_path: Path) -> TrainingConfig:
    """Two tiers of two layers each."""
    return TrainingConfig(
        model=tiny_model,
        data=chat_file,
        output=tmp_path / "run",
        steps=STEPS,
        rank=4,
        tiers=(TierConfig(1), TierConfig(2)),
        warmup_steps=2,
        steps_per_eval=100,
    )


def ending(config: TrainingConfig) -> RunFinished:
    *_, end = train(config)
    assert isinstance(end, RunFinished)
    return end


# Lies of the write: what reaches the model is not what was computed.


def writing(change: Callable[[dict[str, Any], dict[str, Any], int], dict[str, Any]]) -> Lie:
    """`change` turns (updates, what the model holds, how often was written) into other updates."""

    def lie(patch: pytest.MonkeyPatch) -> None:
        write, count = step_module.write_parameters, 0

        def lying(model: Any, updates: dict[str, Any]) -> None:
            nonlocal count
            count += 1
            write(model, change(updates, trainable_parameters(model), count))

        patch.setattr(step_module, "write_parameters", lying)

    return lie


def scaled(factor: float) -> Lie:
    return writing(
        lambda updates, weights, _: {
            p: weights[p] + factor * (v - weights[p]) for p, v in updates.items()
        }
    )


def of_one_layer_lost(updates: dict[str, Any], weights: dict[str, Any], _: int) -> dict[str, Any]:
    lowest = min(i for path in updates if (i := layer_index(path)) is not None)
    return {p: weights[p] if layer_index(p) == lowest else v for p, v in updates.items()}


def of_one_row_lost(updates: dict[str, Any], weights: dict[str, Any], _: int) -> dict[str, Any]:
    path = list(updates)[-1]
    return updates | {path: mx.concatenate([weights[path][:1], updates[path][1:]])}


def infinite_at_the_end(updates: dict[str, Any], _: dict[str, Any], count: int) -> dict[str, Any]:
    path = next(iter(updates))
    spoilt = updates[path].reshape(-1)
    spoilt[3] = math.inf
    return updates | {path: spoilt.reshape(updates[path].shape)} if count == STEPS else updates


def swapped(updates: dict[str, Any], _: dict[str, Any], __: int) -> dict[str, Any]:
    one, other = [path for path in updates if path.endswith("q_proj.lora_b")][:2]
    return updates | {one: updates[other], other: updates[one]}


def a_base_weight_changes(patch: pytest.MonkeyPatch) -> None:
    """By as little as one bit, in the last step."""
    write, count = step_module.write_parameters, 0

    def lying(model: Any, updates: dict[str, Any]) -> None:
        nonlocal count
        count += 1
        write(model, updates)
        if count == STEPS:
            norm = model.model.norm
            bits = norm.weight.view(mx.uint32)
            bits[2] = bits[2] ^ 1
            norm.weight = bits.view(mx.float32)

    patch.setattr(step_module, "write_parameters", lying)


# Lies of the optimizer: what was computed is not AdamW.


def updating(change: Callable[[TieredAdamW, Any, Any], Any]) -> Lie:
    """`change` makes of (optimizer, numbers before, numbers after) of a tier the numbers after."""

    def lie(patch: pytest.MonkeyPatch) -> None:
        adamw = TieredAdamW._adamw

        def lying(self: TieredAdamW, parameter: Any, *more: Any) -> Any:
            new, m, v = adamw(self, parameter, *more)
            return change(self, parameter, new), m, v

        patch.setattr(TieredAdamW, "_adamw", lying)

    return lie


def with_other(**settings: Any) -> Lie:
    """The optimizer has other settings than the run."""

    def lie(patch: pytest.MonkeyPatch) -> None:
        step = TieredAdamW.step
        patch.setattr(TieredAdamW, "step", lambda self, *a: step(replace(self, **settings), *a))  # type: ignore[call-arg]

    return lie


def rate_times_10_in_the_optimizer(patch: pytest.MonkeyPatch) -> None:
    adamw = TieredAdamW._adamw
    patch.setattr(TieredAdamW, "_adamw", lambda self, *a: adamw(self, *a[:-1], 10 * a[-1]))  # type: ignore[call-arg]


def rate_times_10_in_the_schedule(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(loop_module, "learning_rate", lambda c, step: 10 * learning_rate(c, step))


def bias_correction_is_off(patch: pytest.MonkeyPatch) -> None:
    adamw = TieredAdamW._adamw
    patch.setattr(
        TieredAdamW, "_adamw", lambda self, p, g, m, v, fired, rate: adamw(
            self, p, g, m, v, fired + 1000, rate
        )
    )  # fmt: skip


def momentum_is_lost(patch: pytest.MonkeyPatch) -> None:
    adamw = TieredAdamW._adamw
    patch.setattr(
        TieredAdamW, "_adamw", lambda self, p, g, m, *a: adamw(self, p, g, mx.zeros_like(m), *a)
    )


def a_due_tier_is_left_out(patch: pytest.MonkeyPatch) -> None:
    step = TieredAdamW.step

    def lying(self: TieredAdamW, *a: Any) -> Any:
        arguments = list(a)
        arguments[4] = [tier for tier in a[4] if tier != 1]
        return step(self, *arguments)

    patch.setattr(TieredAdamW, "step", lying)


def only_the_last_gradient_counts(patch: pytest.MonkeyPatch) -> None:
    step = TieredAdamW.step

    def lying(self: TieredAdamW, gradients: Any, parameters: Any, flat: Any, state: Any, *a: Any):  # type: ignore[no-untyped-def]
        forgetful = replace(state, pending=[mx.zeros_like(p) for p in state.pending])
        return step(self, gradients, parameters, flat, forgetful, *a)

    patch.setattr(TieredAdamW, "step", lying)


# Lies of the plan and of the loop.


def late(patch: pytest.MonkeyPatch) -> None:
    due = TierPlan.due
    patch.setattr(TierPlan, "due", lambda self, step: due(self, step - 1) if step > 1 else (0,))


def early(patch: pytest.MonkeyPatch) -> None:
    due = TierPlan.due
    patch.setattr(TierPlan, "due", lambda self, step: due(self, step + 1))


def a_weight_changes_after_the_last_step(patch: pytest.MonkeyPatch) -> None:
    run = TrainingStep.run

    def lying(self: BatchGradients, *a: Any) -> Any:
        measured = run(self, *a)
        if a[1] < STEPS:
            return measured
        path, value = next(iter(trainable_parameters(self._model).items()))
        step_module.write_parameters(self._model, {path: value + 1e-3})
        return measured

    patch.setattr(TrainingStep, "run", lying)


def another_adapter_is_saved(patch: pytest.MonkeyPatch) -> None:
    save = checkpoints_module._save_arrays

    def lying(path: Path, arrays: dict[str, Any]) -> None:
        save(path, {name: mx.zeros_like(value) for name, value in arrays.items()})

    patch.setattr(checkpoints_module, "_save_arrays", lying)


def the_optimizer_is_saved_wrong(patch: pytest.MonkeyPatch) -> None:
    save = checkpoints_module._save_arrays

    def lying(path: Path, arrays: dict[str, Any]) -> None:
        is_state = "optimizer" in path.name
        save(path, {n: mx.zeros_like(v) if is_state else v for n, v in arrays.items()})

    patch.setattr(checkpoints_module, "_save_arrays", lying)


def another_scale_is_saved(patch: pytest.MonkeyPatch) -> None:
    config = loop_module.adapter_config

    def lying(*a: Any) -> dict[str, Any]:
        true = config(*a)
        return true | {"lora_parameters": true["lora_parameters"] | {"scale": 40.0}}

    patch.setattr(loop_module, "adapter_config", lying)


def misreporting(**factors: float) -> Lie:
    """The step reports a gradient's norm, or a figure of its movement, times a factor."""

    def lie(patch: pytest.MonkeyPatch) -> None:
        measurement = step_module.StepMeasurement

        def lying(**facts: Any) -> Any:
            figures = ("deltas", "drifts", "layer_deltas")
            movement = facts["movement"]
            for figure in figures:
                true, factor = getattr(movement, figure), factors.get(figure, 1)
                movement = replace(movement, **{figure: tuple(x * factor for x in true)})
            norm = facts["gradient_norm"] * factors.get("norm", 1)
            return measurement(**facts | {"movement": movement, "gradient_norm": norm})

        patch.setattr(step_module, "StepMeasurement", lying)

    return lie


def drifting_too_little(patch: pytest.MonkeyPatch) -> None:
    """The reported drifts are as small as each step's change allows: no single step shows it."""
    measurement, before = step_module.StepMeasurement, [0.0, 0.0]

    def lying(**facts: Any) -> Any:
        movement = facts["movement"]
        before[:] = [abs(d - moved) for d, moved in zip(before, movement.deltas, strict=True)]
        return measurement(**facts | {"movement": replace(movement, drifts=tuple(before))})

    patch.setattr(step_module, "StepMeasurement", lying)


def the_gradients_are_of_the_first_weights(patch: pytest.MonkeyPatch) -> None:
    """As from a compiled function that has the weights of its first call in it."""
    summed, first = BatchGradients.summed, None

    def lying(self: BatchGradients, vectors: Any, *a: Any) -> Any:
        nonlocal first
        first = first or [mx.array(v) for v in vectors]
        return summed(self, first, *a)

    patch.setattr(BatchGradients, "summed", lying)


def a_due_weight_changes_between_steps(patch: pytest.MonkeyPatch) -> None:
    run = TrainingStep.run

    def lying(self: BatchGradients, *a: Any) -> Any:
        if a[1] == 4:
            path, value = list(trainable_parameters(self._model).items())[-1]
            step_module.write_parameters(self._model, {path: value + 1e-3})
        return run(self, *a)

    patch.setattr(TrainingStep, "run", lying)


def a_due_weight_changes_in_place(patch: pytest.MonkeyPatch) -> None:
    """Between two steps, in the array that the model holds already."""
    run = TrainingStep.run

    def lying(self: BatchGradients, *a: Any) -> Any:
        if a[1] == 4:
            last = list(trainable_parameters(self._model).values())[-1]
            last[0] = last[0] + 1e-3
        return run(self, *a)

    patch.setattr(TrainingStep, "run", lying)


def pending_is_misreported(patch: pytest.MonkeyPatch) -> None:
    measurement = step_module.StepMeasurement
    patch.setattr(
        step_module,
        "StepMeasurement",
        lambda **facts: measurement(**facts | {"pending": tuple(n + 1 for n in facts["pending"])}),
    )


def a_good_step_is_called_void(patch: pytest.MonkeyPatch) -> None:
    step = TieredAdamW.step

    def lying(self: TieredAdamW, *a: Any) -> Any:
        arguments = list(a)
        arguments[6] = mx.array(math.nan)
        return step(self, *arguments)

    patch.setattr(TieredAdamW, "step", lying)


LIES: dict[str, tuple[Lie, str]] = {
    "nothing is written": (scaled(0), "tier 0 was due but its weights did not move"),
    "the write of one layer is lost": (writing(of_one_layer_lost), "does not hold the update of"),
    "the write of one row is lost": (writing(of_one_row_lost), "does not hold the update of"),
    "half of the update is written": (scaled(0.5), "does not hold the update of"),
    "the negative update is written": (scaled(-1), "does not hold the update of"),
    "1e-12 of the update is written": (scaled(1e-12), "does not hold the update of"),
    "twice the update is written": (scaled(2), "does not hold the update of"),
    "two parameters are swapped": (writing(swapped), "does not hold the update of"),
    "a base weight changes": (a_base_weight_changes, "base model are not those the run began with"),
    "inf is written at the last step": (writing(infinite_at_the_end), "infinite or not a number"),
    "half of the update is computed": (
        updating(lambda _, old, new: old + 0.5 * (new - old)), "where AdamW's update is",
    ),
    "the negative update is computed": (
        updating(lambda _, old, new: 2 * old - new), "where AdamW's update is",
    ),
    "1e-12 of the update is computed": (
        updating(lambda _, old, new: old + 1e-12 * (new - old)), "where AdamW's update is",
    ),
    "one number moves too far": (
        updating(lambda _, old, new: mx.where(mx.arange(new.size) == 77, new + 1, new)),
        "AdamW",
    ),
    "the optimizer takes ten times the rate": (
        rate_times_10_in_the_optimizer, "where AdamW moves it by",
    ),
    "the schedule gives ten times the rate": (
        rate_times_10_in_the_schedule, "but the settings ask for",
    ),
    "no bias correction": (bias_correction_is_off, "where AdamW moves it by"),
    "no momentum": (momentum_is_lost, "where AdamW's update is"),
    "other betas": (with_other(betas=(0.5, 0.9)), "where AdamW"),
    "no decay": (with_other(weight_decay=0.0), "the weight decay of tier 0 was"),
    "strong decay": (with_other(weight_decay=1.0), "where AdamW"),
    "only the last gradient counts": (only_the_last_gradient_counts, "where AdamW's update is"),
    "a due tier is left out": (a_due_tier_is_left_out, "tier 1 was due but its weights did not"),
    "tiers fire a step late": (late, "tier 1 was due but its weights did not move"),
    "tiers fire a step early": (early, "tier 1 moved although it was not due"),
    "another adapter is saved": (another_adapter_is_saved, "differ from the run"),
    "another optimizer state is saved": (the_optimizer_is_saved_wrong, "differ from the run"),
    "another scale is saved": (another_scale_is_saved, "has a scale of 40"),
    "ten times the norm is reported": (misreporting(norm=10), "a gradient norm of"),
    "ten times the deltas are reported": (misreporting(deltas=10), "a change of tier 0 of"),
    "ten times the drifts are reported": (misreporting(drifts=10), "from its start, but it was"),
    "no drift is reported": (misreporting(drifts=0), "from its start, but it was"),
    "ten times the layers' deltas are reported": (
        misreporting(layer_deltas=10), "a change of all layers of",
    ),
    "a twentieth of the layers' deltas is reported": (
        misreporting(layer_deltas=0.05), "a change of all layers of",
    ),
    "a drift is reported that grows too little": (
        drifting_too_little, "a distance of tier 0 from its start of",
    ),
    "nothing is written every third step": (
        writing(lambda new, weights, count: weights if count % 3 == 0 else new), "Report it with",
    ),
    "a due weight changes between steps": (
        a_due_weight_changes_between_steps, "changed outside of any step",
    ),
    "a due weight changes in place": (
        a_due_weight_changes_in_place, "Before step 4, weights of tier 0 changed outside",
    ),
    "pending gradients are misreported": (pending_is_misreported, "pending gradients"),
    "a good step is called void": (a_good_step_is_called_void, "did not move"),
    "a weight changes after the last step": (
        a_weight_changes_after_the_last_step, "changed outside of any step",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LIES)
def test_a_lie_about_an_update_stops_the_run(
    config: TrainingConfig, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lie, sentence = LIES[name]
    lie(monkeypatch)
    end = ending(config)
    assert end.outcome == "failed"
    assert sentence in end.message
    assert "Traceback" not in end.message


def test_gradients_of_other_weights_than_the_models_stop_the_run(
    config: TrainingConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every update of them is right, and its size as well: the model's own loss shows it."""
    the_gradients_are_of_the_first_weights(monkeypatch)
    end = ending(replace(config, learning_rate=0.05))
    assert end.outcome == "failed"
    assert "At step 5, the loss was" in end.message
    assert "not of the weights that the model has" in end.message


def test_a_run_with_dropout_is_not_audited_for_its_loss(config: TrainingConfig) -> None:
    """Its loss is random: another forward pass has another one."""
    assert ending(replace(config, dropout=0.5, learning_rate=0.05)).outcome == "finished"


def test_the_rounding_of_a_single_token_is_no_fault(make_model: Callable[..., Path]) -> None:
    """SmolLM2-135M gives “ 4” after “2 + 2 =” these losses, in bfloat16 and in float32."""
    audit = LossAudit(load_base_model(make_model(dtype="bfloat16")).model, None)
    audit.check(1.1874, 5, 1.1496, tokens=1)
    with pytest.raises(
        VerificationError, match=r"the loss was 1\.15, but the model's own is 1\.187"
    ):
        audit.check(1.1874, 5, 1.1496, tokens=100)


def not_restored(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(restored_run, "write_parameters", lambda *_: None)


def restored_with(change: Callable[[Checkpoint], Checkpoint]) -> Lie:
    def lie(patch: pytest.MonkeyPatch) -> None:
        load = trainer_module.load_checkpoint
        patch.setattr(trainer_module, "load_checkpoint", lambda folder: change(load(folder)))

    return lie


def with_zeros(start: Checkpoint) -> Checkpoint:
    zeros = [mx.zeros_like(array) for array in start.state.m]
    return replace(start, state=replace(start.state, m=zeros))


def with_a_shift(start: Checkpoint) -> Checkpoint:
    return replace(start, adapter={p: v + 1e-3 for p, v in start.adapter.items()})


def a_step_further(start: Checkpoint) -> Checkpoint:
    return replace(start, progress=replace(start.progress, step=start.progress.step + 1))


@pytest.mark.parametrize("lie", [
    not_restored,
    restored_with(with_zeros),
    restored_with(with_a_shift),
    restored_with(a_step_further),
])  # fmt: skip
def test_a_run_that_does_not_resume_from_its_checkpoint_is_stopped(
    config: TrainingConfig, lie: Lie, monkeypatch: pytest.MonkeyPatch
) -> None:
    list(train(config, stop_after=3))
    lie(monkeypatch)
    *_, end = resume(config.output)
    assert isinstance(end, RunFinished)
    assert end.outcome == "failed"
    assert "run differs from" in end.message or "is not step" in end.message


def test_a_rate_below_the_weights_rounding_is_no_fault(tiny_model: Path) -> None:
    """At the end of a long cosine schedule a due tier moves no number, and should not."""
    step = training_step(tiny_model, [1])
    for number in range(1, 4):
        assert step.run([batch(seed=number)], number, 1e-2).movement.fired == (0,)
    assert step.run([batch(seed=4)], 4, 1e-24).movement.fired == ()
    assert step.run([batch(seed=5)], 5, 1e-2).movement.fired == (0,)
    step.check_at_rest(5)


def gradients_times(*factors: float) -> Lie:
    """Each tier's gradient reaches the optimizer times a factor of its own."""

    def lie(patch: pytest.MonkeyPatch) -> None:
        summed = BatchGradients.summed

        def lying(self: BatchGradients, *a: Any) -> Any:
            loss, found = summed(self, *a)
            return loss, {tier: factors[tier] * gradient for tier, gradient in found.items()}

        patch.setattr(BatchGradients, "summed", lying)

    return lie


zero_gradients = gradients_times(1, 0)
"""Those of tier 1."""
LOST = "model.layers.3.self_attn.q_proj"


def a_module_without_gradients(patch: pytest.MonkeyPatch) -> None:
    summed = BatchGradients.summed

    def lying(self: BatchGradients, *a: Any) -> Any:
        loss, found = summed(self, *a)
        plan, weights = self._plan, trainable_parameters(self._model)
        named = plan.unflatten(found, weights)
        named |= {p: mx.zeros_like(g) for p, g in named.items() if p.startswith(LOST)}
        return loss, {tier: plan.flatten(tier, named) for tier in found}

    patch.setattr(BatchGradients, "summed", lying)


@pytest.mark.parametrize(
    ("lie", "changes"),
    [
        (gradients_times(-1, -1), {}),
        (gradients_times(1, -1), {}),
        (gradients_times(1.05, 1), {}),
        (gradients_times(0.5, 0.5), {}),
        (zero_gradients, {}),
        (a_module_without_gradients, {}),
        (gradients_times(1.05, 1), {"grad_accumulation_steps": 2}),
        (gradients_times(1.05, 1), {"grad_checkpoint": True}),
    ],
    ids=["negative", "of one tier negative", "of one tier larger", "halved", "of one tier lost",
         "of one module lost", "accumulated", "with gradient checkpointing"],
)  # fmt: skip
def test_other_gradients_of_the_right_loss_stop_the_run(
    config: TrainingConfig, lie: Lie, changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every update of them is AdamW's, and the loss is the model's own."""
    lie(monkeypatch)
    end = ending(replace(config, **changes))
    assert end.outcome == "failed"
    assert "At step 5, the gradients are not those of the weights" in end.message


UNAUDITED = 4
"""Steps: the gradients of the fifth are the first to be audited."""


def test_a_tier_that_never_had_a_gradient_is_named_at_the_end(
    config: TrainingConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    zero_gradients(monkeypatch)
    end = ending(replace(config, steps=UNAUDITED))
    assert "Tier 1 learned nothing: its gradient was always zero; only weight decay" in end.message


def test_a_tier_that_never_moved_is_named_at_the_end(
    config: TrainingConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    zero_gradients(monkeypatch)
    end = ending(replace(config, steps=UNAUDITED, weight_decay=0.0))
    assert end.message.endswith("Tier 1 learned nothing: its gradient was always zero.")


def test_a_module_that_learned_nothing_is_named_at_the_end(
    config: TrainingConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_module_without_gradients(monkeypatch)
    end = ending(replace(config, steps=UNAUDITED))
    assert end.message == f"All {UNAUDITED} steps done. Modules that learned nothing: {LOST}."


def test_a_tier_whose_period_is_longer_than_the_run_is_named_at_the_end(
    config: TrainingConfig,
) -> None:
    end = ending(replace(config, tiers=(TierConfig(1), TierConfig(7))))
    assert end.message.endswith("Tier 1 never fired: its update period is 7 steps.")


def test_an_idle_tier_is_named_after_a_resume_too_but_not_one_that_learned_before(
    config: TrainingConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    *_, stopped = train(replace(config, steps=UNAUDITED), stop_after=2)
    assert stopped.message == "Stopped after step 2."
    zero_gradients(monkeypatch)
    *_, end = resume(config.output)
    assert end.message == f"All {UNAUDITED} steps done."


@pytest.mark.parametrize("changes", [
    {},
    {"learning_rate": 0.5},
    {"learning_rate": 1e-9},
    {"lr_schedule": "linear", "warmup_steps": 0, "max_grad_norm": 0.0, "weight_decay": 0.9},
    {"max_grad_norm": 1e-6, "grad_accumulation_steps": 3},
    {
        "pending": "skip",
        "tiers": (TierConfig(1), TierConfig(2, 0.1), TierConfig(3, pending="accumulate")),
    },
    {"assign": "rank", "tiers": (TierConfig(1), TierConfig(3))},
    {"fine_tune_type": "dora", "lr_schedule": "constant"},
])  # fmt: skip
def test_a_true_run_raises_no_alarm(config: TrainingConfig, changes: dict[str, Any]) -> None:
    events = list(train(replace(config, steps=13, **changes)))
    assert events[-1].message == "All 13 steps done."
    assert len([e for e in events if isinstance(e, StepFinished)]) == 13


def test_no_sequence_of_gradients_moves_a_number_further_than_the_bound() -> None:
    random = np.random.default_rng(0)
    ratio = 0.9 / 0.999
    for steps in (1, 2, 6, 40):
        # By Cauchy-Schwarz the worst gradients grow as (β1/β2)^-i; others stay below.
        worst = ratio ** -np.arange(1, steps + 1)
        for gradients, is_worst in [(worst, True), (random.normal(size=steps), False)]:
            state = AdamWState.zeros(1)
            values = np.zeros(1)
            for gradient in gradients * 1e3:
                state.accumulate(np.array([gradient]))
                before = values
                values = state.fire(values, 1.0, 0.0)
            moved = abs(values - before)[0]
            assert moved <= largest_update(steps) * (1 + 1e-6)
            assert not is_worst or moved == pytest.approx(largest_update(steps), rel=1e-6)
    assert largest_update(1) == pytest.approx(1)
    assert largest_update(10_000) == pytest.approx(7.27, abs=0.01)


def test_the_rules_give_the_rates_of_the_schedules() -> None:
    for schedule in ("constant", "linear", "cosine"):
        config = TrainingConfig(steps=50, warmup_steps=7, lr_schedule=schedule)  # type: ignore[arg-type]
        rate = UpdateRules.from_config(config).rate
        assert rate is not None
        for step in range(1, 51):
            assert rate(step) == pytest.approx(learning_rate(config, step), rel=1e-9, abs=1e-15)
