"""Reads a model's folder without its weights: config.json, limits, and the weights' headers.

Needs no MLX. A folder may come from anyone, so reads are bounded. Links to files are followed, as
in mlx-lm, because the Hugging Face cache consists of links.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from app.core.base_model import ModelLimits
from app.core.errors import InputError
from app.core.files.atomic_files import read_json_object
from app.core.files.paths import is_utf8
from app.core.files.strict_parsing import parse_json
from app.core.files.untrusted_files import read_regular
from app.core.text.sanitize import error_text
from app.models.file_listing import read_folder_files
from app.models.model_code import check_needs_no_code
from app.models.weights import WEIGHTS, read_weights_header
from app.models.weights_check import check_weights_files, read_whole_weights

MAX_CONFIG_BYTES = 16 * 2**20
MAX_LAYERS_PER_WEIGHT = 4
"""Some architectures use a layer's weights several times; known ones at most this often."""

_CONTEXT_KEYS = (
    "max_position_embeddings", "n_positions", "n_ctx", "max_sequence_length", "max_seq_len",
    "seq_length",
)  # fmt: skip
_TEXT_PARTS = ("text_config", "llm_config", "language_config")
_SCALING_KEYS = ("rope_scaling", "rope_parameters")
_ORIGINAL = "original_max_position_embeddings"
_LAYER_KEYS = ("num_hidden_layers", "num_layers", "n_layer", "n_layers")
_LAYER_LISTS = ("layer_types", "block_configs", "layers_block_type", "hybrid_override_pattern")
"""Keys of lists with one item per layer."""
LAYER_OF_TENSOR = re.compile(r"(?:^|\.)(?:layers|h|blocks|layer|block)\.(\d+)\.")
_TOKEN_EMBEDDINGS = re.compile(
    r"(?:^|\.)(?:embed_tokens|wte|word_embeddings|tok_embeddings|token_embeddings|embeddings?"
    r"|embed_in|embed|shared)\.weight$"
)
_POSITION_EMBEDDINGS = re.compile(r"(?:^|\.)(?:wpe|embed_positions)\.weight$")
NOT_OF_TEXT = re.compile(r"vision|visual|image|audio|speech|patch")

Shapes = Mapping[str, tuple[int, ...]]
"""Name of a tensor → its shape."""


def check_model_folder(path: Path) -> dict[str, Any]:
    """The parsed config.json. Raises InputError unless `path` is a model folder with weights."""
    try:
        check_is_model_folder(path)
        config = read_model_config(path)
        check_needs_no_code(path, config)
        check_weights_files(path, read_folder_files(path))
        return config
    except OSError as error:
        raise InputError(f"The model folder {path} can't be read: {error.strerror}.") from error


def check_is_model_folder(path: Path) -> None:
    """Raise InputError unless it is a folder with a config.json, and MLX can open its path."""
    if not path.exists():
        raise InputError(f"There is no model folder at {path}.")
    if not is_utf8(path):
        raise InputError(
            f"The model in {path} can't be opened: the name is not UTF-8.", "Rename the folder."
        )
    if not path.is_dir():
        raise InputError(f"{path} is a file; a model is a folder with config.json and weights.")
    if not (path / "config.json").is_file():
        raise InputError(f"{path} isn't a model folder: it has no config.json.")


def read_model_config(folder: Path, max_bytes: int = MAX_CONFIG_BYTES) -> dict[str, Any]:
    """The parsed config.json. Raises InputError that describes the file's problem."""
    file = folder / "config.json"
    try:
        config = parse_json(read_text(file, max_bytes))
    except OSError as error:
        raise InputError(f"{file} can't be read: {error.strerror or error_text(error)}.") from error
    except UnicodeDecodeError:
        raise InputError(f"{file} can't be read as JSON: it is not UTF-8.") from None
    except ValueError as error:
        raise InputError(f"{file} can't be read as JSON: {error_text(error)}.") from error
    if not isinstance(config, dict) or not isinstance(config.get("model_type"), str):
        raise InputError(f"{file} names no model_type, so it isn't a model's configuration.")
    return config


def read_text(file: Path, max_bytes: int = MAX_CONFIG_BYTES) -> str:
    """The text of a file. Raises OSError, also for more than `max_bytes`, or ValueError."""
    return read_regular(file, max_bytes, follow_links=True).decode("utf-8")


def check_weights(folder: Path, config: Mapping[str, Any]) -> None:
    """Raise InputError if a weights file is incomplete, or if config.json names far more layers
    than the weights have."""
    check_layer_count(folder, config, read_whole_weights(folder, read_folder_files(folder)))


