"""Reads a model's folder without its weights: its files with name and size in one scan, config.json
and the weights' headers.

Needs no MLX. A folder may come from anyone: what is read is bounded, and an error is one sentence.
Links to files are followed, as mlx-lm follows them: the Hugging Face cache is made of them.
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
"""Some architectures use a layer's weights several times; none seen does more often."""

_CONTEXT_KEYS = (
    "max_position_embeddings", "n_positions", "n_ctx", "max_sequence_length", "max_seq_len",
    "seq_length",
)  # fmt: skip
_TEXT_PARTS = ("text_config", "llm_config", "language_config")
_SCALING_KEYS = ("rope_scaling", "rope_parameters")
_ORIGINAL = "original_max_position_embeddings"
_LAYER_KEYS = ("num_hidden_layers", "num_layers", "n_layer", "n_layers")
_LAYER_LISTS = ("layer_types", "block_configs", "layers_block_type", "hybrid_override_pattern")
"""One item for each layer."""
LAYER_OF_TENSOR = re.compile(r"(?:^|\.)(?:layers|h|blocks|layer|block)\.(\d+)\.")
_TOKEN_EMBEDDINGS = re.compile(
    r"(?:^|\.)(?:embed_tokens|wte|word_embeddings|tok_embeddings|token_embeddings|embeddings?"
    r"|embed_in|embed|shared)\.weight$"
)
_POSITION_EMBEDDINGS = re.compile(r"(?:^|\.)(?:wpe|embed_positions)\.weight$")
NOT_OF_TEXT = re.compile(r"vision|visual|image|audio|speech|patch")

Shapes = Mapping[str, tuple[int, ...]]
"""Of tensors, by name."""


def check_model_folder(path: Path) -> dict[str, Any]:
    """Its config.json. Raises InputError unless `path` looks like a model folder."""
    try:
        check_is_model_folder(path)
        config = read_model_config(path)
        check_needs_no_code(path, config)
        check_weights_files(path, read_folder_files(path))
        return config
    except OSError as error:
        raise InputError(f"The model folder {path} can't be read: {error.strerror}.") from error


def check_is_model_folder(path: Path) -> None:
    """Raise InputError unless it is a folder with a config.json, by a name that MLX can open."""
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
    """The parsed config.json. Raises InputError, which names the file and its problem."""
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
    """Raises OSError, also for more than `max_bytes`, or ValueError."""
    return read_regular(file, max_bytes, follow_links=True).decode("utf-8")


def check_weights(folder: Path, config: Mapping[str, Any]) -> None:
    """Raise InputError if a file of the weights is cut off, or if config.json tells of far more
    layers than there are weights for."""
    check_layer_count(folder, config, read_whole_weights(folder, read_folder_files(folder)))


def check_layer_count(folder: Path, config: Mapping[str, Any], tensors: Collection[str]) -> None:
    """Raise InputError if config.json tells of far more layers than `tensors` are of.

    The architecture would be built layer by layer before its weights are looked at.
    """
    weight_layers = count_layers(tensors)
    for part in _parts(config):
        for key in (*_LAYER_KEYS, *_LAYER_LISTS):
            value = part.get(key)
            layers = _count(len(value) if isinstance(value, list | str) else value)
            if weight_layers and layers and layers > MAX_LAYERS_PER_WEIGHT * weight_layers:
                raise InputError(
                    f"{folder / 'config.json'} says {layers:,} layers ({key}), and the weights "
                    f"beside it are of {weight_layers:,}.",
                    "Download the model again, or choose another.",
                )


def folder_limits(folder: Path) -> ModelLimits:
    """What the model can read, as its folder has it. Raises InputError for an unreadable config."""
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
    """The first whole number above 0 under one of the keys, in the config or its text part."""
    counts = (_count(part.get(key)) for part in _parts(config) for key in keys)
    return next((count for count in counts if count), None)


def context_tokens(config: Mapping[str, Any]) -> int | None:
    """The most tokens a model is made to read, if its config says so.

    `max_position_embeddings` usually counts a scaled rotary embedding in; where it does not, the
    original length times the factor is more, and is what the model reads.
    """
    for part in _parts(config):
        for key in _CONTEXT_KEYS:
            if length := _count(part.get(key)):
                return max(length, _scaled(part))
    return None


def folder_end_tokens(folder: Path) -> frozenset[int]:
    """What mlx-lm reads as end tokens: generation_config.json wins over config.json."""
    config = read_model_config(folder)
    generation = read_json_object(folder / "generation_config.json", MAX_CONFIG_BYTES)
    named = generation.get("eos_token_id") or config.get("eos_token_id")
    return frozenset(
        token
        for token in (named if isinstance(named, list) else [named])
        if isinstance(token, int) and not isinstance(token, bool)
    )


def tensor_shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    """Of all weights, from the files' headers; those of an unreadable file are left out."""
    shapes: dict[str, tuple[int, ...]] = {}
    for file in sorted(folder.glob(WEIGHTS)):
        with suppress(OSError, ValueError):  # MLX says what is wrong, where the weights are needed
            tensors = read_weights_header(file).tensors
            shapes.update((name, tensor.shape) for name, tensor in tensors.items())
    return shapes


def count_layers(tensors: Collection[str]) -> int:
    """How many layers the names of `tensors` tell of."""
    numbers = {int(match[1][:9]) for name in tensors if (match := LAYER_OF_TENSOR.search(name))}
    return len(numbers)


def _rows(shapes: Shapes, names: re.Pattern[str]) -> int | None:
    """Rows of the embedding with such a name: a quantised one has as many as the plain one."""
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
    """The original length times the scaling's factor; 0 where either is not said."""
    for key in _SCALING_KEYS:
        if isinstance(scaling := config.get(key), dict):
            original = _count(scaling.get(_ORIGINAL)) or _count(config.get(_ORIGINAL))
            factor = scaling.get("factor")
            if original and isinstance(factor, int | float) and 1 <= factor <= 10**6:
                return int(original * factor)
    return 0


def _count(value: object) -> int | None:
    """A whole number above 0, or None. Some write 2048.0, some a huge number for "no limit"."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if 1 <= value < 2**31 else None
