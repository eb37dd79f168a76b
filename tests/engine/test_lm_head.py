"""The fused loss: equal to the loss of all logits, for every head that is found, and only there."""

from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import pytest
from mlx.utils import tree_flatten
from mlx_lm.models import cohere, gemma2, llama

from app.core.config.training_config import TrainingConfig
from app.core.progress import drain
from app.engine.adapter.adapter import add_adapter
from app.engine.batches.batches import Batch, BatchLoader
from app.engine.evaluation.evaluation import Evaluator
from app.engine.execution import losses
from app.engine.execution.losses import (
    exact_answers,
    loss_inputs,
    sum_cross_entropy,
    sum_cross_entropy_eval,
)
from app.engine.execution.model_execution import FastPaths
from app.engine.model.lm_head import SplitModel, split_model

SIZES = {
    "hidden_size": 32, "num_hidden_layers": 2, "intermediate_size": 64, "num_attention_heads": 4,
    "num_key_value_heads": 2, "rms_norm_eps": 1e-5, "vocab_size": 320, "head_dim": 8,
    "layer_norm_eps": 1e-5,
}  # fmt: skip


class Scaled(nn.Module):
    """A model whose head is none of mlx-lm's: a norm, a product, a shift and a soft cap."""

    def __init__(self) -> None:
        super().__init__()
        inner = build("llama-tied")
        self.language_model = inner.model
        self.final = nn.RMSNorm(32)
        self.out = nn.Linear(32, 320)

    def __call__(self, tokens: Any) -> Any:
        return 7 * mx.tanh(self.out(self.final(self.language_model(tokens))) / 7)

    @property
    def layers(self) -> Any:
        return self.language_model.layers


class Mixing(Scaled):
    """Its head looks at the position before: rows can't be taken alone."""

    def __call__(self, tokens: Any) -> Any:
        hidden = self.language_model(tokens)
        return self.out(hidden + mx.pad(hidden[:, :-1], [(0, 0), (1, 0), (0, 0)]))


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.proj = nn.Linear(32, 32)

    def __call__(self, hidden: Any) -> Any:
        return self.proj(hidden)


