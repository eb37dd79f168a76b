"""Layers computed again in the backward pass: same numbers, less memory, nothing left behind."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from mlx.utils import tree_flatten

from app.core.config.training_config import TierConfig, TrainingConfig
from app.core.events import StepFinished
from app.engine.adapter.adapter import add_adapter
from app.engine.batches.batches import Batch
from app.engine.execution import gradient_checkpointing
from app.engine.execution.gradient_checkpointing import checkpointed_layers
from app.engine.model.lm_head import split_model
from app.engine.model.loading import load_base_model
from app.engine.model.model_structure import trainable_parameters
from app.engine.tiers.assignment import make_plan
from app.engine.tiers.optimizer import TieredAdamW
from app.engine.training.step import TrainingStep
from app.engine.training.trainer import train
from tests.engine import architectures


def training_step(path: Path, is_on: bool, dropout: float = 0.0) -> TrainingStep:
    model = load_base_model(path).model
    config = TrainingConfig(rank=4, tiers=(TierConfig(1),), dropout=dropout)
    add_adapter(model, config)
    mx.eval(model.parameters())
    start = trainable_parameters(model)
    optimizer = TieredAdamW(make_plan(start, config))
    return TrainingStep(model, optimizer, optimizer.init(start), start, recompute_layers=is_on)


def batch(rows: int = 4, length: int = 12) -> Batch:
    random = np.random.default_rng(0)
    trained = np.ones((rows, length), np.float32)
    return Batch(random.integers(3, 250, (rows, length)).astype(np.int32), trained)


def gradients(step: TrainingStep, of: Batch) -> tuple[float, dict[str, Any]]:
    mx.random.seed(5)
    loss, vectors = step._gradients.summed(step._vectors, [of], (0,))
    found = step._optimizer.plan.unflatten(vectors, trainable_parameters(step._model))
    mx.eval(loss, found)
    return loss.item(), found


def test_a_model_that_asks_for_the_kind_of_a_layer_gives_the_same_logits() -> None:
    model = architectures.built("olmo_hybrid")
    tokens = mx.arange(20)[None]
    expected = model(tokens)
    with checkpointed_layers(model, True, set()):
        found = model(tokens)
    assert mx.array_equal(found, expected).item()


def test_loss_and_gradients_are_the_same(tiny_model: Path) -> None:
    loss, expected = gradients(training_step(tiny_model, False), batch())
    again, found = gradients(training_step(tiny_model, True), batch())
    assert again == pytest.approx(loss, rel=1e-6)
    assert list(found) == list(expected)
    for path, gradient in expected.items():
        assert mx.allclose(found[path], gradient, rtol=1e-5, atol=1e-5)


def test_dropout_drops_the_same_when_computed_again(tiny_model: Path) -> None:
    """The gradient of `lora_b` is the slope of the loss that the forward pass computed."""
    step = training_step(tiny_model, True, dropout=0.5)
    step._model.train()
    _, found = gradients(step, batch())
    path = next(p for p in found if p.endswith("lora_b"))
    original = trainable_parameters(step._model)[path]
    direction = found[path] / mx.sqrt(mx.sum(mx.square(found[path])))

    def loss_at(distance: float) -> float:
        from app.engine.model.adapter_parameters import write_parameters

        write_parameters(step._model, {path: original + distance * direction})
        step._vectors = step._meter.read(trainable_parameters(step._model))
        return gradients(step, batch())[0]

    slope = (loss_at(1e-3) - loss_at(-1e-3)) / 2e-3
    assert slope == pytest.approx(mx.sqrt(mx.sum(mx.square(found[path]))).item(), rel=0.02)


def test_nothing_is_left_in_the_model_and_three_runs_do_not_stack(tiny_model: Path) -> None:
    calls = []
    step = training_step(tiny_model, True)
    layers, kind = list(step._model.layers), type(step._model.layers[0])
    own_call = kind.__call__
    paths = list(dict(tree_flatten(step._model.parameters())))
    try:
        kind.__call__ = lambda self, *a, **k: (calls.append(1), own_call(self, *a, **k))[1]
        counts = []
        for _ in range(3):
            fresh = training_step(tiny_model, True)
            calls.clear()
            gradients(fresh, batch())
            counts.append(len(calls))
    finally:
        kind.__call__ = own_call
    # Once forward and once again, for each of the four layers, in every run.
    assert counts == [8, 8, 8]
    gradients(step, batch())
    assert all(now is before for now, before in zip(step._model.layers, layers, strict=True))
    assert list(dict(tree_flatten(step._model.parameters()))) == paths
    mx.eval(step._model.parameters())


def test_a_fault_while_tracing_puts_the_layers_back(tiny_model: Path) -> None:
    model = load_base_model(tiny_model).model
    layers = list(model.layers)
    with pytest.raises(RuntimeError), checkpointed_layers(model, True, set()):
        assert model.layers[0] is not layers[0]
        raise RuntimeError
    assert all(now is before for now, before in zip(model.layers, layers, strict=True))


def peak(model: Path, is_on: bool) -> int:
    """Of a whole step: what gradients need alone says nothing of what asks for them together."""
    step = training_step(model, is_on)
    step.run([batch(2, 16)], 1, 1e-3)
    mx.clear_cache()
    mx.reset_peak_memory()
    start = mx.get_active_memory()
    step.run([batch(8, 128)], 2, 1e-3)
    return int(mx.get_peak_memory() - start)


def test_the_peak_is_lower(make_model: Callable[..., Path]) -> None:
    deep = make_model(layers=12, hidden=64)
    assert peak(deep, True) < 0.6 * peak(deep, False)


def test_each_layers_activations_are_free_before_the_next_are_computed_again(
    make_model: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of adapters that don't see to it themselves, as lean layers do: DoRA, experts, dropout."""
    monkeypatch.setattr(
        "app.engine.execution.model_execution.eager_lora_gradients", lambda *_: nullcontext()
    )
    deep = make_model(layers=20, hidden=64)
    ordered = peak(deep, True)
    monkeypatch.setattr(gradient_checkpointing, "_gradients_before_input", lambda *arrays: arrays)
    assert ordered < 0.95 * peak(deep, True)


