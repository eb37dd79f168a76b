"""Real small models that can't read everything: learned positions, tokens without embeddings."""

import json
import shutil
from pathlib import Path

import mlx.core as mx

from app.engine.runtime.mlx_runtime import import_mlx_lm

POSITIONS = 24
EXTRA_TOKENS = ("<|late|>", "<|later|>")
EMBEDDINGS = 320
"""Of the tiny model; its tokenizer has 259 tokens."""


def build_gpt2(folder: Path, tiny_model: Path) -> Path:
    """A GPT-2 of 4 layers with 24 learned positions, and the tiny model's tokenizer."""
    import_mlx_lm()
    from mlx.utils import tree_flatten
    from mlx_lm.models import gpt2

    shutil.copytree(tiny_model, folder, ignore=shutil.ignore_patterns("model*", "config.json"))
    config = {
        "model_type": "gpt2", "n_ctx": POSITIONS, "n_positions": POSITIONS, "n_embd": 32,
        "n_head": 2, "n_layer": 4, "layer_norm_epsilon": 1e-5, "vocab_size": EMBEDDINGS,
    }  # fmt: skip
    mx.random.seed(3)
    model = gpt2.Model(gpt2.ModelArgs.from_dict(config))
    weights = dict(tree_flatten(model.parameters()))
    mx.save_safetensors(str(folder / "model.safetensors"), weights, {"format": "mlx"})
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def with_late_tokens(folder: Path, tiny_model: Path) -> Path:
    """The tiny model with two tokens in its tokenizer for which its embedding has no rows."""
    from transformers import AutoTokenizer

    shutil.copytree(tiny_model, folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    fillers = [f"<|filler-{number}|>" for number in range(EMBEDDINGS - len(tokenizer))]
    tokenizer.add_tokens([*fillers, *EXTRA_TOKENS], special_tokens=True)
    tokenizer.save_pretrained(folder)
    return folder


def with_context(folder: Path, tiny_model: Path, tokens: int) -> Path:
    """The tiny model, whose config says that it reads so many tokens."""
    shutil.copytree(tiny_model, folder)
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"max_position_embeddings": tokens}))
    return folder


def with_another_end_token(folder: Path, tiny_model: Path) -> Path:
    """The tiny model with a tokenizer that ends texts with <pad>, and not with <|im_end|>."""
    shutil.copytree(tiny_model, folder)
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"eos_token": "<pad>"}))
    return folder
