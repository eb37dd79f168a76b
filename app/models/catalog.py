"""Lists all base models on this computer, most recently used first; caches their descriptions."""

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from time import monotonic
from typing import Any

from app.core.errors import AppError
from app.core.files.atomic_files import read_json_object, write_json_atomic
from app.core.files.disks import ensure_own_folder
from app.core.files.paths import cache_dir
from app.core.files.strict_parsing import plain, typed
from app.core.system.version import package_version
from app.core.text.sanitize import error_text
from app.models.file_listing import read_folder_files
from app.models.model_description import ModelDescription, describe, unread
from app.models.model_locations import ModelLocation, find_models
from app.models.ollama import ollama_folder, ollama_models
from app.models.remembered_models import read_remembered_models, remember_folder, remember_use

INDEX_FILE = "models.json"
_FORMAT = 2
"""Raise it when the descriptions of unchanged files change."""
_MAX_BYTES = 64 * 2**20
_KEPT = ("architecture", "parameters", "quantization", "context_tokens", "license", "problem",
         "hint", "note", "memory")  # fmt: skip


@dataclass
class ModelIndex:
    """The cache of descriptions."""

    entries: dict[str, Any]
    """Folder → its cached description."""
    is_changed: bool = False

    def known(
        self, location: ModelLocation, digest: str, size_bytes: int
    ) -> ModelDescription | None:
        """The cached description; None if the folder's files changed since."""
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
        """Write the descriptions of these folders to disk. Disk errors are ignored: without the
        cache, the folders are read again."""
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
    """The cache's version; it includes mlx-lm's, which determines the supported architectures."""
    return " ".join((str(_FORMAT), "mlx-lm", package_version("mlx-lm")))


def list_models(reading_seconds: float = inf) -> list[ModelDescription]:
    """All models, most recently used first, then by name; those that can't be trained come last.

    New and changed folders are read for about `reading_seconds`; after that, they are listed
    unread.
    """
    remembered, index = read_remembered_models(), read_index()
    ends = monotonic() + reading_seconds
    listed = {
        location.folder: _described(location, index, may_read=monotonic() < ends)
        for location in find_models(remembered)
    }
    index.write(listed)
    models = [*listed.values(), *ollama_models(ollama_folder())]
    return sorted((_with_use(model, remembered.used) for model in models), key=_order)


def _described(location: ModelLocation, index: ModelIndex, *, may_read: bool) -> ModelDescription:
    if location.problem:
        return unread(location)
    try:
        files = read_folder_files(location.folder)
    except OSError as error:
        reason = error.strerror or error_text(error)
        return unread(replace(location, problem=f"{location.name} can't be read: {reason}."))
    if known := index.known(location, files.digest, files.size_bytes):
        return known
    if not may_read:
        return unread(location, files.size_bytes)
    model = describe(location, files)
    index.keep(model, files.digest)
    return model


def _with_use(model: ModelDescription, used: dict[str, float]) -> ModelDescription:
    when = used.get(str(model.folder))
    return model if when is None else replace(model, used=when)


def _order(model: ModelDescription) -> tuple[bool, float, str]:
    return bool(model.problem), -(model.used or 0.0), model.name.casefold()


def note_used(folder: Path, when: float) -> None:
    """Remember that a model was chosen, and its folder if `find_models` doesn't find it elsewhere.

    Raises AppError if the disk can't be written.
    """
    remember_use(folder, when)
    real = os.path.realpath(folder)
    known = (
        os.path.realpath(location.folder) for location in find_models(read_remembered_models())
    )
    if real not in known:
        remember_folder(folder)
