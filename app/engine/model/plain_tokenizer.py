"""A base model's tokenizer as mlx-lm wraps it, in processes where MLX is never imported.

To import any part of mlx-lm imports MLX; its module for tokenizers itself needs none.
"""

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

from app.data.chat.tokenizer import PlainTokenizer, plain_tokenizer
from app.engine.model.loading import tokenizer_error
from app.engine.runtime.mlx_runtime import import_mlx_lm
from app.models.foreign_code import NO_CODE
from app.models.model_folder import check_model_folder


def load_plain_tokenizer(path: Path) -> PlainTokenizer | None:
    """The same as `loading.load_tokenizer` gives, without its wrapper.

    None where a chat template is a program of mlx-lm's. Raises InputError naming what is wrong.
    Afterwards this process can't import the rest of mlx-lm, unless it had MLX already.
    """
    if _has_defaults(check_model_folder(path)["model_type"]):
        return None
    try:
        return plain_tokenizer(_tokenizer_module().load(path, NO_CODE))
    except Exception as error:  # as in load_tokenizer
        raise tokenizer_error(path, error) from error


def _tokenizer_module() -> Any:
    if "mlx.core" in sys.modules:
        import_mlx_lm()
    elif "mlx_lm" not in sys.modules:
        spec = importlib.util.find_spec("mlx_lm")
        if spec is None:
            raise ImportError("mlx_lm is not installed")
        # The package with its path, but nothing of it run.
        sys.modules["mlx_lm"] = importlib.util.module_from_spec(spec)
    return importlib.import_module("mlx_lm.tokenizer_utils")


def _has_defaults(kind: str) -> bool:
    """Whether the architecture's own module, which needs MLX, has a say in the tokenizer."""
    spec = importlib.util.find_spec("mlx_lm")
    folders = spec.submodule_search_locations if spec else None
    source = Path((folders or [""])[0]) / "models" / f"{kind}.py"
    try:
        return "TOKENIZER_DEFAULTS" in source.read_text(encoding="utf-8")
    except OSError:  # an architecture under another name, or a frozen app without sources
        return False
