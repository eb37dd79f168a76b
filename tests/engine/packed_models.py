"""Small models with an adapter whose examples share rows, and steps that train them."""

import importlib
from typing import Any

import mlx.core as mx
import numpy as np

from app.core.config.training_config import TierConfig, TrainingConfig
from app.data.row_values import RowLocation
from app.data.tokens.token_view import TokenView
from app.data.tokens.tokenized_examples import TokenizedExample
from app.engine.adapter.adapter import add_adapter
from app.engine.model.lm_head import split_model
from app.engine.model.model_structure import trainable_parameters
from app.engine.tiers.assignment import make_plan
from app.engine.tiers.optimizer import TieredAdamW
from app.engine.training.step import TrainingStep

SIZES = {
    "hidden_size": 32, "num_hidden_layers": 4, "intermediate_size": 64, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 8, "rms_norm_eps": 1e-5, "vocab_size": 320,
    "tie_word_embeddings": True, "rope_theta": 1e4, "max_position_embeddings": 4096,
    "sliding_window": 12, "sliding_window_pattern": 2, "layer_norm_eps": 1e-5,
}  # fmt: skip
OWN: dict[str, dict[str, Any]] = {
    "mixtral": {"num_local_experts": 4, "num_experts_per_tok": 2},
    "gpt_oss": {
        "num_local_experts": 4, "num_experts_per_tok": 2,
        "layer_types": ["sliding_attention", "full_attention"] * 2,
    },
    "gpt2": {
        "n_positions": 512, "n_ctx": 512, "n_embd": 32, "n_layer": 4, "n_head": 4,
        "layer_norm_epsilon": 1e-5,
    },
    "mamba": {
        "state_size": 8, "conv_kernel": 4, "use_bias": False, "use_conv_bias": True,
        "time_step_rank": 4,
    },
    "lfm2": {
        "block_dim": 32, "block_ff_dim": 64, "block_multiple_of": 8, "norm_eps": 1e-5,
        "block_ffn_dim_multiplier": 1.0, "block_auto_adjust_ff_dim": False, "conv_bias": False,
        "conv_L_cache": 3, "full_attn_idxs": [1, 3],
    },
    "rwkv7": {
        "head_dim": 16, "a_low_rank_dim": 8, "v_low_rank_dim": 8, "gate_low_rank_dim": 8,
        "decay_low_rank_dim": 8, "norm_eps": 1e-5,
    },
    "nanbeige": {"num_loops": 2},
    "llama4": {
        "model_type": "llama4_text", "attention_bias": False, "attention_chunk_size": 40,
        "interleave_moe_layer_step": 1, "intermediate_size_mlp": 64, "num_local_experts": 2,
        "num_experts_per_tok": 1, "rope_scaling": None, "use_qk_norm": False,
    },
}  # fmt: skip
PACKED = ["llama", "qwen3", "gemma3_text", "mixtral", "gpt_oss", "cohere2"]
LENGTHS = [61, 23, 17, 9, 40, 12, 2, 3, 30, 30, 8, 5]


def build(kind: str, dtype: Any = mx.float32) -> Any:
    module: Any = importlib.import_module(f"mlx_lm.models.{kind}")
    mx.random.seed(3)
    sizes = {**SIZES, "model_type": kind, **OWN.get(kind, {})}
    if kind == "llama4":
        sizes = {"model_type": kind, "text_config": sizes}
    model = module.Model(module.ModelArgs.from_dict(sizes))
    if kind == "gemma3_text":
        model.sanitize({})
    model.set_dtype(dtype)
    mx.eval(model.parameters())
    return model


def adapted(kind: str, dropout: float = 0.0) -> Any:
    model = build(kind)
    add_adapter(model, TrainingConfig(rank=4, dropout=dropout))
    move_adapter(model)
    model.train()
    mx.eval(model.parameters())
    return model


def move_adapter(model: Any) -> None:
    """A fresh adapter's output is zero, and so is the gradient of half of it."""
    for module in model.modules():
        if "lora_b" in module:
            module.lora_b = mx.random.normal(module.lora_b.shape) * 0.02


def examples(lengths: list[int] = LENGTHS) -> TokenView:
    random = np.random.default_rng(0)
    return TokenView.of(
        TokenizedExample(
            tuple(random.integers(3, 250, n).tolist()), ((max(1, n // 3), n),), RowLocation(line)
        )
        for line, n in enumerate(lengths)
    )


def training_step(recompute: bool = False, **options: Any) -> TrainingStep:
    model = adapted("llama")
    start = trainable_parameters(model)
    config = TrainingConfig(rank=4, tiers=(TierConfig(1), TierConfig(2)))
    optimizer = TieredAdamW(make_plan(start, config))
    return TrainingStep(
        model, optimizer, optimizer.init(start), start, head=split_model(model),
        recompute_layers=recompute, **options,
    )  # fmt: skip
