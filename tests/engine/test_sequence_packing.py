"""Packed examples: the loss, the gradients and the steps of each alone, or not packed at all."""

from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import pytest
from mlx.utils import tree_flatten

from app.core.progress import drain
from app.engine.batches.batches import Batch, BatchLoader, BatchShape
from app.engine.evaluation.evaluation import Evaluator
from app.engine.execution import attention
from app.engine.execution.attention import attention_in_chunks
from app.engine.execution.losses import loss_inputs, sum_cross_entropy
from app.engine.execution.model_execution import FastPaths
from app.engine.execution.sequence_packing import packed_attention, supports_packing
from app.engine.model.lm_head import split_model
from app.engine.runtime.distributed import ALONE, Machines
from tests.engine.packed_models import PACKED, adapted, build, examples, training_step

SHAPES = [BatchShape((61, 30, 17, 5), is_packed=True)]


def alone(batch: Batch) -> list[Batch]:
    """Each example of a packed batch as a batch of its own, without what fills it up."""
    rows = []
    for number in range(len(batch.places)):
        part = batch.part([number])
        count = max(2, int((part.tokens[0] > 0).sum()))
        if part.trained_tokens:
            rows.append(Batch(part.tokens[:, :count], part.trained[:, :count]))
    return rows


def loss_and_gradient(model: Any, head: Any, batch: Batch) -> tuple[Any, dict[str, Any]]:
    def loss(*inputs: Any) -> Any:
        return sum_cross_entropy(model, head, *inputs)

    weights = model.trainable_parameters()
    with attention_in_chunks(), packed_attention(batch.input_lengths):
        found, tree = nn.value_and_grad(model, loss)(*loss_inputs(batch, head))
    model.update(weights)
    return found, dict(tree_flatten(tree))


@pytest.mark.parametrize("with_head", [True, False])
@pytest.mark.parametrize("kind", PACKED)
def test_loss_and_gradients_are_those_of_each_example_alone(kind: str, with_head: bool) -> None:
    """Windows of 12 tokens in gemma3, gpt_oss and cohere2, experts in mixtral and gpt_oss."""
    model = adapted(kind)
    head = split_model(model) if with_head else None
    assert (head is not None) == with_head
    for batch in BatchLoader(examples(), 4, is_packed=True).once():
        loss, gradients = loss_and_gradient(model, head, batch)
        single = [loss_and_gradient(model, head, example) for example in alone(batch)]
        assert len(single) == 4
        assert loss.item() == pytest.approx(sum(s.item() for s, _ in single), rel=1e-6)
        for path, gradient in gradients.items():
            expected = mx.sum(mx.stack([own[path] for _, own in single]), axis=0)
            largest = mx.max(mx.abs(expected)).item()
            assert mx.max(mx.abs(gradient - expected)).item() <= 1e-5 * largest, path


@pytest.mark.parametrize("kind", PACKED)
def test_a_model_that_gives_the_same_is_packed(kind: str) -> None:
    model = build(kind)
    assert supports_packing(model, split_model(model), SHAPES)


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("gpt2", "learned positions"),
        ("gemma2", "an attention of its own"),
        ("mamba", "a state and a convolution"),
        ("lfm2", "convolutions in some layers"),
        ("rwkv7", "a state, which its first weights leave at zero"),
        ("llama4", "attention in blocks that are counted from the row's beginning"),
    ],
)
def test_a_model_that_gives_something_else_is_not_packed(kind: str, why: str) -> None:
    model = build(kind)
    tokens = mx.zeros((1, 5), mx.int32)
    assert model(tokens).shape[-1] == 320, why
    assert not supports_packing(model, split_model(model), SHAPES)


def test_blocks_longer_than_every_batch_do_not_prevent_packing() -> None:
    model = build("llama4")
    assert supports_packing(model, split_model(model), [BatchShape((10, 8, 3), is_packed=True)])


def test_a_model_that_gives_nan_is_not_packed() -> None:
    model = build("llama")
    model.model.norm.weight = model.model.norm.weight * float("nan")
    assert not supports_packing(model, None, SHAPES)


@pytest.mark.parametrize("kind", ["llama", "qwen3", "gemma3_text", "gpt2", "lfm2"])
def test_half_precision_rounding_is_not_taken_for_a_leak(kind: str) -> None:
    """Rounded rotary positions are no leak between examples."""
    model = build(kind, mx.bfloat16)
    assert supports_packing(model, split_model(model), SHAPES) == (kind in PACKED)


def test_the_trial_leaves_the_model_as_it_was() -> None:
    model = adapted("llama", dropout=0.5)
    before = dict(tree_flatten(model.parameters()))
    own = mx.fast.scaled_dot_product_attention
    assert supports_packing(model, split_model(model), SHAPES)
    assert model.training
    assert mx.fast.scaled_dot_product_attention is own
    assert all(array is before[path] for path, array in tree_flatten(model.parameters()))


