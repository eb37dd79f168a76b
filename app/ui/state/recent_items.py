"""What was opened last: datasets, models, runs; the latest first."""

import json
from pathlib import Path

from app.core.files.strict_parsing import parse_json
from app.ui.system.stored_preferences import Preferences

_KEY = "recent/opened"
MOST = 10


class Recent:
    def __init__(self, settings: Preferences) -> None:
        self._settings = settings

    def items(self) -> list[tuple[str, Path]]:
        """Each with its name for people."""
        try:
            found = parse_json(self._settings.text(_KEY) or "[]")
            return [(str(name), Path(str(path))) for name, path in found][:MOST]
        except (ValueError, TypeError):
            return []

    def add(self, name: str, path: Path) -> None:
        others = [(n, p) for n, p in self.items() if p != path]
        self._write([(name, path), *others][:MOST])

    def clear(self) -> None:
        self._write([])

    def _write(self, items: list[tuple[str, Path]]) -> None:
        self._settings.set(_KEY, json.dumps([[name, str(path)] for name, path in items]))
