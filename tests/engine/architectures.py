"""Small models of mlx-lm's architectures, with random weights, and what each needs to be built.

Knows nothing of training.
"""

import importlib
import json
import pkgutil
import shutil
from pathlib import Path
from typing import Any

import mlx.core as mx

from app.engine.runtime.mlx_runtime import import_mlx_lm

STARTER = Path(__file__).parents[2] / "resources" / "starter" / "model"

COMMON: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "vocab_size": 1536,
    "max_position_embeddings": 1024,
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
    "tie_word_embeddings": False,
    # Mixtures of experts.
    "moe_intermediate_size": 32,
    "num_experts": 4,
    "num_experts_per_tok": 2,
    "num_local_experts": 4,
    "n_routed_experts": 4,
    "n_shared_experts": 1,
    "num_shared_experts": 1,
    "shared_expert_intermediate_size": 32,
    "moe_shared_expert_intermediate_size": 32,
    "first_k_dense_replace": 1,
    "decoder_sparse_step": 1,
    "mlp_only_layers": [],
    "norm_topk_prob": True,
    "n_group": 1,
    "topk_group": 1,
    "routed_scaling_factor": 1.0,
    # Latent attention.
    "kv_lora_rank": 16,
    "q_lora_rank": 16,
    "qk_rope_head_dim": 8,
    "qk_nope_head_dim": 8,
    "v_head_dim": 8,
    "index_head_dim": 16,
    "index_n_heads": 2,
    "index_topk": 2048,
    # Linear attention and states.
    "linear_num_value_heads": 4,
    "linear_num_key_heads": 2,
    "linear_key_head_dim": 32,
    "linear_value_head_dim": 32,
    "linear_conv_kernel_dim": 4,
    "full_attention_interval": 3,
    "layer_group_size": 2,
    "group_norm_size": 1,
    "state_size": 16,
    "conv_kernel": 4,
    "n_groups": 1,
    "sliding_window": 64,
    "partial_rotary_factor": 0.5,
    "attention_bias": False,
    "mlp_bias": False,
    "layer_norm_eps": 1e-5,
    "layer_norm_epsilon": 1e-5,
    "norm_eps": 1e-5,
    "norm_epsilon": 1e-5,
}
"""The usual names of sizes; each architecture takes those it knows."""

_SLIDING = ["sliding_attention", "full_attention", "sliding_attention"]
_SCALED = {"logits_scaling": 1.0, "attention_multiplier": 0.3, "embedding_multiplier": 2.0,
           "residual_multiplier": 0.5}  # fmt: skip
_MAMBA = {"mamba_d_conv": 4, "mamba_d_state": 16, "mamba_expand": 2}
_GPT = {"n_embd": 32, "n_head": 4, "n_layer": 3, "n_positions": 1024, "n_ctx": 1024, "n_inner": 64}
_MINICPM = {"dim_model_base": 32, "scale_depth": 1.4, "scale_emb": 2.0}
_LONGCAT = {
    "attention_method": "MLA", "zero_expert_type": "identity", "ffn_hidden_size": 64, "moe_topk": 2,
    "expert_ffn_hidden_size": 32, "zero_expert_num": 2, "num_layers": 3, "mla_scale_q_lora": True,
    "mla_scale_kv_lora": True,
}  # fmt: skip
_YARN = {
    "type": "yarn", "rope_type": "yarn", "factor": 4.0, "rope_theta": 10000.0,
    "original_max_position_embeddings": 256, "beta_fast": 32.0, "beta_slow": 1.0,
    "mscale": 1.0, "mscale_all_dim": 1.0, "llama_4_scaling_beta": 0.1,
}  # fmt: skip
_KIMI = {
    "linear_attn_config": {
        "kda_layers": [1, 3], "full_attn_layers": [2], "num_heads": 4, "head_dim": 32,
        "short_conv_kernel_size": 4, "gate_lower_bound": -5.0,
    },
    "model_max_length": 1024, "num_experts_per_token": 2, "num_key_value_heads": 4,
    "head_dim": 16,
}  # fmt: skip
_GEMMA3N = {
    "model_type": "gemma3n_text", "num_hidden_layers": 4, "num_kv_shared_layers": 2,
    "vocab_size_per_layer_input": 1536, "rope_local_base_freq": 10000.0,
    "final_logit_softcapping": 30.0, "hidden_size_per_layer_input": 8, "altup_num_inputs": 2,
    "altup_coef_clip": 120.0, "altup_correct_scale": True, "altup_active_idx": 0, "laurel_rank": 8,
    "layer_types": ["sliding_attention", "full_attention"] * 2,
    "activation_sparsity_pattern": [0.5, 0.0, 0.0, 0.0],
    "intermediate_size": 64,
}  # fmt: skip
_GEMMA4 = {
    "model_type": "gemma4_text", "num_hidden_layers": 4, "num_kv_shared_layers": 2,
    "global_head_dim": 16, "vocab_size_per_layer_input": 1536, "hidden_size_per_layer_input": 8,
    "layer_types": ["sliding_attention", "full_attention"] * 2, "num_experts": None,
}  # fmt: skip

