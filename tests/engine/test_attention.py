"""Attention in chunks gives MLX's numbers, for less memory, and only where it is switched on."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest

from app.core.config.training_config import TierConfig, TrainingConfig
from app.core.progress import drain
from app.engine.adapter.adapter import add_adapter
from app.engine.batches.batches import Batch, BatchLoader
from app.engine.evaluation.evaluation import Evaluator
from app.engine.execution import attention, model_execution
from app.engine.execution.attention import MIN_LENGTH, attention_in_chunks, chunked_attention
from app.engine.execution.model_execution import FastPaths
from app.engine.model.loading import load_base_model
from app.engine.model.model_structure import trainable_parameters
from app.engine.tiers.assignment import make_plan
from app.engine.tiers.optimizer import TieredAdamW
from app.engine.training.step import TrainingStep
from tests.engine.packed_models import adapted, examples

SCALE = 0.125


def _inputs(length: int, heads: int, key_heads: int, dtype: Any = mx.float32) -> tuple[Any, ...]:
    keys = mx.random.split(mx.random.key(length), 4)
    counts = (heads, key_heads, key_heads, heads)
    return tuple(
        mx.random.normal((2, count, length, 16), key=key).astype(dtype)
        for count, key in zip(counts, keys, strict=True)
    )


def _with_gradients(call: Callable[..., Any], inputs: tuple[Any, ...], mask: Any) -> list[Any]:
    *qkv, weight = inputs

    def total(*qkv: Any) -> Any:
        return (call(*qkv, scale=SCALE, mask=mask).astype(mx.float32) * weight).sum()

    loss, gradients = mx.value_and_grad(total, argnums=(0, 1, 2))(*qkv)
    return [loss, *gradients]


def _window(length: int) -> Any:
    rows, columns = mx.arange(length)[:, None], mx.arange(length)[None]
    return (columns <= rows) & (rows < columns + 20)


MASKS = {
    "none": lambda length: None,
    "causal": lambda length: "causal",
    "window": _window,
    "added": lambda length: mx.where(_window(length), 0.0, -1e9)[None, None],
    "one row for all": lambda length: (mx.arange(length) < length - 5)[None],
}


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("length", [64, 90])
@pytest.mark.parametrize("key_heads", [1, 2, 4])
def test_values_and_gradients_are_mlxs_own(
    mask: str, length: int, key_heads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attention, "CHUNK", 32)
    inputs = _inputs(length, 4, key_heads)
    mask_argument = MASKS[mask](length)
    ours = _with_gradients(chunked_attention, inputs, mask_argument)
    theirs = _with_gradients(mx.fast.scaled_dot_product_attention, inputs, mask_argument)
    for our, their in zip(ours, theirs, strict=True):
        assert our.dtype == their.dtype
        assert mx.allclose(our, their, rtol=1e-4, atol=1e-4).item()


@pytest.mark.parametrize(
    "shape", [(2, 4, 90, 90), (1, 4, 90, 90), (2, 1, 90, 90), (90, 90), (2, 4, 1, 90)]
)
def test_a_mask_that_is_added_gets_mlxs_gradient(
    shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attention, "CHUNK", 32)
    *qkv, weight = _inputs(90, 4, 2)
    added = mx.random.normal(shape, key=mx.random.key(1))

    def gradient(call: Callable[..., Any]) -> Any:
        def total(added: Any) -> Any:
            mask = mx.where(_window(90), added, -1e9)
            return (call(*qkv, scale=SCALE, mask=mask) * weight).sum()

        return mx.grad(total)(added)

    expected = gradient(mx.fast.scaled_dot_product_attention)
    assert mx.abs(expected).max().item() > 0.1
    assert mx.allclose(gradient(chunked_attention), expected, rtol=1e-4, atol=1e-4).item()


@pytest.mark.parametrize("shape", [(2, 4, 90, 90), (90, 90), (2, 4, 1, 90), (1, 90), (90, 1)])
def test_a_mask_of_any_shape_gets_a_gradient_of_its_shape(
    shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attention, "CHUNK", 32)
    *qkv, weight = _inputs(90, 4, 2)
    added = mx.random.normal(shape, key=mx.random.key(1))

    def gradient(call: Callable[..., Any]) -> Any:
        return mx.grad(lambda added: (call(*qkv, scale=SCALE, mask=added) * weight).sum())(added)

    expected = gradient(mx.fast.scaled_dot_product_attention)
    assert mx.allclose(gradient(chunked_attention), expected, rtol=1e-4, atol=1e-4).item()


def test_half_precision_stays_half_precision_and_close(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention, "CHUNK", 32)
    inputs = _inputs(90, 4, 2, mx.bfloat16)
    ours = _with_gradients(chunked_attention, inputs, "causal")
    exact = _with_gradients(
        mx.fast.scaled_dot_product_attention, tuple(a.astype(mx.float32) for a in inputs), "causal"
    )
    for our, true in zip(ours[1:], exact[1:], strict=True):
        assert our.dtype == mx.bfloat16
        largest = mx.abs(true).max()
        assert (mx.abs(our.astype(mx.float32) - true).max() < 0.03 * largest).item()


def _peak_of(call: Callable[..., Any]) -> int:
    inputs = _inputs(1536, 4, 4)
    mx.eval(inputs)
    active_before = mx.get_active_memory()
    mx.reset_peak_memory()
    mx.eval(_with_gradients(call, inputs, "causal"))
    return int(mx.get_peak_memory() - active_before)


def test_the_gradient_takes_half_of_the_memory() -> None:
    theirs = _peak_of(mx.fast.scaled_dot_product_attention)
    assert _peak_of(chunked_attention) < 0.5 * theirs


def _call(q: Any, k: Any, v: Any, **options: Any) -> Any:
    return mx.fast.scaled_dot_product_attention(q, k, v, scale=SCALE, **options)


@pytest.fixture
def lengths(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Of each sequence that is cut into chunks, in order."""
    noted: list[int] = []

    def recording(q: Any, *rest: Any, **options: Any) -> Any:
        noted.append(q.shape[2])
        return chunked_attention(q, *rest, **options)

    monkeypatch.setattr(attention, "chunked_attention", recording)
    return noted


