"""Loads an exported adapter with mlx-lm alone and measures its effect on the base's logits."""

from pathlib import Path

import mlx.core as mx

from app.engine.model.loading import load_base_model
from app.engine.runtime.named_arrays import number


def largest_logit_change(model: Path, adapter: Path, text: str) -> float:
    """max |Δ logit| over all tokens of `text` and the whole vocabulary."""
    base = load_base_model(model)
    from mlx_lm.tuner.utils import load_adapters

    tokens = mx.array([base.tokenizer.encode(text)])
    before = base.model(tokens)
    mx.eval(before)
    load_adapters(base.model, str(adapter))
    base.model.eval()
    return number(mx.max(mx.abs(base.model(tokens) - before)))