OWN: dict[str, dict[str, Any]] = {
    "afm7": {
        "hidden_dim": 32, "num_layers": 3, "num_kv_reuse_layers": 1, "num_heads": 4,
        "num_kv_heads": 2,
    },
    "afmoe": {"layer_types": _SLIDING, "num_dense_layers": 1},
    "apertus": {"post_norm": False, "qk_norm": True},
    "baichuan_m1": {"sliding_window_layers": [1], "conv_window": 2},
    "cohere2": {"sliding_window_pattern": 2, "num_hidden_layers": 4},
    "dbrx": {
        "d_model": 32, "n_layers": 3, "n_heads": 4,
        "ffn_config": {"ffn_hidden_size": 32, "moe_num_experts": 4, "moe_top_k": 2},
        "attn_config": {"kv_n_heads": 2, "clip_qkv": 8.0, "rope_theta": 10000.0},
    },
    "deepseek_v2": {"rope_scaling": _YARN},
    "ernie4_5": {"use_bias": False},
    "ernie4_5_moe": {"use_bias": False, "moe_num_experts": 4, "moe_k": 2},
    "exaone": {"num_layers": 3},
    "exaone4": {"rope_scaling": None, "sliding_window_pattern": "LG", "layer_types": _SLIDING},
    "exaone_moe": {"layer_types": _SLIDING, "is_moe_layer": [False, True, True]},
    "falcon_h1": {
        "mamba_d_head": 8, "mamba_d_ssm": 32, "mamba_d_state": 16, "mamba_n_heads": 4,
    },
    "gear": {"layer_types": ["full_attention"] * 3},
    "gemma3": {"text_config": {"model_type": "gemma3_text"}},
    "gemma3_text": {"sliding_window_pattern": 2, "num_hidden_layers": 4},
    "gemma3n": {"text_config": _GEMMA3N},
    "gemma4": {"text_config": _GEMMA4},
    "gemma4_text": _GEMMA4,
    "glm4_moe": {"rope_scaling": None, "use_qk_norm": True},
    "glm_moe_dsa": {
        "topk_method": "noaux_tc", "scoring_func": "sigmoid", "moe_layer_freq": 1,
        "rope_parameters": {"rope_theta": 10000.0},
    },
    "gpt2": _GPT,
    "gpt_bigcode": {**_GPT, "num_key_value_heads": 1},
    "gpt_neox": {"rotary_emb_base": 10000, "rotary_pct": 0.5, "num_key_value_heads": 4},
    "gptj": {**_GPT, "rotary_dim": 8},
    "granite": _SCALED,
    "granitemoe": _SCALED,
    "granitemoehybrid": {
        **_SCALED, "layer_types": ["mamba", "attention", "mamba"], "shared_intermediate_size": 32,
        "mamba_n_heads": 4, "mamba_d_head": 16, "mamba_proj_bias": False, "mamba_d_state": 16,
        "mamba_d_conv": 4, "mamba_n_groups": 1, "mamba_conv_bias": True,
    },
    "hunyuan": {
        "moe_topk": 2, "num_shared_expert": 1, "use_mixed_mlp_moe": True, "use_qk_norm": True,
        "use_cla": True, "cla_share_factor": 2, "num_hidden_layers": 4,
        "rope_scaling": {"type": "dynamic", "factor": 1.0, "alpha": 1000.0},
    },
    "hunyuan_v1_dense": {"rope_scaling": {"type": "dynamic", "factor": 1.0, "alpha": 1000.0}},
    "jamba": {
        **_MAMBA, "attn_layer_offset": 1, "attn_layer_period": 3, "expert_layer_offset": 1,
        "expert_layer_period": 2,
    },
    "kimi_k25": {"text_config": {"model_type": "deepseek_v3"}},
    "kimi_k3": {**_KIMI, "activation_situ_beta": 1.0, "activation_situ_linear_beta": 1.0,
                "attn_res_block_size": 2, "model_type": "kimi_k3"},
    "kimi_linear": _KIMI,
    "kimi_vl": {"text_config": {"model_type": "deepseek_v3"}},
    "lfm2": {
        "conv_bias": False, "conv_L_cache": 3, "block_dim": 32, "block_multiple_of": 16,
        "block_ffn_dim_multiplier": 1.0, "block_auto_adjust_ff_dim": False, "block_ff_dim": 64,
        "full_attn_idxs": [1],
    },
    "lfm2-vl": {"text_config": {"model_type": "lfm2"}},
    "lfm2_moe": {
        "use_expert_bias": True, "num_dense_layers": 1, "conv_bias": False, "conv_L_cache": 3,
        "full_attn_idxs": [1],
    },
    "lille-130m": {**_GPT, "n_embd": 96, "n_kv_heads": 2, "block_size": 1024},
    "llama4": {
        "text_config": {
            "model_type": "llama4_text", "attention_chunk_size": 64, "interleave_moe_layer_step": 2,
            "intermediate_size_mlp": 64, "use_qk_norm": True, "num_hidden_layers": 4,
            "layer_types": ["chunked_attention", "full_attention"] * 2, "rope_scaling": None,
            "num_experts_per_tok": 1,
        },
    },
    "llama4_text": {
        "intermediate_size_mlp": 64, "no_rope_layers": [1, 0, 1], "use_qk_norm": True,
    },
    "longcat_flash": _LONGCAT,
    "longcat_flash_ngram": {**_LONGCAT, "ngram_vocab_size_ratio": 2},
    "mamba": {"use_bias": False, "use_conv_bias": True, "time_step_rank": 4},
    "mamba2": {
        "num_heads": 8, "use_bias": False, "use_conv_bias": True, "time_step_rank": 4,
        "time_step_limit": [0.0, 100.0], "intermediate_size": 64,
    },
    "mellum": {
        "layer_types": _SLIDING,
        "rope_parameters": {
            "sliding_attention": {"rope_theta": 10000.0, "rope_type": "default"},
            "full_attention": {"rope_theta": 10000.0, "rope_type": "default"},
        },
    },
    "mimo_v2_flash": {
        "hybrid_layer_pattern": [0, 1, 0], "moe_layer_freq": [0, 1, 1],
        "add_swa_attention_sink_bias": True, "add_full_attention_sink_bias": False,
        "sliding_window_size": 64, "topk_method": "noaux_tc", "scoring_func": "sigmoid",
        "layernorm_epsilon": 1e-5, "swa_rope_theta": 10000.0, "swa_num_attention_heads": 4,
        "swa_num_key_value_heads": 2, "swa_head_dim": 8, "swa_v_head_dim": 8,
    },
    "minicpm": _MINICPM,
    "minicpm3": {**_MINICPM, "rope_scaling": {
        "type": "longrope", "short_factor": [1.0] * 4, "long_factor": [1.0] * 4,
        "original_max_position_embeddings": 1024,
    }},
    "minimax": {"shared_intermediate_size": 32, "rotary_dim": 8},
    "minimax_m3_vl": {
        "text_config": {
            "model_type": "minimax_m3", "dense_intermediate_size": 64,
            "shared_intermediate_size": 32, "moe_layer_freq": [0, 1, 1],
        },
    },
    "ministral3": {
        "rope_parameters": _YARN, "layer_types": _SLIDING,
    },
    "mistral3": {"text_config": {"model_type": "ministral3"}},
    "mistral4": {"rope_parameters": _YARN},
    "muse_spark": {
        "text_config": {
            "model_type": "muse", "post_norm_eps": 1e-5, "layer_rope_theta": [10000.0, 0, 10000.0],
            "rope_parameters": {"rope_theta": 10000.0}, "layer_types": _SLIDING,
            "final_logit_softcapping": 30.0, "output_multiplier": 1.0, "moe_hidden_size": 32,
            "num_shared_experts": 0,
        },
    },
    "nemotron": {"hidden_act": "relu2"},
    "nemotron-nas": {
        "block_configs": [
            {"attention": {"no_op": is_left_out, "replace_with_linear": False,
                           "n_heads_in_group": 2},
             "ffn": {"no_op": False, "replace_with_linear": False, "ffn_mult": 2.0}}
            for is_left_out in (False, True, False)
        ],
    },
    "nemotron_h": {
        "mamba_num_heads": 4, "mamba_head_dim": 16, "mamba_proj_bias": False, "ssm_state_size": 16,
        "use_bias": False, "use_conv_bias": True, "hybrid_override_pattern": ["M", "*", "-", "E"],
    },
    "olmo": {
        "d_model": 32, "n_layers": 3, "mlp_hidden_size": 64, "n_heads": 4, "embedding_size": 1536,
    },
    "olmo3": {"layer_types": _SLIDING},
    "olmo_hybrid": {
        "linear_allow_neg_eigval": True,
        "layer_types": ["linear_attention", "full_attention", "linear_attention"],
    },
    "openelm": {
        "num_transformer_layers": 3, "model_dim": 32, "ffn_dim_divisor": 16,
        "num_query_heads": [4] * 3, "num_kv_heads": [2] * 3, "ffn_multipliers": [2.0] * 3,
    },
    "phi3small": {
        "dense_attention_every_n_layers": 2, "ff_intermediate_size": 64, "gegelu_limit": 20.0,
        # It writes to the logits of tokens that it knows by number.
        "vocab_size": 100352,
    },
    "phixtral": {"num_vocab": 1536, "model_dim": 32, "num_heads": 4, "num_layers": 3,
                 "rotary_dim": 8},
    "pixtral": {"text_config": {"model_type": "llama"}},
    "plamo": {"n_shared_head": 2},
    "plamo2": {
        "hidden_size_per_head": 8, "attention_window_size": 64, "full_attention_idx": [1],
        "mamba_d_state": 16, "mamba_num_heads": 4,
    },
    "plamo3": {"window_size": 64, "sliding_window_pattern": 2},
    "qwen": {"kv_channels": 8},
    "qwen2_vl": {"text_config": {"model_type": "qwen2"}},
    "qwen3_5": {"text_config": {"model_type": "qwen3_5_text", "num_experts": 0, "rope_parameters": {
        "type": "default", "mrope_section": [1, 1, 0], "rope_theta": 10000.0,
        "partial_rotary_factor": 0.5}}},
    "qwen3_5_moe": {"text_config": {"model_type": "qwen3_5_text", "rope_parameters": {
        "type": "default", "mrope_section": [1, 1, 0], "rope_theta": 10000.0,
        "partial_rotary_factor": 0.5}}},
    "qwen3_vl": {"text_config": {"model_type": "qwen3"}},
    "qwen3_vl_moe": {"text_config": {"model_type": "qwen3_moe"}},
    "recurrent_gemma": {
        "conv1d_width": 4, "logits_soft_cap": 30.0, "attention_window_size": 64,
        "block_types": ["recurrent", "attention"], "head_dim": 8, "num_key_value_heads": 1,
    },
    "rwkv7": {
        "a_low_rank_dim": 8, "v_low_rank_dim": 8, "gate_low_rank_dim": 8, "decay_low_rank_dim": 8,
    },
    "spark2_5": {
        "layer_types": _SLIDING,
        "rope_parameters": {
            "sliding_attention": {"rope_theta": 10000.0, "rope_type": "default"},
            "full_attention": {"rope_theta": 10000.0, "rope_type": "default"},
        },
    },
    "stablelm": {"use_qkv_bias": True},
    "step3p5": {
        "num_attention_groups": 2, "layer_types": _SLIDING, "moe_num_experts": 4, "moe_top_k": 2,
        "share_expert_dim": 32, "moe_layers_enum": "1,2",
        "attention_other_setting": {"num_attention_heads": 4, "num_attention_groups": 2},
    },
}  # fmt: skip
"""Other names and further settings of an architecture."""

