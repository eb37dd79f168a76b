"""Lists the architectures that mlx-lm supports, without importing them."""

import importlib.util
import pkgutil
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

RENAMED = {
    "mistral": "llama",
    "llava": "mistral3",
    "phi-msft": "phixtral",
    "falcon_mamba": "mamba",
    "joyai_llm_flash": "deepseek_v3",
    "kimi_k2": "deepseek_v3",
    "qwen2_5_vl": "qwen2_vl",
    "minimax_m2": "minimax",
    "iquestcoder": "llama",
    "xverse": "llama",
    "gemma4_unified": "gemma4",
    "deepseek_v41_text": "deepseek_v41",
}
"""A model_type and the module of mlx-lm that is loaded for it: its MODEL_REMAPPING."""


def knows_architecture(config: Mapping[str, Any]) -> bool:
    """Whether mlx-lm has code of its own for this config.json."""
    kind = config["model_type"]
    return RENAMED.get(kind, kind) in _modules()


@cache
def _modules() -> frozenset[str]:
    spec = importlib.util.find_spec("mlx_lm")
    folders = spec.submodule_search_locations if spec else None
    places = [str(Path(folder) / "models") for folder in folders or ()]
    return frozenset(name for _, name, _ in pkgutil.iter_modules(places))
