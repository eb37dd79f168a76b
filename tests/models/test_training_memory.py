"""The list's memory figure beside the estimate of a run, which traces the model's code."""

from typing import Any

import mlx.core as mx
import mlx.nn as nn
import pytest
from mlx.utils import tree_flatten

from app.core.config.training_config import TrainingConfig
from app.core.system.memory import gpu_share
from app.engine.adapter.adapter import add_adapter
from app.engine.batches.batches import BatchShape
from app.engine.memory.estimate import memory_need
from app.engine.runtime.mlx_runtime import import_mlx_lm
from app.models.quantization import parameter_counts
from app.models.training_memory import ROW_TOKENS, USUAL_ROWS, TrainingMemory, training_memory
from app.models.weights import Tensor
from tests.models.made_models import QUANTIZED, llama_config

DTYPES = {mx.uint32: "U32", mx.bfloat16: "BF16", mx.float32: "F32"}
QWEN = {"model_type": "qwen2", "rms_norm_eps": 1e-6, "vocab_size": 151936, "head_dim": 64}
QWEN3 = QWEN | {"model_type": "qwen3", "head_dim": 128, "rope_theta": 1e6}
MORE: dict[str, dict[str, Any]] = {
    "SmolLM2 135M": llama_config(
        hidden_size=576, num_hidden_layers=30, intermediate_size=1536, num_attention_heads=9,
        num_key_value_heads=3, vocab_size=49152,
    ),
    "Llama 3.2 3B": llama_config(
        hidden_size=3072, num_hidden_layers=28, num_attention_heads=24, head_dim=128
    ),
    "Mistral 7B": llama_config(
        model_type="mistral", hidden_size=4096, num_hidden_layers=32, intermediate_size=14336,
        head_dim=128, vocab_size=32768, tie_word_embeddings=False,
    ),
    "Qwen 2.5 0.5B": llama_config(
        **QWEN, hidden_size=896, num_hidden_layers=24, intermediate_size=4864,
        num_attention_heads=14, num_key_value_heads=2,
    ),
    "Qwen 2.5 3B": llama_config(
        **QWEN, hidden_size=2048, num_hidden_layers=36, intermediate_size=11008,
        num_attention_heads=16, num_key_value_heads=2,
    ),
    "Qwen 3 4B": llama_config(
        **QWEN3, hidden_size=2560, num_hidden_layers=36, intermediate_size=9728,
    ),
    "Qwen 3 8B": llama_config(
        **QWEN3, hidden_size=4096, num_hidden_layers=36, intermediate_size=12288,
        tie_word_embeddings=False,
    ),
    "Qwen 3 30B-A3B": llama_config(
        **QWEN3 | {"model_type": "qwen3_moe"}, num_hidden_layers=48, intermediate_size=6144,
        num_key_value_heads=4, tie_word_embeddings=False, num_experts=128, num_experts_per_tok=8,
        decoder_sparse_step=1, mlp_only_layers=[], moe_intermediate_size=768, norm_topk_prob=True,
    ),
    "Gemma 3 1B": llama_config(
        model_type="gemma3_text", hidden_size=1152, num_hidden_layers=26, intermediate_size=6912,
        num_attention_heads=4, num_key_value_heads=1, head_dim=256, vocab_size=262144,
        rope_theta=1e6, rope_local_base_freq=1e4, query_pre_attn_scalar=256, sliding_window=512,
        sliding_window_pattern=6,
    ),
    "Phi 3 mini": llama_config(
        model_type="phi3", hidden_size=3072, num_hidden_layers=32, num_key_value_heads=32,
        head_dim=96, vocab_size=32064, tie_word_embeddings=False,
    ),
}  # fmt: skip


def built(config: dict[str, Any]) -> Any:
    """The model itself, of 4 bits; none of its weights is computed."""
    made, arguments = import_mlx_lm()._get_classes(dict(config))
    model = made(arguments.from_dict(config))
    model.set_dtype(mx.bfloat16)

    def can_be_quantized(_: str, module: Any) -> bool:
        return hasattr(module, "to_quantized") and module.weight.shape[-1] % 64 == 0

    nn.quantize(model, **QUANTIZED, class_predicate=can_be_quantized)
    return model


def compare(config: dict[str, Any]) -> tuple[float, float]:
    """The list's figures as multiples of the traced estimate: smallest, usual."""
    model = built(config)
    tensors = {
        name: Tensor(DTYPES[array.dtype], tuple(array.shape), array.nbytes)
        for name, array in tree_flatten(model.parameters())
    }
    config = config | {"quantization": QUANTIZED}
    listed = training_memory(tensors, parameter_counts(tensors, config), config)
    assert listed is not None
    plain, recomputing = TrainingConfig(), TrainingConfig(grad_checkpoint=True)
    add_adapter(model, plain)
    smallest = memory_need(model, recomputing, BatchShape((ROW_TOKENS,)))
    usual = memory_need(model, plain, BatchShape((ROW_TOKENS,) * USUAL_ROWS))
    return listed.smallest_bytes / smallest.peak_bytes, listed.usual_bytes / usual.peak_bytes


def test_the_list_s_figure_is_little_more_than_the_traced_estimate() -> None:
    assert all(0.98 <= times <= 1.5 for times in compare(llama_config()))


@pytest.mark.slow
@pytest.mark.parametrize("config", MORE.values(), ids=MORE.keys())
def test_so_are_those_of_other_architectures_and_sizes(config: dict[str, Any]) -> None:
    assert all(0.98 <= times <= 1.5 for times in compare(config))


def test_a_model_fits_is_tight_or_does_not_fit() -> None:
    memory = TrainingMemory(smallest_bytes=4, usual_bytes=9)
    assert [memory.verdict(size) for size in (3, 4, 8, 9)] == [
        "won't fit", "tight", "tight", "fits",
    ]  # fmt: skip


def test_without_layers_there_is_no_memory_figure() -> None:
    tensors = {"weight": Tensor("F32", (4, 4), 64)}
    assert training_memory(tensors, {"weight": 16}, {"model_type": "llama"}) is None


def test_a_mac_s_gpu_has_a_share_of_its_memory() -> None:
    assert gpu_share(18 * 2**30) == 12 * 2**30
    assert gpu_share(64 * 2**30) == 48 * 2**30
