"""A fast path that gives other gradients than the model's own code is left out, and named."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest
from mlx.utils import tree_flatten

from app.core.config.training_config import TierConfig, TrainingConfig
from app.core.errors import AppError
from app.core.events import LogMessage, RunFinished
from app.engine.adapter import efficient_lora
from app.engine.adapter.adapter import add_adapter
from app.engine.audit.fast_path_comparison import Compared, compare_with_own_code
from app.engine.execution import attention, gradient_checkpointing, losses, sequence_packing, swiglu
from app.engine.execution.model_execution import FastPaths
from app.engine.model.lm_head import split_model
from app.engine.model.loading import load_base_model
from app.engine.model.model_structure import trainable_parameters
from app.engine.runtime.mlx_runtime import random_key
from app.engine.tiers.assignment import make_plan
from app.engine.training.trainer import train
from tests.engine import architectures

CONFIG = TrainingConfig(rank=4, tiers=(TierConfig(1), TierConfig(2)))
SHORT, LONG = 100, 600


def compared(model: Any, longest: int = SHORT, *, is_packed: bool = True) -> Compared:
    add_adapter(model, CONFIG)
    mx.eval(model.parameters())
    plan = make_plan(trainable_parameters(model), CONFIG)
    wanted = FastPaths(split_model(model), recomputes_layers=True, is_packed=is_packed)
    return compare_with_own_code(model, plan, wanted, longest)


def _scaled(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args, **kwargs: function(*args, **kwargs) * 1.02


def _attending_to_all(self: Any, q: Any, k: Any, v: Any, **more: Any) -> Any:
    return self._attend(q, k, v, **more)


FAULTS: dict[str, tuple[Any, str, Any, int]] = {
    "attention in chunks": (
        attention, "chunked_attention", _scaled(attention.chunked_attention), LONG,
    ),
    "packing": (sequence_packing.BlockDiagonalAttention, "__call__", _attending_to_all, SHORT),
    "gradient checkpointing": (
        gradient_checkpointing, "_gradients_before_input",
        lambda hidden, *own: [hidden * 1.02, *own], SHORT,
    ),
    "the loss in two halves": (losses, "_fused_loss", _scaled(losses._fused_loss), SHORT),
    "lean LoRA layers": (
        efficient_lora, "_sum_with_gradients_at_once", lambda linear, x, *_: linear(x), SHORT,
    ),
    "lean SwiGLU": (swiglu, "efficient_swiglu", _scaled(swiglu.efficient_swiglu), SHORT),
}  # fmt: skip


@pytest.mark.parametrize("longest", [SHORT, LONG])
def test_correct_paths_are_all_taken_and_the_model_is_unchanged(
    tiny_model: Path, longest: int
) -> None:
    model = load_base_model(tiny_model).model
    model.train()
    found = compared(model, longest)
    assert found.left_out == ()
    assert found.fast.is_packed
    assert found.fast.has_efficient_lora
    bare = load_base_model(tiny_model).model
    add_adapter(bare, CONFIG)
    key = random_key()
    expected = dict(tree_flatten(bare.parameters()))
    actual = dict(tree_flatten(model.parameters()))
    assert actual.keys() == expected.keys()
    assert all(mx.array_equal(actual[path], expected[path]).item() for path in actual)
    assert model.training
    assert random_key() == key


@pytest.mark.parametrize("path", FAULTS)
def test_a_path_that_differs_is_left_out_alone(
    path: str, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where, name, faulty, longest = FAULTS[path]
    monkeypatch.setattr(where, name, faulty)
    monkeypatch.setattr(swiglu, "uses_compile", lambda: True)
    found = compared(load_base_model(tiny_model).model, longest)
    assert found.left_out == (path,)


@pytest.mark.parametrize("is_right", [True, False])
def test_long_rows_of_their_own_are_compared_too(
    is_right: bool, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not is_right:
        monkeypatch.setattr(attention, "chunked_attention", _scaled(attention.chunked_attention))
    found = compared(load_base_model(tiny_model).model, LONG, is_packed=False)
    assert found.left_out == (() if is_right else ("attention in chunks",))


def test_a_run_names_the_path_it_goes_without(
    tiny_model: Path, chat_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(losses, "_fused_loss", _scaled(losses._fused_loss))
    config = TrainingConfig(model=tiny_model, data=chat_file, steps=1, output=tmp_path / "run")
    events = list(train(config))
    warnings = [event for event in events if isinstance(event, LogMessage) and event.is_warning]
    assert any("the loss in two halves" in message.text for message in warnings)
    assert isinstance(events[-1], RunFinished)
    assert events[-1].outcome == "finished"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("phi3small", "a token sees later tokens"),
        ("recurrent_gemma", "This model can't carry an adapter"),
    ],
)
def test_a_model_that_cant_be_trained_is_refused(name: str, reason: str) -> None:
    with pytest.raises(AppError, match=reason):
        compared(architectures.built(name))
