"""Writes model folders of real shapes in a moment: headers are whole, weights are holes."""

import json
from math import prod
from pathlib import Path
from typing import Any

_SIZES = {"U32": 4, "BF16": 2, "F16": 2, "F32": 4}
QUANTIZED = {"group_size": 64, "bits": 4}
LICENSE = "---\nlicense: apache-2.0\nlanguage:\n- en\n---\n# A model\n"

Shapes = dict[str, tuple[str, tuple[int, ...]]]
"""Of tensors: type and shape by name."""


def llama_config(**changes: object) -> dict[str, Any]:
    """Llama 3.2 1B, but for `changes`."""
    return {
        "model_type": "llama", "hidden_size": 2048, "num_hidden_layers": 16,
        "intermediate_size": 8192, "num_attention_heads": 32, "num_key_value_heads": 8,
        "head_dim": 64, "rms_norm_eps": 1e-5, "vocab_size": 128256,
        "max_position_embeddings": 131072, "tie_word_embeddings": True,
    } | changes  # fmt: skip


def llama_tensors(config: dict[str, Any], bits: int | None = 4) -> Shapes:
    """The tensors of a Llama as mlx-lm saves it, quantized or not."""
    hidden, wide = config["hidden_size"], config["intermediate_size"]
    heads = config["num_attention_heads"] * config["head_dim"]
    keys = config["num_key_value_heads"] * config["head_dim"]
    linears = {
        "self_attn.q_proj": (heads, hidden), "self_attn.k_proj": (keys, hidden),
        "self_attn.v_proj": (keys, hidden), "self_attn.o_proj": (hidden, heads),
        "mlp.gate_proj": (wide, hidden), "mlp.up_proj": (wide, hidden),
        "mlp.down_proj": (hidden, wide),
    }  # fmt: skip
    found: Shapes = {"model.norm.weight": ("BF16", (hidden,))}
    found |= _linear("model.embed_tokens", (config["vocab_size"], hidden), bits)
    for layer in range(config["num_hidden_layers"]):
        stem = f"model.layers.{layer}"
        for name in ("input_layernorm", "post_attention_layernorm"):
            found[f"{stem}.{name}.weight"] = ("BF16", (hidden,))
        for name, shape in linears.items():
            found |= _linear(f"{stem}.{name}", shape, bits)
    return found


def _linear(stem: str, shape: tuple[int, int], bits: int | None) -> Shapes:
    outputs, inputs = shape
    if bits is None:
        return {f"{stem}.weight": ("BF16", shape)}
    beside = ("BF16", (outputs, inputs // QUANTIZED["group_size"]))
    return {
        f"{stem}.weight": ("U32", (outputs, inputs * bits // 32)),
        f"{stem}.scales": beside,
        f"{stem}.biases": beside,
    }


def write_safetensors(file: Path, tensors: Shapes) -> None:
    """A file as large as its header says, which takes no room on the disk."""
    header: dict[str, Any] = {"__metadata__": {"format": "mlx"}}
    end = 0
    for name, (dtype, shape) in tensors.items():
        begin, end = end, end + prod(shape) * _SIZES[dtype]
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    with file.open("wb") as opened:
        opened.write(len(text).to_bytes(8, "little") + text)
        opened.truncate(8 + len(text) + end)


def write_model(
    folder: Path, *, bits: int | None = 4, shards: int = 1, readme: str = LICENSE, **changes: object
) -> Path:
    """A model that looks whole without being loaded; its tokenizer is an empty file."""
    folder.mkdir(parents=True, exist_ok=True)
    config = llama_config(**changes)
    tensors = llama_tensors(config, bits)
    if bits is not None:
        config |= {"quantization": QUANTIZED | {"bits": bits}}
    (folder / "config.json").write_text(json.dumps(config, indent=4))
    (folder / "tokenizer.json").write_text("{}")
    (folder / "tokenizer_config.json").write_text("{}")
    (folder / "README.md").write_text(readme)
    _write_weights(folder, tensors, shards)
    return folder


def _write_weights(folder: Path, tensors: Shapes, shards: int) -> None:
    names = list(tensors)
    index = {}
    for number in range(shards):
        part = {name: tensors[name] for name in names[number::shards]}
        file = "model" + (f"-{number + 1:05d}-of-{shards:05d}" if shards > 1 else "")
        write_safetensors(folder / f"{file}.safetensors", part)
        index |= dict.fromkeys(part, f"{file}.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
