"""One training step's loss and gradients as mlx-lm's own parts give them: the judge of the engine.

One unpadded row at a time, mlx-lm's model and LoRA layers, MLX's attention and cross-entropy.
Shares nothing with the engine.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_flatten
from mlx_lm.tuner.utils import linear_to_lora_layers
from mlx_lm.utils import load_model

Arrays = dict[str, Any]


def adapted(folder: Path, adapter: Path) -> Any:
    """The model in `folder` with the adapter that mlx-lm finds in `adapter`."""
    model, _ = load_model(folder)
    model.freeze()
    config = json.loads((adapter / "adapter_config.json").read_text())
    linear_to_lora_layers(
        model, config["num_layers"], config["lora_parameters"], config["fine_tune_type"] == "dora"
    )
    model.load_weights(str(adapter / "adapters.safetensors"), strict=False)
    model.eval()
    return model


def loss_and_gradients(model: Any, rows: Sequence[Sequence[int]]) -> tuple[float, Arrays]:
    """The mean over all predicted tokens, and its gradients by parameter."""
    total, gradients, count = 0.0, dict[str, Any](), 0
    for row in rows:
        tokens = mx.array([row])

        def loss_of(model: Any, tokens: Any) -> Any:
            logits = model(tokens[:, :-1]).astype(mx.float32)
            return nn.losses.cross_entropy(logits, tokens[:, 1:], reduction="sum")

        loss, tree = nn.value_and_grad(model, loss_of)(model, tokens)
        found = dict(tree_flatten(tree))
        gradients = {path: gradients.get(path, 0) + found[path] for path in found}
        mx.eval(loss, gradients)
        total += loss.item()
        count += len(row) - 1
    return total / count, {path: array / count for path, array in gradients.items()}