def test_examples_of_equal_length_share_a_call_unless_their_masks_differ() -> None:
    shapes: list[tuple[int, ...]] = []
    original = mx.fast.scaled_dot_product_attention

    def recording(q: Any, *rest: Any, **more: Any) -> Any:
        shapes.append(q.shape)
        return original(q, *rest, **more)

    q, k, v = (mx.random.normal((1, heads, 18, 8)) for heads in (4, 2, 2))
    parts = [slice(0, 5), slice(5, 10), slice(10, 15), slice(15, 18)]
    window = mx.arange(18)[:, None] - mx.arange(18)
    window = (window >= 0) & (window < 3)
    mx.fast.scaled_dot_product_attention = recording
    try:
        for mask in ("causal", window):
            expected = [
                original(
                    q[:, :, p], k[:, :, p], v[:, :, p], scale=0.3,
                    mask=mask if isinstance(mask, str) else mask[p, p],
                )
                for p in parts
            ]  # fmt: skip
            with packed_attention((5, 5, 5, 3)):
                found = mx.fast.scaled_dot_product_attention(q, k, v, scale=0.3, mask=mask)
            assert mx.allclose(found, mx.concatenate(expected, axis=2), atol=1e-6).item()
    finally:
        mx.fast.scaled_dot_product_attention = original
    assert [shape[0] for shape in shapes] == [3, 1, 1, 1, 1, 1]


def test_attention_over_anything_but_the_row_is_refused() -> None:
    q = mx.zeros((1, 2, 6, 4))
    original = mx.fast.scaled_dot_product_attention
    for wrong in (q[:, :, :5], mx.concatenate([q, q])):
        with pytest.raises(ValueError, match="packed row"), packed_attention((4, 2)):
            mx.fast.scaled_dot_product_attention(wrong, wrong, wrong, scale=1.0)
    assert mx.fast.scaled_dot_product_attention is original


@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize("is_compiled", [False, True])
def test_packed_steps_are_unpacked_ones(
    recompute: bool, is_compiled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where long examples are cut, layers recomputed, and shapes of one size compiled."""
    monkeypatch.setattr(attention, "CHUNK", 8)
    monkeypatch.setattr(attention, "MIN_LENGTH", 16)
    for module in ("training.step", "training.gradients", "evaluation.evaluation"):
        if is_compiled:
            monkeypatch.setattr(f"app.engine.{module}.maybe_compile", mx.compile)
    packed, plain = training_step(recompute), training_step(recompute)
    random = np.random.default_rng(0)
    # One number of tokens, three ways of lying in the row.
    for number, places in enumerate([(30, 6, 5), (20, 11, 10), (14, 14, 13), (30, 6, 5)], 1):
        tokens = random.integers(3, 250, (1, 41)).astype(np.int32)
        trained = np.ones((1, 41), np.float32)
        trained[0, [0, *np.cumsum(places)[:-1]]] = 0.0
        batch = Batch(tokens, trained, places)
        ours = packed.run([batch], number, 1e-2)
        theirs = plain.run(alone(batch), number, 1e-2)
        assert ours.trained_tokens == theirs.trained_tokens == 38
        assert ours.loss == pytest.approx(theirs.loss, rel=1e-5)
        assert ours.gradient_norm == pytest.approx(theirs.gradient_norm, rel=1e-4)
        assert ours.movement.fired == theirs.movement.fired
        evaluators = [Evaluator(step._model, step._gradients._fast) for step in (packed, plain)]
        losses = [e._loss(batch).item() for e in evaluators]
        assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_validation_of_packed_batches_is_that_of_rows() -> None:
    model = adapted("gemma3_text")
    evaluator = Evaluator(model, FastPaths(split_model(model)))
    losses = [
        drain(evaluator.mean_loss(BatchLoader(examples(), 4, is_packed=is_packed)))
        for is_packed in (False, True)
    ]
    assert losses[1] == pytest.approx(losses[0], rel=1e-6)


@pytest.mark.parametrize("count", [2, 4])
def test_machines_share_a_packed_batch_without_gap_or_overlap(count: int) -> None:
    places = (90, 40, 21, 20, 12, 9, 5, 3)
    tokens = np.arange(200, dtype=np.int32)[None]
    batch = Batch(tokens, np.ones((1, 200), np.float32), places)
    shares = [Machines(rank, count).share(batch) for rank in range(count)]
    assert all(len(share.places) == 8 // count for share in shares)
    found = np.concatenate([share.tokens for share in shares], axis=1)
    assert sorted(found.reshape(-1).tolist()) == tokens.reshape(-1).tolist()
    if count == 2:
        assert [share.places for share in shares] == [(90, 20, 12, 3), (40, 21, 9, 5)]


def test_the_gradients_of_two_machines_add_up_to_those_of_one() -> None:
    batch = next(BatchLoader(examples(), 4, is_packed=True).once())

    def found(machines: Machines = ALONE) -> Any:
        step = training_step(machines=machines)
        return step._gradients._own_sum(step._vectors, [batch], (0, 1))

    whole = found()
    shares = [found(Machines(rank, 2)) for rank in (0, 1)]
    assert sum(loss.item() for loss, _ in shares) == pytest.approx(whole[0].item(), rel=1e-5)
    for tier, gradient in whole[1].items():
        total = shares[0][1][tier] + shares[1][1][tier]
        assert mx.allclose(total, gradient, rtol=1e-3, atol=1e-4 * mx.max(mx.abs(gradient)).item())