def test_lean_layers_need_less_than_layers_in_order_alone(
    make_model: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = make_model(layers=4, hidden=128)
    at_once = peak(deep, True)
    monkeypatch.setattr(
        "app.engine.execution.model_execution.eager_lora_gradients", lambda *_: nullcontext()
    )
    assert at_once < 0.97 * peak(deep, True)


def test_without_dropout_no_random_numbers_are_drawn(tiny_model: Path) -> None:
    step = training_step(tiny_model, True)
    mx.random.seed(5)
    key = mx.random.state[0].tolist()
    step._gradients.summed(step._vectors, [batch()], (0,))
    assert mx.random.state[0].tolist() == key


def test_a_compiled_step_with_the_fused_loss_takes_the_same_way(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a GPU: everything compiled, positions padded, layers recomputed."""
    plain = training_step(tiny_model, False)
    monkeypatch.setattr("app.engine.training.step.maybe_compile", mx.compile)
    monkeypatch.setattr("app.engine.training.gradients.maybe_compile", mx.compile)
    monkeypatch.setattr("app.engine.execution.losses.uses_compile", lambda: True)
    monkeypatch.setattr("app.engine.execution.swiglu.uses_compile", lambda: True)
    fused = training_step(tiny_model, True)
    head = split_model(fused._model)
    assert head is not None
    fused._gradients._fast = replace(fused._gradients._fast, head=head)
    for number in range(1, 4):
        a = plain.run([batch()], number, 1e-2)
        b = fused.run([batch()], number, 1e-2)
        assert b.loss == pytest.approx(a.loss, abs=1e-4)
    for path, value in trainable_parameters(plain._model).items():
        assert mx.allclose(trainable_parameters(fused._model)[path], value, atol=1e-4)


def test_a_run_with_it_is_the_run_without(
    tiny_model: Path, chat_file: Path, tmp_path: Path
) -> None:
    config = TrainingConfig(model=tiny_model, data=chat_file, steps=4, learning_rate=1e-2, rank=4)

    def run(name: str, is_on: bool) -> list[float]:
        events = train(replace(config, output=tmp_path / name, grad_checkpoint=is_on))
        return [e.loss for e in events if isinstance(e, StepFinished)]

    assert run("on", True) == pytest.approx(run("off", False), rel=1e-5)
    adapters = [
        mx.load(str(next((tmp_path / n).rglob("adapters.safetensors")))) for n in ("on", "off")
    ]
    assert list(adapters[0]) == list(adapters[1])
