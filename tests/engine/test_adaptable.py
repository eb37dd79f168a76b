"""Modules that can't carry an adapter stay without, and mlx-lm loads the adapter of the others."""

from typing import Any

import mlx.core as mx
import mlx.nn as nn

from app.core.config.training_config import TrainingConfig
from app.engine.adapter.adaptable_modules import adaptable, unfit
from app.engine.adapter.adapter import adapter_config, add_adapter
from app.engine.model.model_structure import trainable_parameters
from tests.engine import architectures


class Layer(nn.Module):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.called, self.read, self.unused = (nn.Linear(4, 4) for _ in range(3))

    def __call__(self, x: Any) -> Any:
        return self.called(x) @ self.read.weight.T


class Model(nn.Module):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(8, 4)
        self.layers = [Layer(), Layer()]

    def __call__(self, tokens: Any) -> Any:
        hidden = self.embed(tokens)
        for layer in self.layers:
            hidden = layer(hidden)
        return hidden


def test_a_module_whose_weights_the_models_code_reads_itself_is_unfit() -> None:
    model = Model()
    assert unfit(model, adaptable(model.layers)) == ["read"]
    assert type(model.layers[0].read) is nn.Linear
    assert not hasattr(model.layers[0].read, "_reads")


class Remembering(Model):
    """Evaluating, it keeps what it made of a weight; training, it makes it again (as kimi_k3)."""

    def __call__(self, tokens: Any) -> Any:
        if self.training or not hasattr(self, "_made"):
            self._made = self.layers[0].read.weight * 2
        return self.embed(tokens) @ self._made


def test_a_weight_that_is_read_in_one_mode_alone_is_seen() -> None:
    model = Remembering()
    model.eval()
    model(mx.zeros((1, 4), mx.int32))
    assert unfit(model, adaptable(model.layers)) == ["read"]
    assert not model.training


def test_only_the_others_get_an_adapter_and_mlx_lm_gets_their_names() -> None:
    model, config = Model(), TrainingConfig(rank=2)
    assert add_adapter(model, config) == ("read",)
    assert {path.split(".")[2] for path in trainable_parameters(model)} == {"called", "unused"}
    keys = adapter_config(model, config)["lora_parameters"]["keys"]
    assert set(keys) == {"called", "unused"}


def test_a_module_with_an_adapter_that_mlx_lm_does_not_load_is_unfit() -> None:
    model, config = architectures.built("afm7"), TrainingConfig(rank=2)
    assert add_adapter(model, config) == ("self_attn.qkv_proj",)
    keys = adapter_config(model, config)["lora_parameters"]["keys"]
    assert "self_attn.q_proj" in keys
    assert "self_attn.qkv_proj" not in keys


def test_when_all_modules_fit_no_names_are_written() -> None:
    model, config = architectures.built("llama"), TrainingConfig(rank=2)
    assert add_adapter(model, config) == ()
    assert "keys" not in adapter_config(model, config)["lora_parameters"]
    assert mx.isfinite(model(mx.zeros((1, 3), mx.int32))).all().item()
