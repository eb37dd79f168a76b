"""Loads a base model's tokenizer with mlx-lm's wrapper in processes that must not import MLX.

Importing mlx-lm imports MLX, but mlx-lm's tokenizer module doesn't need MLX, so only that module is
imported.
"""

import importlib
import importlib.util
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.core.errors import InputError
from app.core.system.child_processes import open_file_limit_kept
from app.core.text.sanitize import error_text
from app.models.model_code import NO_CODE, code_refused, needs_code
from app.models.model_config_check import config_error, invalid_value, shown_value
from app.models.model_folder import check_model_folder, read_model_config

_FIELD = re.compile(r"^Validation error for field '(\w+)'")


def load_tokenizer_without_mlx(path: Path) -> Any:
    """mlx-lm's `TokenizerWrapper`, equal to that of `app.engine.model.loading.load_tokenizer`.

    None if mlx-lm's code for the architecture, which needs MLX, changes the tokenizer. Unless MLX
    was already imported, this process can't import the rest of mlx-lm afterwards. Raises
    InputError.
    """
    if _has_defaults(check_model_folder(path)["model_type"]):
        return None
    try:
        return _tokenizer_module().load(path, NO_CODE)
    except Exception as error:  # transformers raises many kinds for a missing or broken tokenizer
        raise tokenizer_error(path, error) from error


def tokenizer_error(path: Path, error: Exception) -> InputError:
    """The InputError for an `error` of transformers or mlx-lm."""
    if needs_code(error):
        return code_refused("tokenizer", path)
    if fault := _config_fault(read_model_config(path), error):
        return config_error(path, fault)
    return InputError(
        f"The tokenizer in {path} can't be loaded: {error_text(error)}.",
        "A model folder needs tokenizer.json and tokenizer_config.json.",
    )


def _config_fault(config: Mapping[str, Any], error: Exception) -> str | None:
    """A fault in config.json that caused `error`, because transformers validates config.json before
    it loads a tokenizer; else None."""
    if isinstance(error, OSError):
        return None
    match = _FIELD.search(str(error))
    if match and match[1] in config:
        return f"{match[1]} is {shown_value(config[match[1]])}, which transformers does not accept"
    is_of_values = isinstance(error, TypeError | AttributeError | ZeroDivisionError)
    return invalid_value(config, error=error) if is_of_values else None


def _tokenizer_module() -> Any:
    if "mlx.core" not in sys.modules and "mlx_lm" not in sys.modules:
        spec = importlib.util.find_spec("mlx_lm")
        if spec is None:
            raise ImportError("mlx_lm is not installed")
        # A package object with the right path, without running the package's code.
        sys.modules["mlx_lm"] = importlib.util.module_from_spec(spec)
    with open_file_limit_kept():
        return importlib.import_module("mlx_lm.tokenizer_utils")


def _has_defaults(kind: str) -> bool:
    """Whether the architecture's module in mlx-lm changes the tokenizer."""
    spec = importlib.util.find_spec("mlx_lm")
    folders = spec.submodule_search_locations if spec else None
    source = Path((folders or [""])[0]) / "models" / f"{kind}.py"
    try:
        return "TOKENIZER_DEFAULTS" in source.read_text(encoding="utf-8")
    except OSError:  # the architecture's module has another name, or the app has no sources
        return False
