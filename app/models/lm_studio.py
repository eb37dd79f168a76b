"""Finds LM Studio's model folders, which its settings may move."""

import os
from pathlib import Path

from app.core.files.json_files import read_json_object
from app.core.files.untrusted_files import read_regular

_MAX_BYTES = 2**20
_POINTER, _HOME, _OLDER = ".lmstudio-home-pointer", ".lmstudio", ".cache/lm-studio"


def lm_studio_folders() -> tuple[Path, ...]:
    """The folder that its settings name, that of its home, and that of older versions."""
    user = Path(os.path.expanduser("~"))
    named = _text(user / _POINTER).strip()
    homes = [Path(named)] if named.startswith("/") else []
    homes += [user / _HOME, user / _OLDER]
    folders: list[Path] = []
    for home in homes:
        moved = read_json_object(home / "settings.json", _MAX_BYTES).get("downloadsFolder")
        if isinstance(moved, str) and moved.startswith("/"):
            folders.append(Path(moved))
        folders.append(home / "models")
    return tuple(dict.fromkeys(folders))


def _text(file: Path) -> str:
    try:
        return read_regular(file, _MAX_BYTES, follow_links=True).decode()
    except (OSError, ValueError):
        return ""
