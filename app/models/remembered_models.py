"""Remembers the model folders that the user chose, and when each model was last used, in a JSON
file."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.core.files.atomic_files import read_json_object, write_json_atomic
from app.core.files.disks import ensure_own_folder
from app.core.files.paths import home_dir

MAX_FOLDERS, MAX_USED = 200, 50
"""The oldest entries are forgotten first."""
_MAX_BYTES = 2**20


@dataclass(frozen=True)
class RememberedModels:
    folders: tuple[Path, ...] = ()
    """Folders chosen by the user, the last one first."""
    used: dict[str, float] = field(default_factory=dict)
    """A model's folder → when it was last used, in seconds since 1970."""


def read_remembered_models() -> RememberedModels:
    """The remembered models; empty if the file can't be read."""
    kept = read_json_object(_store(), _MAX_BYTES)
    folders, used = kept.get("folders"), kept.get("used")
    return RememberedModels(
        tuple(Path(folder) for folder in _texts(folders)),
        {str(folder): when for folder, when in _times(used)},
    )


def remember_folder(folder: Path) -> None:
    """Add a folder to search for models. Raises AppError if the disk can't be written."""
    kept = read_remembered_models()
    folder = folder.absolute()
    others = tuple(other for other in kept.folders if other != folder)
    _write(RememberedModels((folder, *others)[:MAX_FOLDERS], kept.used))


def forget_folder(folder: Path) -> None:
    """Stop searching a folder, which itself is unchanged. Raises AppError if the disk can't be
    written."""
    kept = read_remembered_models()
    folders = tuple(other for other in kept.folders if other != folder)
    used = {path: when for path, when in kept.used.items() if path != str(folder)}
    _write(RememberedModels(folders, used))


def remember_use(folder: Path, when: float) -> None:
    """Record that a model was chosen for a run. Raises AppError if the disk can't be written."""
    kept = read_remembered_models()
    others = {path: before for path, before in kept.used.items() if path != str(folder)}
    latest = sorted(others.items(), key=lambda item: item[1])[1 - MAX_USED :]
    _write(RememberedModels(kept.folders, dict(latest) | {str(folder): when}))


def _write(kept: RememberedModels) -> None:
    store = _store()
    ensure_own_folder(store.parent)
    write_json_atomic(store, {"folders": list(map(str, kept.folders)), "used": kept.used})


def _store() -> Path:
    return home_dir() / "models.json"


def _texts(value: Any) -> list[str]:
    texts = value if isinstance(value, list) else []
    return [text for text in texts[:MAX_FOLDERS] if isinstance(text, str) and text]


def _times(value: Any) -> list[tuple[str, float]]:
    times = list(value.items()) if isinstance(value, dict) else []
    return [(str(path), float(when)) for path, when in times if isinstance(when, int | float)]