NO_ARCHITECTURES = frozenset(
    {
        "activations", "base", "bitlinear_layers", "cache", "gated_delta", "mla", "pipeline",
        "rope_utils", "ssm", "switch_layers",
    }
)  # fmt: skip


def names() -> list[str]:
    import_mlx_lm()
    import mlx_lm.models

    found = (module.name for module in pkgutil.iter_modules(mlx_lm.models.__path__))
    return sorted(set(found) - NO_ARCHITECTURES)


def configuration(name: str) -> dict[str, Any]:
    own = OWN.get(name, {})
    if "text_config" in own:
        text = configuration(own["text_config"]["model_type"])
        return {**COMMON, **own, "model_type": name, "text_config": {**text, **own["text_config"]}}
    return {**COMMON, "model_type": name, **own}


def built(name: str, seed: int = 3, **changes: Any) -> Any:
    import_mlx_lm()
    module = importlib.import_module(f"mlx_lm.models.{name}")
    mx.random.seed(seed)
    model = module.Model(module.ModelArgs.from_dict({**configuration(name), **changes}))
    _fill_zeros(model)
    return model


def _fill_zeros(model: Any) -> None:
    """With zeros where a trained model has none, some architectures have no gradient."""
    from mlx.utils import tree_flatten, tree_unflatten

    empty = [
        (path, mx.random.normal(array.shape, scale=0.05).astype(array.dtype))
        for path, array in tree_flatten(model.parameters())
        if mx.issubdtype(array.dtype, mx.floating) and not array.any().item()
    ]
    model.update(tree_unflatten(empty))


