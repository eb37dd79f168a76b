"""Checks that a folder's weights are complete and safe, without loading them."""

import re
from collections.abc import Mapping
from pathlib import Path

from app.core.errors import InputError
from app.core.files.strict_parsing import parse_flat_json
from app.core.files.untrusted_files import read_regular
from app.core.text.sanitize import error_text, single_line
from app.models.file_listing import FolderFiles
from app.models.weights import MAX_HEADER_BYTES, WEIGHTS, Tensor, read_weights_header

PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
INDEX = "model.safetensors.index.json"
AGAIN = "Download the model again; files that already exist are not downloaded twice."
ANEW = "Remove this file, and download the model again."
_MAX_INDEX_BYTES = 16 * 2**20
_MAX_NAMED = 3
_SHARD = re.compile(r"^(model.*-)(\d{2,6})(-of-)(\d{2,6})(\.safetensors)$")
_MLX_FORMAT = "Download the model in MLX format, or convert it with mlx_lm.convert."


def check_weights_files(folder: Path, files: FolderFiles) -> None:
    """Raise InputError unless all weights exist, by the names of files and the index."""
    parts = _numbered(files)
    weights = files.named(WEIGHTS)
    named = parts if weights else parts | set(_index(folder, files).values())
    dead = {name for name in files.dead_links if name.endswith((".safetensors", ".json"))}
    if missing := sorted((named | dead) - files.sizes.keys()):
        raise _incomplete(folder, missing)
    if weights:
        return
    if files.named("*.gguf"):
        raise InputError(
            f"{folder} contains a GGUF model, which MLX can't train.",
            "Choose the same model in MLX format: config.json and model*.safetensors.",
        )
    if pickles := files.named(*PICKLES):
        raise InputError(
            f"{folder} has only pickled weights ({single_line(pickles[0], 40)}), which can run "
            "code when opened. Nestling reads safetensors.",
            _MLX_FORMAT,
        )
    if files.named("adapters.safetensors", "adapter_model.safetensors"):
        raise InputError(
            f"{folder} contains an adapter, not a base model.", "Choose its base model."
        )
    raise InputError(f"{folder} contains no weights ({WEIGHTS}).", _MLX_FORMAT)


def read_whole_weights(
    folder: Path, files: FolderFiles, max_bytes: int = MAX_HEADER_BYTES
) -> Mapping[str, Tensor]:
    """All tensors by name. Raises InputError for a file that is unreadable or incomplete."""
    tensors: dict[str, Tensor] = {}
    for name in files.named(WEIGHTS):
        file = folder / name
        try:
            header = read_weights_header(file, max_bytes)
        except OSError as error:
            reason = error.strerror or error_text(error)
            raise InputError(f"{file} can't be read: {reason}.", ANEW) from error
        except ValueError as error:
            raise InputError(f"{file} is damaged: {error_text(error)}.", ANEW) from error
        if header.is_cut_off:
            raise InputError(
                f"{file} is incomplete: it has {header.file_bytes:,} of {header.needed_bytes:,} "
                "bytes.",
                ANEW,
            )
        tensors.update(header.tensors)
    # An index left over from before a conversion names other files with the same tensors.
    missing = {
        name
        for tensor, name in _index(folder, files).items()
        if name not in files.sizes and tensor not in tensors
    }
    if missing:
        raise _incomplete(folder, sorted(missing))
    return tensors


def _incomplete(folder: Path, missing: list[str]) -> InputError:
    return InputError(
        f"The download of {folder} isn't complete: {_listed(missing)} missing.", AGAIN
    )


def _index(folder: Path, files: FolderFiles) -> Mapping[str, str]:
    """Tensor → file, from the index; empty if it is missing or invalid, since mlx-lm ignores it."""
    if INDEX not in files.sizes:
        return {}
    try:
        text = read_regular(folder / INDEX, _MAX_INDEX_BYTES, follow_links=True)
        named = parse_flat_json(text)["weight_map"].items()
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}
    return {str(tensor): name for tensor, name in named if _is_name(name)}


def _is_name(name: object) -> bool:
    return isinstance(name, str) and "/" not in name and name.endswith(".safetensors")


def _numbered(files: FolderFiles) -> set[str]:
    """The names of all shards of each set of which at least one shard exists."""
    expected: set[str] = set()
    for name in files.sizes:
        if (match := _SHARD.match(name)) and int(match[4]) <= len(files.sizes) + 1000:
            begin, number, of, count, end = match.groups()
            expected |= {
                f"{begin}{part:0{len(number)}}{of}{count}{end}" for part in range(1, int(count) + 1)
            }
    return expected


def _listed(names: list[str]) -> str:
    shown = ", ".join(single_line(name, 60) for name in names[:_MAX_NAMED])
    more = len(names) - _MAX_NAMED
    if more > 0:
        return f"{shown} and {more} more are"
    return f"{shown} {'is' if len(names) == 1 else 'are'}"
