"""Computes digests of the files that determine a base model's numbers.

Knows which files mlx-lm and transformers read.
"""

import hashlib
import json
import os
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.core.base_model import (
    BaseModelCheck,
    BaseModelDigests,
    WeightsFile,
    compare_digests,
    read_digests,
)
from app.core.errors import AppError, InputError
from app.core.files.paths import shipped
from app.core.files.strict_parsing import parse_json
from app.core.progress import drain
from app.data.files.fingerprint import (
    WAIT_AND_START,
    FileStates,
    check_unchanged,
    file_content,
    file_state,
    hash_files,
    remembered_content,
)

HASHED_FIRST_BYTES = 2 * 1024**3
"""Weights up to this size are hashed before use, which takes one or two seconds the first time.
Hashing larger weights takes as long as loading them.
"""

_WEIGHTS = ("model*.safetensors",)
# mlx-lm loads every file that matches and ignores the index.
_GENERATION_CONFIG = "generation_config.json"
_CONFIG = ("config.json", "hf_quant_config.json", _GENERATION_CONFIG)
_TOKENIZER_CONFIG = "tokenizer_config.json"
_TOKENIZER = (
    _TOKENIZER_CONFIG, "tokenizer.json", "tokenizer.model", "special_tokens_map.json",
    "added_tokens.json", "vocab.*", "merges.txt", "*.tiktoken", "*.bpe.model", "spiece.model",
)  # fmt: skip
# chat_template.json belongs to processors; tokenizers don't read it.
_TEMPLATE = (_TOKENIZER_CONFIG, "chat_template.jinja", "additional_chat_templates/*.jinja")
_MAX_JSON_BYTES = 64 * 1024**2
_BLOCK_BYTES = 4096
_BLOCKS = 3
_MAX_HEADER_BYTES = 100_000_000
"""The limit of the safetensors format."""


@dataclass(frozen=True)
class ModelFiles:
    """The files of a base model at the time they were read."""

    folder: Path
    digests: BaseModelDigests
    states: Mapping[Path, tuple[int, ...]]
    """Path → `fingerprint.file_state` of each file before it was read."""

    def check_unchanged(self) -> None:
        """Raise InputError if a file was changed, added or removed since."""
        check_unchanged(self.states)
        if set(_decisive_files(self.folder)) != self.states.keys():
            raise InputError(
                f"The model folder {self.folder} changed while it was read.", WAIT_AND_START
            )


def read_model_files(folder: Path) -> ModelFiles:
    """All digests that are fast to compute; those of whole weights only if they are remembered.

    Raises InputError if a file can't be read.
    """
    try:
        return _read_model_files(folder)
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"{error.filename or folder} can't be read: {reason}.") from error


def tokenizer_states(folder: Path) -> FileStates:
    """The states of the tokenizer's and the template's files."""
    paths = {path for pattern in (*_TOKENIZER, *_TEMPLATE) for path in folder.glob(pattern)}
    return tuple((path, file_state(path)) for path in sorted(paths))


def hash_weights(files: ModelFiles) -> Generator[float, None, dict[str, str]]:
    """Name → SHA-256 of all bytes of each weights file; yields the share done, from 0 to 1.

    Raises InputError if a file changed since `files` was read.
    """
    names = {path: _name(path, files.folder) for path in files.states}
    weights = [path for path, name in names.items() if name in files.digests.weights]
    contents = yield from hash_files(weights)
    for path, content in contents.items():
        if content.state != files.states[path] or not content.is_still(path):
            raise InputError(f"{path.name} changed while it was read.", WAIT_AND_START)
    return {names[path]: content.digest for path, content in contents.items()}


def digests_to_compare(files: ModelFiles, *, also_large: bool = False) -> BaseModelDigests:
    """The digests; hashes whole weights first, unless they are large and `also_large` is False.

    Raises InputError if a file changed since `files` was read.
    """
    digests = files.digests
    is_large = digests.weights_bytes > HASHED_FIRST_BYTES
    if digests.is_whole or (is_large and not also_large):
        return digests
    return digests.hashed_whole(drain(hash_weights(files)), after_step=0)


def check_base_model(
    model: object, manifest: Mapping[str, Any], *, also_large: bool = False
) -> BaseModelCheck:
    """Compare the model folder of a run's settings with the digests in the run's manifest.

    With `also_large`, all bytes of large weights are hashed, which can take a minute.
    """
    if not isinstance(model, str) or not model:
        return BaseModelCheck("missing", "The run names no base model.")
    folder = shipped(Path(model))
    try:
        if not (folder / "config.json").is_file():
            return BaseModelCheck("missing", f"The base model is no longer at {folder}.")
        recorded = read_digests(manifest)
        current = digests_to_compare(read_model_files(folder), also_large=also_large)
        return compare_digests(folder, recorded, current)
    except (AppError, OSError) as error:
        return BaseModelCheck("missing", f"The base model can't be compared: {error}")