def test_only_long_sequences_of_equal_length_are_cut(lengths: list[int]) -> None:
    q, k, v, _ = _inputs(MIN_LENGTH, 4, 4)
    with attention_in_chunks():
        _call(q, k, v, mask="causal")
        _call(q[:, :, 1:], k[:, :, 1:], v[:, :, 1:], mask="causal")
        _call(q[:, :, 100:], k, v)
        _call(q, k, v, sinks=mx.zeros((4,)))
    assert lengths == [MIN_LENGTH]


def test_mlxs_attention_is_restored_even_after_a_fault() -> None:
    original = mx.fast.scaled_dot_product_attention
    with pytest.raises(RuntimeError), attention_in_chunks():
        assert mx.fast.scaled_dot_product_attention is not original
        raise RuntimeError
    assert mx.fast.scaled_dot_product_attention is original


def _losses(path: Path, recompute: bool) -> list[float]:
    model = load_base_model(path).model
    config = TrainingConfig(rank=4, tiers=(TierConfig(1),), dropout=0.1)
    add_adapter(model, config)
    model.train()
    start = trainable_parameters(model)
    mx.eval(model.parameters())
    optimizer = TieredAdamW(make_plan(start, config))
    step = TrainingStep(model, optimizer, optimizer.init(start), start, recompute_layers=recompute)
    mx.random.seed(1)
    tokens = np.random.default_rng(0).integers(3, 250, (2, 90)).astype(np.int32)
    batch = Batch(tokens, np.ones(tokens.shape, np.float32))
    return [step.run([batch], number, 1e-2).loss for number in range(1, 4)]


@pytest.mark.parametrize("recompute", [False, True])
def test_steps_are_equal_with_and_without_it(
    tiny_model: Path, recompute: bool, lengths: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = _losses(tiny_model, recompute)
    assert lengths == []
    monkeypatch.setattr(attention, "CHUNK", 32)
    monkeypatch.setattr(attention, "MIN_LENGTH", 64)
    assert _losses(tiny_model, recompute) == pytest.approx(expected, rel=1e-5)
    # Recomputed layers call it again in the backward pass.
    layers = len(load_base_model(tiny_model).model.layers)
    assert len(lengths) == (2 if recompute else 1) * 3 * layers


def test_a_validation_takes_it_on_a_cpu_unless_the_run_goes_without(
    lengths: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attention, "CHUNK", 32)
    monkeypatch.setattr(attention, "MIN_LENGTH", 64)
    model = adapted("llama")
    rows = BatchLoader(examples([90, 80, 40, 30]), 4, is_packed=True)

    def loss(**fast: bool) -> tuple[float, list[int]]:
        lengths.clear()
        found: float = drain(Evaluator(model, FastPaths(**fast)).mean_loss(rows))
        return found, sorted(set(lengths))

    plain, none = loss(cuts_attention=False)
    assert none == []
    # Of each row the last token is predicted, not read.
    assert loss() == (pytest.approx(plain, rel=1e-6), [79, 89])
    monkeypatch.setattr(model_execution, "uses_compile", lambda: True)
    assert loss() == (plain, [])
