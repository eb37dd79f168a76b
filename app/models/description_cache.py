"""Caches descriptions of models; a folder is read again only when its files have changed."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from app.core.errors import AppError
from app.core.files.disks import ensure_own_folder
from app.core.files.json_files import read_json_object, write_json_atomic
from app.core.files.paths import cache_dir
from app.core.files.strict_parsing import plain, typed
from app.models.description import ModelDescription, unread
from app.models.model_locations import ModelLocation

INDEX_FILE = "models.json"
_FORMAT = 2
"""Raised when descriptions say something else of equal files."""
_MAX_BYTES = 64 * 2**20
_KEPT = ("architecture", "parameters", "quantization", "context_tokens", "license", "problem",
         "hint", "note", "memory")  # fmt: skip


@dataclass
class ModelIndex:
    entries: dict[str, Any]
    """Folder → what is known of it."""
    is_changed: bool = False

    def known(
        self, location: ModelLocation, digest: str, size_bytes: int
    ) -> ModelDescription | None:
        """The description, if the folder's files are still those that it was made of."""
        entry = self.entries.get(str(location.folder), {})
        try:
            if entry["digest"] != digest:
                return None
            model = typed(entry["model"], ModelDescription)
        except (TypeError, KeyError, ValueError):
            return None
        if model.name != location.name:
            return None
        current = unread(location, size_bytes)
        facts = {key: getattr(model, key) for key in _KEPT}
        return replace(current, **facts, is_read=True)

    def keep(self, model: ModelDescription, digest: str) -> None:
        self.entries[str(model.folder)] = {"digest": digest, "model": plain(model)}
        self.is_changed = True

    def write(self, folders: Mapping[Path, object]) -> None:
        """Keep what is known of these folders; a disk that refuses costs time, and no more."""
        if not self.is_changed:
            return
        kept = {str(folder) for folder in folders}
        entries = {path: entry for path, entry in self.entries.items() if path in kept}
        with suppress(AppError, OSError):
            ensure_own_folder(cache_dir())
            write_json_atomic(cache_dir() / INDEX_FILE, {"version": _version(), "models": entries})


def read_index() -> ModelIndex:
    kept = read_json_object(cache_dir() / INDEX_FILE, _MAX_BYTES)
    is_known = kept.get("version") == _version() and isinstance(kept.get("models"), dict)
    return ModelIndex(kept["models"] if is_known else {})


def _version() -> str:
    """Which architectures are known is mlx-lm's matter."""
    try:
        return f"{_FORMAT} mlx-lm {version('mlx-lm')}"
    except PackageNotFoundError:
        return str(_FORMAT)
