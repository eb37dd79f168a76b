"""Finds base models on this computer: in the Hugging Face cache, in other programs' folders, such
as LM Studio's, and in folders that the user chose. Reads names of files only.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from app.core.files.atomic_files import read_json_object
from app.core.files.untrusted_files import read_head, read_regular
from app.core.text.translation import mark
from app.core.wording.display_names import REPOSITORY_PREFIX, SNAPSHOTS, hub_repository
from app.models.remembered_models import RememberedModels

HUGGING_FACE, LM_STUDIO, OLLAMA = "Hugging Face", "LM Studio", "Ollama"
FOLDER = mark("Folder")
MAX_FOLDERS = 4000
"""The most subfolders searched below one folder, because the user may choose a home folder."""
_SIGNS = (".safetensors", ".safetensors.index.json", ".bin", ".pt", ".pth", ".gguf", ".npz")
_REVISION_BYTES = 200


@dataclass(frozen=True)
class ModelLocation:
    folder: Path
    name: str
    source: str
    problem: str = ""
    """Why the folder can't be read; "" if it can."""
    hint: str = ""
    chosen: Path | None = None
    """The folder chosen by the user in which it was found, if any."""


def hub_caches() -> tuple[Path, ...]:
    """The folders of the Hugging Face cache, from the same environment variables as its tools."""
    named = [os.environ.get(name, "") for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE")]
    home = os.environ.get("HF_HOME", "")
    above = os.environ.get("XDG_CACHE_HOME", "") or "~/.cache"
    default = os.path.join(home or os.path.join(above, "huggingface"), "hub")
    return _folders(*named, default)


def find_models(remembered: RememberedModels) -> Iterator[ModelLocation]:
    """Each model's folder once, those chosen by the user first."""
    seen: set[str] = set()
    for location in _all(remembered):
        real = os.path.realpath(location.folder)
        if real not in seen:
            seen.add(real)
            yield location


def _all(remembered: RememberedModels) -> Iterator[ModelLocation]:
    for folder in remembered.folders:
        yield from _chosen(folder)
    for hub in hub_caches():
        yield from in_hub_cache(hub)
    for folder in lm_studio_folders():
        yield from _below(folder, LM_STUDIO)
    for folder in _folders("~/mlx-community", "~/.cache/modelscope/hub/models"):
        yield from _below(folder, FOLDER)


def _chosen(folder: Path) -> Iterator[ModelLocation]:
    """The models of a folder that the user chose: the folder itself, or those in it."""
    if not folder.is_dir():
        yield ModelLocation(
            folder, folder.name, FOLDER, f"{folder} isn't there any more.",
            "Connect its disk, or remove it from the list.", folder,
        )  # fmt: skip
    elif is_model_folder(folder) or not (below := list(_below(folder, FOLDER))):
        name = hub_repository(folder) or folder.name
        yield ModelLocation(folder, name, FOLDER, chosen=folder)
    else:
        yield from (replace(location, chosen=folder) for location in below)


def in_hub_cache(hub: Path) -> Iterator[ModelLocation]:
    """For each repository, the snapshot of its main branch, or else the newest."""
    for name in _names(hub):
        if name.startswith(REPOSITORY_PREFIX):
            yield from _snapshot(hub / name)


def _snapshot(repository: Path) -> Iterator[ModelLocation]:
    snapshots = repository / SNAPSHOTS
    revisions = _names(snapshots)
    name = hub_repository(snapshots / "any")
    if revisions:
        main = _main_revision(repository)
        newest = max(revisions, key=lambda revision: _changed(snapshots / revision))
        yield ModelLocation(snapshots / (main if main in revisions else newest), name, HUGGING_FACE)
    elif any(blob.endswith(".incomplete") for blob in _names(repository / "blobs")):
        yield ModelLocation(
            repository, name, HUGGING_FACE, f"The download of {name} isn't complete.",
            f"Run hf download {name} to resume it.",
        )  # fmt: skip


def _main_revision(repository: Path) -> str:
    try:
        return read_head(repository / "refs" / "main", _REVISION_BYTES).decode().strip()
    except (OSError, ValueError):
        return ""


def _below(folder: Path, source: str) -> Iterator[ModelLocation]:
    """Models in a folder and in its subfolders, named by publisher and name."""
    looked_at = 0
    if folder.name != "hub" and (folder / "hub").is_dir():  # HF_HOME itself
        yield from in_hub_cache(folder / "hub")
    yield from in_hub_cache(folder)
    for outer in _names(folder):
        place = folder / outer
        if outer.startswith((".", REPOSITORY_PREFIX)) or not place.is_dir():
            continue
        inner = [] if is_model_folder(place) else _names(place)
        if not inner and is_model_folder(place):
            yield ModelLocation(place, outer, source)
        for name in inner:
            looked_at += 1
            if looked_at > MAX_FOLDERS:
                return
            if not name.startswith(".") and is_model_folder(place / name):
                yield ModelLocation(place / name, f"{outer}/{name}", source)


def is_model_folder(folder: Path) -> bool:
    """Whether a folder looks like a model, valid or not, by the names in it."""
    names = _names(folder)
    if any(name.endswith(".gguf") for name in names):
        return True
    return "config.json" in names and any(name.endswith(_SIGNS) for name in names)


def _names(folder: Path) -> list[str]:
    """The sorted names in a folder; empty if it can't be read."""
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _folders(*paths: str) -> tuple[Path, ...]:
    return tuple(dict.fromkeys(Path(os.path.expanduser(os.path.expandvars(p))) for p in paths if p))


_MAX_SETTINGS_BYTES = 2**20
_POINTER, _HOME, _OLDER = ".lmstudio-home-pointer", ".lmstudio", ".cache/lm-studio"


def lm_studio_folders() -> tuple[Path, ...]:
    """LM Studio's model folders: from its settings, in its home, and of older versions."""
    user = Path(os.path.expanduser("~"))
    named = _read_text(user / _POINTER).strip()
    homes = [Path(named)] if named.startswith("/") else []
    homes += [user / _HOME, user / _OLDER]
    folders: list[Path] = []
    for home in homes:
        moved = read_json_object(home / "settings.json", _MAX_SETTINGS_BYTES).get("downloadsFolder")
        if isinstance(moved, str) and moved.startswith("/"):
            folders.append(Path(moved))
        folders.append(home / "models")
    return tuple(dict.fromkeys(folders))


def _read_text(file: Path) -> str:
    try:
        return read_regular(file, _MAX_SETTINGS_BYTES, follow_links=True).decode()
    except (OSError, ValueError):
        return ""