def _read_model_files(folder: Path) -> ModelFiles:
    paths = _decisive_files(folder)
    states = {path: state for path in paths if (state := file_state(path)) is not None}
    weights = _named(folder, _WEIGHTS)
    config = _named(folder, _CONFIG)
    tokenizer = _named(folder, _TOKENIZER)
    template = _named(folder, _TEMPLATE)
    digests = BaseModelDigests(
        weights={_name(path, folder): _weights_file(path) for path in weights},
        config=dict(_digests(folder, config, _config_digest)),
        tokenizer=dict(_digests(folder, tokenizer, _tokenizer_digest)),
        template=dict(_digests(folder, template, _template_digest)),
    )
    return ModelFiles(folder, digests, states)


def _decisive_files(folder: Path) -> list[Path]:
    return _named(folder, (*_WEIGHTS, *_CONFIG, *_TOKENIZER, *_TEMPLATE))


def _named(folder: Path, patterns: tuple[str, ...]) -> list[Path]:
    """The files of the folder that match, each once."""
    paths = {path for pattern in patterns for path in folder.glob(pattern) if path.is_file()}
    return sorted(paths)


def _name(path: Path, folder: Path) -> str:
    """The path within the folder, decoded even if it is not UTF-8."""
    return os.fsencode(path.relative_to(folder)).decode("utf-8", "replace")


def _digests(
    folder: Path, paths: list[Path], digest_of: Callable[[Path], str | None]
) -> Iterator[tuple[str, str]]:
    for path in paths:
        if digest := digest_of(path):
            yield _name(path, folder), digest


def _config_digest(path: Path) -> str | None:
    values = _json_object(path)
    if path.name != _GENERATION_CONFIG:
        return file_content(path).digest if values is None else _digest_of(values)
    # mlx-lm reads nothing else from it.
    return _digest_of(values["eos_token_id"]) if values and values.get("eos_token_id") else None


def _tokenizer_digest(path: Path) -> str | None:
    values = _json_object(path) if path.name == _TOKENIZER_CONFIG else None
    if values is None:
        return file_content(path).digest
    return _digest_of({name: value for name, value in values.items() if name != "chat_template"})


def _template_digest(path: Path) -> str | None:
    if path.name != _TOKENIZER_CONFIG:
        return file_content(path).digest
    template = (_json_object(path) or {}).get("chat_template")
    return None if template is None else _digest_of(template)


def _json_object(path: Path) -> dict[str, Any] | None:
    """The parsed content, so that formatting doesn't matter; None if it is not an object."""
    with path.open("rb") as file:
        text = file.read(_MAX_JSON_BYTES + 1)
    try:
        values = parse_json(text) if len(text) <= _MAX_JSON_BYTES else None
    except ValueError:
        return None
    return values if isinstance(values, dict) else None


def _digest_of(value: object) -> str:
    text = json.dumps(value, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _weights_file(path: Path) -> WeightsFile:
    remembered = remembered_content(path)
    with path.open("rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        digest = hashlib.sha256(str(size).encode())
        for start, end in _sampled_spans(file.fileno(), size):
            digest.update(os.pread(file.fileno(), end - start, start))
    return WeightsFile(size, digest.hexdigest(), remembered.digest if remembered else None)


def _sampled_spans(descriptor: int, size: int) -> Iterator[tuple[int, int]]:
    """Half-open byte ranges to sample: the header, and start, middle and end of every tensor."""
    length = int.from_bytes(os.pread(descriptor, 8, 0), "little")
    header = os.pread(descriptor, min(length, _MAX_HEADER_BYTES), 8)
    data = 8 + len(header)
    yield 0, data
    for start, end in _tensor_spans(header, max(0, size - data)):
        if end - start <= _BLOCKS * _BLOCK_BYTES:
            yield data + start, data + end
            continue
        for block in range(_BLOCKS):
            begin = data + start + (end - start - _BLOCK_BYTES) * block // (_BLOCKS - 1)
            yield begin, begin + _BLOCK_BYTES


def _tensor_spans(header: bytes, size: int) -> list[tuple[int, int]]:
    """Byte ranges of the tensors; a single range for an invalid header, which can't be loaded."""
    try:
        offsets = [
            (int(start), int(end))
            for name, tensor in parse_json(header).items()
            if name != "__metadata__"
            for start, end in [tensor["data_offsets"]]
        ]
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
        return [(0, size)]
    is_within = all(0 <= start <= end <= size for start, end in offsets)
    return sorted(offsets) if is_within else [(0, size)]
