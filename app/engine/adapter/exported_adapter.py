"""Whether mlx-lm takes an exported adapter as it is: its effect on the base model's logits."""

from pathlib import Path

from app.engine.model.loading import load_base_model
from app.engine.runtime.mlx_runtime import import_mlx


def largest_logit_change(model: Path, adapter: Path, text: str) -> float:
    """max |Δ logit| over all tokens of `text` and the whole vocabulary."""
    mx = import_mlx()
    base = load_base_model(model)
    from mlx_lm.tuner.utils import load_adapters

    tokens = mx.array([base.tokenizer.encode(text)])
    before = base.model(tokens)
    mx.eval(before)
    load_adapters(base.model, str(adapter))
    base.model.eval()
    return float(mx.max(mx.abs(base.model(tokens) - before)).item())
