"""Base models from a folder on disk, as mlx-lm loads them, with its errors in plain sentences."""

import json
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from app.core.errors import InputError
from app.engine.mlx_gateway import import_mlx, import_mlx_lm


@dataclass(frozen=True)
class BaseModel:
    """A loaded base model; its arrays belong to the thread that loaded it."""

    path: Path
    model: Any
    """An `mlx.nn.Module` with `layers`."""
    tokenizer: Any
    """mlx-lm's TokenizerWrapper."""
    parameters: int


def load_base_model(path: Path) -> BaseModel:
    """Model and tokenizer with all weights in memory. Raises InputError naming what is wrong."""
    mx = import_mlx()
    model = load_architecture(path)
    try:
        mx.eval(model.parameters())
    except RuntimeError as error:
        raise InputError(f"The weights in {path} can't be read: {_first_line(error)}.") from error
    return BaseModel(path, model, load_tokenizer(path), count_parameters(model))


def load_architecture(path: Path) -> Any:
    """The model with its weights not yet read: enough for shapes and names, in little time."""
    check_model_folder(path)
    mlx_lm_utils = import_mlx_lm()
    printed = StringIO()
    try:
        with redirect_stdout(printed):
            model, _ = mlx_lm_utils.load_model(path, lazy=True)
    except SystemExit as error:
        why = " ".join(printed.getvalue().split()) or "it gives no reason"
        raise InputError(
            f"The model in {path} can't be loaded, because mlx-lm's code for it ends the program: "
            f"{why.rstrip('.')}."
        ) from error
    except Exception as error:  # mlx-lm raises whatever the architecture's own code raises
        raise _load_error(path, error) from error
    if not getattr(model, "layers", None):
        raise InputError(f"The model in {path} has no layers that can carry an adapter.")
    return model


def check_model_folder(path: Path) -> None:
    """Raise InputError unless `path` looks like a model folder; reads only config.json."""
    try:
        _check_model_folder(path)
    except OSError as error:
        raise InputError(f"The model folder {path} can't be read: {error.strerror}.") from error


def _check_model_folder(path: Path) -> None:
    if not path.exists():
        raise InputError(f"There is no model folder at {path}.")
    if not path.is_dir():
        raise InputError(f"{path} is a file; a model is a folder with config.json and weights.")
    config_file = path / "config.json"
    if not config_file.is_file():
        raise InputError(f"{path} is no model folder: it has no config.json.")
    try:
        config = json.loads(config_file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{config_file} can't be read as JSON: {_first_line(error)}.") from error
    if not isinstance(config, dict) or "model_type" not in config:
        raise InputError(f"{config_file} names no model_type, so it is no model's configuration.")
    if not any(path.glob("model*.safetensors")):
        raise InputError(
            f"{path} holds no weights (model*.safetensors).",
            "Download the model in MLX format, or convert it with mlx_lm.convert.",
        )


def count_parameters(model: Any) -> int:
    """Numbers in the base model; packed quantised weights count as the numbers they stand for."""
    return int(import_mlx_lm().get_total_parameters(model))


def load_tokenizer(path: Path) -> Any:
    """The tokenizer alone, as mlx-lm wraps it. Raises InputError naming what is wrong."""
    check_model_folder(path)
    try:
        return import_mlx_lm().load_tokenizer(path)
    except Exception as error:  # transformers raises many kinds for a missing or broken tokenizer
        raise tokenizer_error(path, error) from error


def tokenizer_error(path: Path, error: Exception) -> InputError:
    return InputError(
        f"The tokenizer in {path} can't be loaded: {_first_line(error)}.",
        "A model folder needs tokenizer.json and tokenizer_config.json.",
    )


def _load_error(path: Path, error: Exception) -> InputError:
    text = _first_line(error)
    if "not supported" in text:
        kind = json.loads((path / "config.json").read_text(encoding="utf-8"))["model_type"]
        return InputError(
            f"The model in {path} has the architecture {kind!r}, which mlx-lm does not know.",
            "Choose another base model.",
        )
    if isinstance(error, KeyError):
        text = f"config.json lacks {text}"
    return InputError(f"The model in {path} can't be loaded: {text}.")


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
