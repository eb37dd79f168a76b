"""Loads base models from a folder with mlx-lm, turns its errors into plain sentences, and lists the
architectures that this copy of the app can load.

Output of an architecture's code does not reach standard output.
"""

import glob
import importlib
import pkgutil
import sys
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TextIO

import mlx.core as mx

from app.core.base_model import ModelLimits
from app.core.errors import InputError
from app.core.progress import drain
from app.core.text.sanitize import error_text, short_repr
from app.engine.model.embedding_probe import embedding_limits
from app.engine.model.language_model import LanguageModel
from app.engine.model.model_structure import parameters
from app.engine.runtime.mlx_runtime import import_mlx_lm
from app.engine.runtime.named_arrays import JsonObject, TokenizerWrapper
from app.models.model_code import NO_CODE
from app.models.model_config_check import config_error, invalid_value, missing_setting
from app.models.model_folder import (
    check_layer_count,
    check_model_folder,
    check_weights,
    folder_limits,
    tensor_shapes,
)
from app.models.tokenizer_without_mlx import tokenizer_error

_PIECE_BYTES = 2**28
"""Weights are read in pieces of this size; loading can be stopped between two pieces."""


@dataclass(frozen=True)
class BaseModel:
    """A loaded base model; its arrays belong to the thread that loaded it."""

    path: Path
    model: LanguageModel
    """An `mlx.nn.Module` with `layers`."""
    tokenizer: TokenizerWrapper
    """mlx-lm's TokenizerWrapper."""
    parameters: int
    limits: ModelLimits = ModelLimits()


def load_base_model(path: Path) -> BaseModel:
    """Load model and tokenizer, with all weights in memory. Raises InputError."""
    return drain(loading_base_model(path))


def loading_base_model(path: Path) -> Generator[float, None, BaseModel]:
    """`load_base_model` in small steps: yields the share of the weights read."""
    model = load_architecture(path)
    try:
        yield from _reading_weights(model)
    except RuntimeError as error:
        raise InputError(f"The weights in {path} can't be read: {error_text(error)}.") from error
    return BaseModel(
        path, model, load_tokenizer(path), count_parameters(model), _limits(path, model)
    )


def _reading_weights(model: LanguageModel) -> Generator[float, None, None]:
    arrays = parameters(model).values()
    whole, read, part = max(1, sum(array.nbytes for array in arrays)), 0, 0
    piece = []
    for array in arrays:
        piece.append(array)
        part += array.nbytes
        if part >= _PIECE_BYTES:
            mx.eval(piece)
            read, part, piece = read + part, 0, []
            yield read / whole
    mx.eval(piece)
    yield 1.0


def load_architecture(path: Path) -> LanguageModel:
    """The model without reading its weights: fast, and enough for shapes and names.

    Raises InputError.
    """
    config = check_model_folder(path)
    check_weights(path, config)
    model: LanguageModel
    mlx_lm_utils = import_mlx_lm()
    with output_captured() as printed:
        try:
            with _literal_pattern(mlx_lm_utils, path):
                model, _ = mlx_lm_utils.load_model(path, lazy=True, **NO_CODE)
        except SystemExit as error:
            reason = error_text(printed.getvalue() or "it gives no reason")
            raise InputError(
                f"The model in {path} can't be loaded, because mlx-lm's code for it ends the "
                f"program: {reason}."
            ) from error
        except Exception as error:  # an architecture's own code
            raise _load_error(path, config, error) from error
    _check_call(path, config, model)
    if not getattr(model, "layers", None):
        raise InputError(f"The model in {path} has no layers that can carry an adapter.")
    return model


@contextmanager
def _literal_pattern(mlx_lm_utils: Any, path: Path) -> Iterator[None]:
    """Inside, mlx-lm finds weights in a folder whose name contains brackets, asterisks or question
    marks; its own glob pattern treats them as wildcards."""
    if glob.escape(str(path)) == str(path):
        yield
        return
    real = mlx_lm_utils.glob
    mlx_lm_utils.glob = SimpleNamespace(
        glob=lambda pattern: real.glob(pattern.replace(str(path), glob.escape(str(path)), 1))
    )
    try:
        yield
    finally:
        mlx_lm_utils.glob = real


