"""Finds LM Studio's model folders, which its settings may move."""

import os
from pathlib import Path
from typing import Any

from app.core.files.parsing import parse_json
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
        moved = _settings(home).get("downloadsFolder")
        if isinstance(moved, str) and moved.startswith("/"):
            folders.append(Path(moved))
        folders.append(home / "models")
    return tuple(dict.fromkeys(folders))


def _settings(home: Path) -> dict[str, Any]:
    try:
        data = parse_json(_text(home / "settings.json"))
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}


def _text(file: Path) -> str:
    try:
        return read_regular(file, _MAX_BYTES, follow_links=True).decode()
    except (OSError, ValueError):
        return ""