def save(name: str, folder: Path, *, dtype: str = "float32", bits: int | None = None) -> None:
    """Write the model to `folder` as mlx-lm loads it, with the starter's tokenizer."""
    from mlx.utils import tree_flatten
    from mlx_lm.utils import quantize_model, save_config

    config, model = configuration(name), built(name)
    model.set_dtype(getattr(mx, dtype))
    if bits:
        model, config = quantize_model(model, config, group_size=32, bits=bits)
    weights = dict(tree_flatten(model.parameters()))
    mx.save_safetensors(str(folder / "model.safetensors"), weights, {"format": "mlx"})
    save_config(config, folder / "config.json")
    shutil.copy(STARTER / "tokenizer.json", folder)
    tokenizer_config = json.loads((STARTER / "tokenizer_config.json").read_text(encoding="utf-8"))
    tokenizer_config["model_max_length"] = COMMON["max_position_embeddings"]
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer_config), encoding="utf-8")


REFUSED = {
    "deepseek_v41": "can't compute gradients",
    "phi3small": "a token sees later tokens",
    "recurrent_gemma": "can't carry an adapter",
}
"""Part of the sentence."""


NOT_BUILT = {
    "bitnet": "its kernel is Metal's",
    "muse_spark": "its kernel is Metal's",
    "olmo": "a package is missing that it needs",
    "prism_hadamard_qwen35": "its weights are packed in a way of their own",
}
