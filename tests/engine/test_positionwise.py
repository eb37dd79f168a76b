"""What the last layer computes for each position alone is computed where a token is trained."""

from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import mlx.core as mx
import numpy as np
import pytest

from app.engine.batches.batches import Batch, Batches
from app.engine.execution.attention import attention_in_chunks
from app.engine.execution.gradient_checkpointing import layers_recomputed
from app.engine.execution.losses import computing_only_trained, loss_inputs, summed_loss
from app.engine.execution.sequence_packing import attention_within
from app.engine.model.lm_head import find_head
from tests.engine.packed_models import PACKED, adapted, build, examples, training_step

ALL = {
    **{kind: "mlp" for kind in PACKED if kind != "mixtral"},
    "mixtral": "block_sparse_moe", "gpt2": "mlp", "lfm2": "feed_forward",
    "llama4": "feed_forward", "olmo2": "mlp", "phi3": "mlp", "starcoder2": "mlp",
}  # fmt: skip


def _head(model: Any) -> Any:
    model.freeze()
    return find_head(model)


@pytest.mark.parametrize("kind", ALL)
def test_the_feed_forward_part_is_found_and_nothing_else(kind: str) -> None:
    (found,) = _head(build(kind)).positionwise
    assert found.endswith(f".3.{ALL[kind]}")


@pytest.mark.parametrize("kind", ["llama", "qwen3", "gemma3_text", "cohere2"])
def test_it_is_found_in_half_precision(kind: str) -> None:
    assert _head(build(kind, mx.bfloat16)).positionwise


def test_what_mixes_positions_is_not_found() -> None:
    assert _head(build("mamba")).positionwise == ()


def test_a_feed_forward_part_that_looks_at_the_token_before_is_not_found() -> None:
    model = build("rwkv7")
    ffn = model.layers[-1].ffn
    assert _head(model).positionwise  # its share of the token before being 0
    ffn.x_k = mx.random.uniform(0.3, 0.7, ffn.x_k.shape)
    assert _head(model).positionwise == ()


@pytest.mark.parametrize("dtype", [mx.float32, mx.bfloat16], ids=str)
def test_one_that_looks_there_a_little_is_not_found_either(dtype: Any) -> None:
    model = build("rwkv7", dtype)
    ffn = model.layers[-1].ffn
    ffn.x_k = mx.full(ffn.x_k.shape, 0.03, dtype)
    assert _head(model).positionwise == ()


@pytest.mark.parametrize("dtype", [mx.float32, mx.bfloat16], ids=str)
@pytest.mark.parametrize("kind", ["nanbeige", "iquestloopcoder"])
def test_where_layers_are_passed_twice_none_is_found(kind: str, dtype: Any) -> None:
    """Attention reads what the last layer gave, but so little of it that it hardly shows."""
    model = build(kind, dtype)
    for layer in model.layers:
        layer.self_attn.o_proj.weight *= 0.1
    head = _head(model)
    assert head is not None
    assert head.positionwise == ()


@pytest.mark.parametrize("weight", [0.0, float("nan")])
def test_one_of_which_nothing_is_seen_is_left_alone(weight: float) -> None:
    model = build("llama")
    down = model.layers[-1].mlp.down_proj
    down.weight = mx.full(down.weight.shape, weight)
    head = _head(model)
    assert head is None or head.positionwise == ()


def _loss_and_gradients(model: Any, batch: Batch, narrowed: bool, recompute: bool) -> Any:
    head = find_head(model)
    inputs = loss_inputs(batch, head)
    held = model.trainable_parameters()

    def loss(parameters: Any) -> Any:
        from mlx.utils import tree_flatten

        model.update(parameters)
        taught = {path for path, _ in tree_flatten(parameters)}
        with layers_recomputed(model, recompute, taught):
            return summed_loss(model, head, *inputs)

    only = computing_only_trained(head, *inputs) if narrowed else nullcontext()
    with only, attention_in_chunks(), attention_within(batch.read_lengths):
        found = mx.value_and_grad(loss)(held)
        mx.eval(found)
    model.update(held)
    return found


def _batch(is_packed: bool) -> Batch:
    return next(Batches(examples(), 4, is_packed=is_packed, has_free_shapes=True).endless(0))


