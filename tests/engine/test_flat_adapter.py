"""An adapter's tiers made ready at once: what the layers would have made of them, bit for bit."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest

from app.core.config.training_config import TierConfig, TrainingConfig
from app.engine.adapter import flat_adapter
from app.engine.adapter.adapter import add_adapter
from app.engine.adapter.flat_adapter import FlatAdapter
from app.engine.batches.batches import Batch
from app.engine.model.adapter_parameters import write_parameters
from app.engine.model.loading import load_base_model
from app.engine.model.model_structure import trainable_parameters
from app.engine.tiers.assignment import make_plan
from app.engine.tiers.optimizer import TieredAdamW
from app.engine.training.step import TrainingStep


def training_step(path: Path, recompute: bool = False, **changes: Any) -> TrainingStep:
    model = load_base_model(path).model
    config = TrainingConfig(rank=4, scale=3.0, tiers=(TierConfig(1), TierConfig(2)), **changes)
    add_adapter(model, config)
    parameters = trainable_parameters(model).items()  # both matrices do something
    numbers = {name: 0.1 * mx.random.normal(array.shape) for name, array in parameters}
    write_parameters(model, numbers)
    mx.eval(model.parameters())
    start = trainable_parameters(model)
    optimizer = TieredAdamW(make_plan(start, config))
    return TrainingStep(
        model, optimizer, optimizer.init(start), start, recompute_layers=recompute
    )  # fmt: skip


def batch(seed: int) -> Batch:
    random = np.random.default_rng(seed)
    tokens = random.integers(3, 250, (4, 12)).astype(np.int32)
    return Batch(tokens, np.ones((4, 12), np.float32))


@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize("kind", ["float32", "bfloat16", "bfloat16 in 4 bits"])
def test_losses_and_weights_equal_those_of_layers_that_prepare_their_own(
    make_model: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, kind: str, recompute: bool
) -> None:
    dtype, _, is_quantised = kind.partition(" in ")
    path = make_model(dtype=dtype, **({"bits": 4} if is_quantised else {}))
    ready = training_step(path, recompute)
    assert ready._gradients._input.is_flat
    monkeypatch.setattr(flat_adapter, "activation_dtype", lambda *_: None)
    each = training_step(path, recompute)
    assert not each._gradients._input.is_flat
    for number in range(1, 5):
        a = ready.run([batch(number)], number, 1e-2)
        b = each.run([batch(number)], number, 1e-2)
        assert a == b
    expected = trainable_parameters(each._model)
    for name, array in trainable_parameters(ready._model).items():
        assert array.dtype == mx.float32
        assert mx.array_equal(array, expected[name]), name


@pytest.mark.parametrize(
    "changes", [{"fine_tune_type": "dora"}, {"assign": "rank"}], ids=["DoRA", "rank slices"]
)
def test_without_flat_vectors_the_layers_prepare_their_own(
    tiny_model: Path, changes: dict[str, Any]
) -> None:
    assert not training_step(tiny_model, **changes)._gradients._input.is_flat


def test_float16_is_left_to_the_layers(make_model: Callable[..., Path]) -> None:
    assert not training_step(make_model(dtype="float16"))._gradients._input.is_flat


def test_afterwards_the_model_is_as_it_was_even_after_a_fault(tiny_model: Path) -> None:
    step = training_step(tiny_model)
    model, before = step._model, trainable_parameters(step._model)
    scales = {layer.scale for layer in step._gradients._input._layers.values()}
    modules = [name for name, _ in model.named_modules()]
    adapter = FlatAdapter(model, step._optimizer.plan)
    with pytest.raises(RuntimeError), adapter.applied(step._vectors) as arrays:
        assert all(trainable_parameters(model)[path] is array for path, array in arrays.items())
        raise RuntimeError
    assert trainable_parameters(model).keys() == before.keys()
    assert all(trainable_parameters(model)[path] is array for path, array in before.items())
    assert {layer.scale for layer in adapter._layers.values()} == scales == {3.0}
    assert [name for name, _ in model.named_modules()] == modules