class Flat(nn.Module):
    """Its layers belong to the model itself: there is no trunk."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(320, 32)
        self.layers = [Block(), Block()]

    def __call__(self, tokens: Any) -> Any:
        hidden = self.embed(tokens)
        for layer in self.layers:
            hidden = hidden + layer(hidden)
        return self.embed.as_linear(hidden)


def build(kind: str) -> Any:
    mx.random.seed(3)
    if kind in ("scaled", "mixing", "flat"):
        return {"scaled": Scaled, "mixing": Mixing, "flat": Flat}[kind]()
    module = {"gemma2": gemma2, "cohere": cohere}.get(kind, llama)
    config = {**SIZES, "model_type": kind, "tie_word_embeddings": kind != "llama-untied"}
    model = module.Model(module.ModelArgs.from_dict(config))  # type: ignore[attr-defined]
    if kind == "quantised":
        nn.quantize(model, group_size=32, bits=4)
    return model


FOUND = ["llama-tied", "llama-untied", "quantised", "gemma2", "cohere", "scaled"]


def adapted(kind: str) -> Any:
    model = build(kind)
    add_adapter(model, TrainingConfig(rank=4, num_layers=2))
    # A fresh adapter's output is zero, and so is the gradient of half of it.
    for module in model.modules():
        if "lora_b" in module:
            module.lora_b = mx.random.normal(module.lora_b.shape) * 0.02
    mx.eval(model.parameters())
    return model


def batch(rows: int = 3, length: int = 16, share: float = 0.4, seed: int = 0) -> Batch:
    random = np.random.default_rng(seed)
    trained = (random.random((rows, length)) < share).astype(np.float32)
    trained[:, 0], trained[0, 1] = 0.0, 1.0
    return Batch(random.integers(3, 250, (rows, length)).astype(np.int32), trained)


def loss_and_gradient(
    model: Any, head: SplitModel | None, of: Batch
) -> tuple[float, dict[str, Any]]:
    step = nn.value_and_grad(model, lambda *inputs: sum_cross_entropy(model, head, *inputs))
    loss, tree = step(*loss_inputs(of, head))
    return loss.item() / of.trained_tokens, dict(tree_flatten(tree))


def assert_equal(model: Any, head: SplitModel | None, of: Batch, relative: float = 1e-5) -> None:
    full, expected = loss_and_gradient(model, None, of)
    fused, gradients = loss_and_gradient(model, head, of)
    assert fused == pytest.approx(full, abs=1e-5)
    largest = max(mx.max(mx.abs(g)).item() for g in expected.values())
    assert largest > 0
    for path, gradient in expected.items():
        assert mx.max(mx.abs(gradients[path] - gradient)).item() <= relative * largest


@pytest.mark.parametrize("kind", FOUND)
@pytest.mark.parametrize("share", [0.05, 0.4, 1.0])
def test_the_fused_loss_and_its_gradient_are_those_of_all_logits(kind: str, share: float) -> None:
    model = adapted(kind)
    head = split_model(model)
    assert head is not None
    assert_equal(model, head, batch(share=share))


def test_many_chunks_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    model = adapted("gemma2")
    monkeypatch.setattr(losses, "CHUNK_ROWS", (4, 4))
    assert_equal(model, split_model(model), batch(share=0.8))


def test_padding_to_a_common_size_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    model = adapted("cohere")
    head = split_model(model)
    monkeypatch.setattr(losses, "CHUNK_ROWS", (8, 8))
    monkeypatch.setattr(losses, "uses_compile", lambda: True)
    assert head is not None
    sizes = {loss_inputs(batch(6, 32, share=s), head)[1].size for s in np.linspace(0, 1, 99)}
    assert sizes <= {8, 16, 24, 32, 48, 64, 96, 128, 192}
    assert_equal(model, head, batch(share=0.3))


def test_a_compiled_loss_sees_new_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    model = adapted("llama-tied")
    head = split_model(model)
    step = mx.compile(lambda *inputs: sum_cross_entropy(model, head, *inputs), inputs=[model.state])
    inputs = loss_inputs(batch(), head)
    before = step(*inputs).item()
    for module in model.modules():
        if "lora_b" in module:
            module.lora_b = module.lora_b + 0.1
    after = step(*inputs).item()
    assert after != pytest.approx(before)
    assert after == pytest.approx(
        sum_cross_entropy(model, None, *loss_inputs(batch(), None)).item(), 1e-5
    )


@pytest.mark.parametrize("kind", ["flat", "mixing"])
def test_where_no_head_agrees_all_logits_are_used(kind: str) -> None:
    model = adapted(kind)
    assert split_model(model) is None
    assert_equal(model, None, batch())


def test_a_trained_head_is_not_taken_apart() -> None:
    model = adapted("llama-tied")
    model.model.embed_tokens.unfreeze()
    assert split_model(model) is None


def test_a_model_of_numbers_that_are_none_keeps_its_own_logits() -> None:
    model = adapted("llama-tied")
    model.model.norm.weight = model.model.norm.weight * float("nan")
    assert split_model(model) is None


def test_the_search_leaves_the_model_as_it_was() -> None:
    model = adapted("gemma2")
    trunk, before = model.model, dict(tree_flatten(model.parameters()))
    split_model(model)
    assert model.model is trunk
    after = dict(tree_flatten(model.parameters()))
    assert list(after) == list(before)
    assert all(after[path] is before[path] for path in before)
    assert model.training


@pytest.mark.parametrize("dtype", [mx.float16, mx.bfloat16])
def test_half_precision_agrees_to_its_own_precision(dtype: Any) -> None:
    model = adapted("llama-untied")
    model.set_dtype(dtype)
    head = split_model(model)
    assert head is not None
    full = sum_cross_entropy_eval(model, None, *loss_inputs(batch(), None)).item()
    assert sum_cross_entropy_eval(model, head, *loss_inputs(batch(), head)).item() == pytest.approx(
        full, rel=1e-2
    )


def test_validation_and_answers_are_those_of_all_logits() -> None:
    model = adapted("scaled")
    head = split_model(model)
    of = batch(5, 20)
    tokens = mx.array(of.tokens)
    guess = np.array(mx.argmax(model(tokens[:, :-1]), axis=-1))
    right = Batch(of.tokens.copy(), of.trained.copy())
    right.trained[:] = 0.0
    right.trained[:3, 5] = 1.0
    right.tokens[:2, 5] = guess[:2, 4]
    assert exact_answers(model, right, head) == exact_answers(model, right, None)
    assert exact_answers(model, right, head)[2:] == [
        bool(guess[2, 4] == of.tokens[2, 5]),
        True,
        True,
    ]

    class Once(BatchLoader):
        def __init__(self) -> None:
            pass

        def __len__(self) -> int:
            return 1

        def once(self) -> Any:
            yield of

    whole = drain(Evaluator(model).mean_loss(Once()))
    in_two_halves = Evaluator(model, FastPaths(head))
    assert drain(in_two_halves.mean_loss(Once())) == pytest.approx(whole, abs=1e-5)