def check_layer_count(folder: Path, config: Mapping[str, Any], tensors: Collection[str]) -> None:
    """Raise InputError if config.json names far more layers than `tensors` have.

    Otherwise mlx-lm would build all layers before it reads the weights.
    """
    weight_layers = count_layers(tensors)
    for part in _parts(config):
        for key in (*_LAYER_KEYS, *_LAYER_LISTS):
            value = part.get(key)
            layers = _count(len(value) if isinstance(value, list | str) else value)
            if weight_layers and layers and layers > MAX_LAYERS_PER_WEIGHT * weight_layers:
                raise InputError(
                    f"{folder / 'config.json'} names {layers:,} layers ({key}), but the weights "
                    f"have {weight_layers:,}.",
                    "Download the model again, or choose another.",
                )


def folder_limits(folder: Path) -> ModelLimits:
    """The model's length and vocabulary limits, from its folder. Raises InputError for an invalid
    config.json."""
    config, shapes = read_model_config(folder), tensor_shapes(folder)
    return ModelLimits(
        context_length(config, shapes),
        _rows(shapes, _POSITION_EMBEDDINGS),
        embedding_rows(shapes) or count_in(config, ("vocab_size",)),
    )


def context_length(config: Mapping[str, Any], shapes: Shapes) -> int | None:
    """The context length in a model's config, at most its number of positions."""
    positions, context = _rows(shapes, _POSITION_EMBEDDINGS), context_tokens(config)
    return context if positions is None else min(positions, context or positions)


def embedding_rows(shapes: Shapes) -> int | None:
    return _rows(shapes, _TOKEN_EMBEDDINGS)


def count_in(config: Mapping[str, Any], keys: Collection[str]) -> int | None:
    """The first whole number above 0 with one of these keys, in the config or its text part."""
    counts = (_count(part.get(key)) for part in _parts(config) for key in keys)
    return next((count for count in counts if count), None)


def context_tokens(config: Mapping[str, Any]) -> int | None:
    """A model's context length in tokens; None if its config has none.

    `max_position_embeddings` usually includes the scaling of rotary embeddings. If not, the
    original length times the factor is larger, and is the context length.
    """
    for part in _parts(config):
        for key in _CONTEXT_KEYS:
            if length := _count(part.get(key)):
                return max(length, _scaled(part))
    return None


def folder_end_tokens(folder: Path) -> frozenset[int]:
    """mlx-lm's end tokens: generation_config.json takes precedence over config.json."""
    config = read_model_config(folder)
    generation = read_json_object(folder / "generation_config.json", MAX_CONFIG_BYTES)
    named = generation.get("eos_token_id") or config.get("eos_token_id")
    return frozenset(
        token
        for token in (named if isinstance(named, list) else [named])
        if isinstance(token, int) and not isinstance(token, bool)
    )


def tensor_shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    """The shapes of all weights, from the files' headers; unreadable files are skipped."""
    shapes: dict[str, tuple[int, ...]] = {}
    for file in sorted(folder.glob(WEIGHTS)):
        with suppress(OSError, ValueError):  # reported when the weights are loaded
            tensors = read_weights_header(file).tensors
            shapes.update((name, tensor.shape) for name, tensor in tensors.items())
    return shapes


def count_layers(tensors: Collection[str]) -> int:
    """The number of layers, from the names of `tensors`."""
    numbers = {int(match[1][:9]) for name in tensors if (match := LAYER_OF_TENSOR.search(name))}
    return len(numbers)


def _rows(shapes: Shapes, names: re.Pattern[str]) -> int | None:
    """Rows of the embedding with a matching name; quantization does not change their number."""
    rows = [
        shape[0]
        for name, shape in shapes.items()
        if len(shape) == 2 and names.search(name) and not NOT_OF_TEXT.search(name)
    ]
    return max(rows, default=None)


def _parts(config: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield config
    yield from (part for key in _TEXT_PARTS if isinstance(part := config.get(key), dict))


def _scaled(config: Mapping[str, Any]) -> int:
    """The original length times the scaling factor; 0 if either is missing."""
    for key in _SCALING_KEYS:
        if isinstance(scaling := config.get(key), dict):
            original = _count(scaling.get(_ORIGINAL)) or _count(config.get(_ORIGINAL))
            factor = scaling.get("factor")
            if original and isinstance(factor, int | float) and 1 <= factor <= 10**6:
                return int(original * factor)
    return 0


def _count(value: object) -> int | None:
    """A whole number above 0, or None. Configs may have 2048.0, or a huge number for "no limit"."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if 1 <= value < 2**31 else None