def check_configuration(path: Path) -> None:
    """Raise InputError, as loading does, if mlx-lm can't build a model from `path`'s config.json.

    Reads no weights and computes nothing.
    """
    config = check_model_folder(path)
    check_layer_count(path, config, tensor_shapes(path))
    for key in ("quantization", "quantization_config"):
        if not isinstance(value := config.get(key), dict) and (
            invalid := invalid_value({key: value})
        ):
            raise config_error(path, invalid)
    try:
        with output_captured():
            model_class, arguments = import_mlx_lm()._get_classes(dict(config))
            model = model_class(arguments.from_dict(config))
    except SystemExit:  # loading reports mlx-lm's reason
        load_architecture(path)
        return
    except Exception as error:  # an architecture's own code
        raise _load_error(path, config, error) from error
    _check_call(path, config, model)


def _check_call(path: Path, config: JsonObject, model: LanguageModel) -> None:
    """Raise InputError if an invalid value in config.json makes the model fail when called."""
    invalid = invalid_value(config, _arguments(config), TypeError(None))
    if invalid is None:
        return
    try:
        model(mx.zeros((1, 4), mx.int32))  # lazy: computes nothing
    except Exception as error:  # an architecture's own code
        raise config_error(path, invalid) from error


def _arguments(config: JsonObject) -> type | None:
    """The dataclass of the architecture's arguments, if mlx-lm knows it."""
    try:
        with output_captured():
            return import_mlx_lm()._get_classes(dict(config))[1]
    except (Exception, SystemExit):  # an architecture's own module
        return None


def _limits(path: Path, model: LanguageModel) -> ModelLimits:
    """The limits of the loaded model's embeddings; those of its folder if probing fails."""
    limits = folder_limits(path)
    seen = embedding_limits(model)
    if seen is None:
        return limits
    context = limits.context_tokens
    if seen.position_rows is not None:
        context = min(context or seen.position_rows, seen.position_rows)
    return replace(seen, context_tokens=context)


def count_parameters(model: LanguageModel) -> int:
    """Number of parameters of the base model; quantized weights count unpacked."""
    return int(import_mlx_lm().get_total_parameters(model))


def load_tokenizer(path: Path) -> TokenizerWrapper:
    """The tokenizer alone, wrapped by mlx-lm. Raises InputError."""
    check_model_folder(path)
    try:
        return import_mlx_lm().load_tokenizer(path, NO_CODE)
    except Exception as error:  # transformers raises many kinds for a missing or broken tokenizer
        raise tokenizer_error(path, error) from error


def _load_error(path: Path, config: JsonObject, error: Exception) -> InputError:
    kind = config["model_type"]
    arguments = _arguments(config)
    if fault := invalid_value(config, arguments, error):
        return config_error(path, fault)
    if arguments is None:
        return InputError(
            f"The model in {path} has the architecture {short_repr(kind)}, which mlx-lm does not "
            "know.",
            "Choose another base model.",
        )
    if fault := missing_setting(config, error):
        return InputError(
            f"The model in {path} can't be loaded: {path / 'config.json'} {fault}.",
            "Download the model again, or choose another.",
        )
    return InputError(f"The model in {path} can't be loaded: {error_text(error)}.")


@contextmanager
def output_captured() -> Iterator[StringIO]:
    """Collects what this thread writes to `sys.stdout` in the block."""
    stream = _OneThreadsOutput(sys.stdout)
    sys.stdout = stream
    try:
        yield stream.captured
    finally:
        stream.pass_all()
        if sys.stdout is stream:  # otherwise another thread has wrapped this stream and needs it
            sys.stdout = stream.passed_to


class _OneThreadsOutput:
    """Wraps a stream and captures the output of the thread that created it."""

    def __init__(self, passed_to: TextIO | None) -> None:
        """`passed_to` is None in a program without standard output."""
        self.passed_to = passed_to
        self.captured = StringIO()
        self._thread: int | None = threading.get_ident()

    def pass_all(self) -> None:
        self._thread = None

    def write(self, text: str) -> int:
        if threading.get_ident() == self._thread:
            return self.captured.write(text)
        return len(text) if self.passed_to is None else self.passed_to.write(text)

    def flush(self) -> None:
        if self.passed_to is not None:
            self.passed_to.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.passed_to, name)


def import_architectures() -> tuple[str, ...]:
    """The names of all architectures of mlx-lm that can be imported.

    An architecture that exits the program is left out: it needs a package that mlx-lm does not
    install.
    """
    import_mlx_lm()
    package = importlib.import_module("mlx_lm.models")
    return tuple(
        sorted(name for _, name, _ in pkgutil.iter_modules(package.__path__) if _can_import(name))
    )


def _can_import(name: str) -> bool:
    try:
        with output_captured():
            importlib.import_module(f"mlx_lm.models.{name}")
    except SystemExit:
        return False
    return True