def _mostly_untrained(batch: Batch) -> Batch:
    keep = np.random.default_rng(4).random(batch.trained.shape) < 0.4
    return Batch(batch.tokens, batch.trained * keep, batch.places)


@pytest.mark.parametrize("recompute", [False, True], ids=["kept", "recomputed"])
@pytest.mark.parametrize("is_packed", [False, True], ids=["rows", "packed"])
@pytest.mark.parametrize("kind", PACKED)
def test_loss_and_gradients_are_those_of_the_whole(
    kind: str, is_packed: bool, recompute: bool
) -> None:
    from mlx.utils import tree_flatten

    model, batch = adapted(kind), _mostly_untrained(_batch(is_packed))
    (loss, some), (true_loss, whole) = (
        _loss_and_gradients(model, batch, narrowed, recompute) for narrowed in (True, False)
    )
    assert loss.item() == pytest.approx(true_loss.item(), rel=1e-5)
    true = dict(tree_flatten(whole))
    for path, gradient in tree_flatten(some):
        assert mx.allclose(gradient, true[path], rtol=1e-3, atol=1e-4).item(), path
        assert mx.any(gradient != 0).item() == mx.any(true[path] != 0).item(), path


def test_positions_that_fill_up_add_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    from mlx.utils import tree_flatten

    model, batch = adapted("llama"), _mostly_untrained(_batch(is_packed=False))
    _, exact = _loss_and_gradients(model, batch, True, False)
    # As where shapes are compiled: the trained positions are filled up with repetitions.
    monkeypatch.setattr("app.engine.execution.losses.compiles", lambda: True)
    monkeypatch.setattr("app.engine.execution.losses.chunk_rows", lambda _: 16)
    inputs = loss_inputs(batch, find_head(model))
    assert inputs[1].size > int(inputs[3].sum().item())
    _, filled = _loss_and_gradients(model, batch, True, False)
    true = dict(tree_flatten(exact))
    for path, gradient in tree_flatten(filled):
        assert mx.allclose(gradient, true[path], rtol=1e-3, atol=1e-4).item(), path


def _watched(model: Any, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows the last layer's feed-forward part is given, call by call."""
    seen, part = [], model.layers[-1].mlp
    kind = type(part)
    original = kind.__call__

    def call(self: Any, x: Any) -> Any:
        if self is part:
            seen.append(x.shape[0] * x.shape[1])
        return original(self, x)

    monkeypatch.setattr(kind, "__call__", call)
    return seen


def test_a_step_computes_only_trained_positions(monkeypatch: pytest.MonkeyPatch) -> None:
    step, batch = training_step(), _mostly_untrained(_batch(is_packed=True))
    kind = type(step._model.layers[-1].mlp)
    seen = _watched(step._model, monkeypatch)
    step.run([batch], 1, 1e-2)
    assert seen == [batch.trained_tokens]
    assert type(step._model.layers[-1].mlp) is kind


def test_where_nearly_all_are_trained_none_are_picked(monkeypatch: pytest.MonkeyPatch) -> None:
    step, batch = training_step(), _batch(is_packed=True)
    seen = _watched(step._model, monkeypatch)
    step.run([Batch(batch.tokens, np.ones_like(batch.trained), batch.places)], 1, 1e-2)
    assert seen == [batch.read.size]


@pytest.mark.parametrize("recompute", [False, True])
def test_compiled_steps_are_those_of_the_whole(
    recompute: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.engine.training.step.compiled", mx.compile)
    monkeypatch.setattr("app.engine.training.gradients.compiled", mx.compile)
    some, whole = training_step(recompute), training_step(recompute)
    taken = whole._gradients
    head = replace(taken._fast.head, positionwise=())
    taken._fast = replace(taken._fast, head=head)
    batches = Batches(examples(), 4, is_packed=False).endless(0)
    for number, batch in zip(range(1, 6), batches, strict=False):
        ours, theirs = (s.run([_mostly_untrained(batch)], number, 1e-2) for s in (some, whole))
        assert ours.loss == pytest.approx(theirs.loss, rel=1e-5)
        assert ours.gradient_norm == pytest.approx(theirs.gradient_norm, rel=1e-4)
        assert ours.movement.fired == theirs.movement.fired
