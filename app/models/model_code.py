"""Checks that a model needs no code but mlx-lm's: Python code in a model folder is never run."""

import importlib.util
import pkgutil
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from app.core.errors import InputError

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
"""model_type → the mlx-lm module that is loaded for it; equals mlx-lm's MODEL_REMAPPING."""


def knows_architecture(config: Mapping[str, Any]) -> bool:
    """Whether mlx-lm supports the architecture of this config.json."""
    kind = config["model_type"]
    return RENAMED.get(kind, kind) in _modules()


@cache
def _modules() -> frozenset[str]:
    spec = importlib.util.find_spec("mlx_lm")
    folders = spec.submodule_search_locations if spec else None
    places = [str(Path(folder) / "models") for folder in folders or ()]
    return frozenset(name for _, name, _ in pkgutil.iter_modules(places))


NO_CODE = {"trust_remote_code": False}
"""Options for transformers, which otherwise asks on standard input whether to run the code."""


def needs_code(error: Exception) -> bool:
    """Whether transformers raised `error` because the folder's code must not run."""
    return "trust_remote_code" in str(error)


def check_needs_no_code(path: Path, config: Mapping[str, object]) -> None:
    """Raise InputError if `config`, a model's config.json, names code that builds the model."""
    if config.get("model_file") is not None:
        raise code_refused("model", path)


def code_refused(part: str, path: Path) -> InputError:
    return InputError(
        f"The {part} in {path} needs Python code from the model folder; Nestling does not run "
        "code of models.",
        "Choose a model that mlx-lm and transformers support natively.",
    )
