"""Lists Ollama's models from their manifests. They are GGUF files and can't be trained."""

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from app.core.files.atomic_files import read_json_object
from app.core.text.sanitize import single_line
from app.models.model_description import ModelDescription
from app.models.model_locations import OLLAMA

PROBLEM = "Ollama keeps models as GGUF, which MLX can't train."
HINT = "Get the same model in MLX format, from mlx-community on the Hugging Face Hub for instance."
_MAX_BYTES = 2**20
_MAX_FOLDERS = 1000
_MODEL, _LICENSE = "application/vnd.ollama.image.model", "application/vnd.ollama.image.license"
_LIBRARY = ("registry.ollama.ai", "library")
_FACTORS = {"K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}


def ollama_folder() -> Path:
    return Path(os.path.expanduser(os.environ.get("OLLAMA_MODELS", "") or "~/.ollama/models"))


def ollama_models(folder: Path) -> Iterator[ModelDescription]:
    """A description for each name and tag, such as "llama3.2:3b"."""
    manifests = folder / "manifests"
    for place, _, files in sorted(islice(os.walk(manifests), _MAX_FOLDERS)):
        for name in sorted(files):
            if name.startswith("."):
                continue
            path = Path(place) / name
            if (manifest := read_json_object(path, _MAX_BYTES)) and isinstance(
                manifest.get("layers"), list
            ):
                yield _described(folder, path.relative_to(manifests).parts, path, manifest)


def _described(
    folder: Path, parts: tuple[str, ...], path: Path, manifest: dict[str, Any]
) -> ModelDescription:
    *owner, name, tag = parts if parts[:2] != _LIBRARY else ("", *parts[2:])
    layers = [layer for layer in manifest["layers"] if isinstance(layer, dict)]
    config = manifest.get("config")
    facts = (
        read_json_object(_blob(folder, config.get("digest")), _MAX_BYTES)
        if isinstance(config, dict)
        else {}
    )
    return ModelDescription(
        folder=path,
        name="/".join(filter(None, (*owner[-1:], f"{name}:{tag}"))),
        source=OLLAMA,
        architecture=_word(facts.get("model_family")),
        parameters=_number(facts.get("model_type")),
        quantization=_word(facts.get("file_type")),
        size_bytes=sum(_size(layer) for layer in layers if layer.get("mediaType") == _MODEL),
        problem=PROBLEM,
        hint=HINT,
    )


def _blob(folder: Path, digest: object) -> Path:
    name = digest.replace(":", "-") if isinstance(digest, str) and "/" not in digest else ""
    return folder / "blobs" / name


def _size(layer: dict[str, Any]) -> int:
    size = layer.get("size")
    return size if isinstance(size, int) and size > 0 else 0


def _number(text: object) -> int | None:
    """The number in a text such as "3.2B"; None if there is none."""
    try:
        return int(float(str(text)[:-1]) * _FACTORS[str(text)[-1:].upper()])
    except (ValueError, KeyError, OverflowError):
        return None


def _word(value: object) -> str:
    return single_line(value, 40) if isinstance(value, str) else ""
