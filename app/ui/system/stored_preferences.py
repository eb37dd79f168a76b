"""The stored preferences and the recently opened items: read at launch, written in the background.

QSettings would write the file on the GUI thread, so it is used only on the background thread.
"""

import json
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from PySide6.QtCore import QSettings

from app.core.errors import AppError, Failure
from app.core.files.disks import ensure_own_folder
from app.core.files.strict_parsing import parse_json
from app.core.files.untrusted_files import open_private
from app.workers.background_thread import BackgroundThread

_TRUE = ("true", "1")


class Preferences:
    """Stores values by key. If they can't be written, they are kept until the app quits."""

    def __init__(self, path: Path, background: BackgroundThread) -> None:
        self._path, self._background = str(path), background
        stored = QSettings(self._path, QSettings.Format.IniFormat)
        self._values: dict[str, Any] = {key: stored.value(key) for key in stored.allKeys()}
        self._new: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._is_closed = False

    def value(self, key: str, instead: Any = None) -> Any:
        """The value as it was set, or as text if it was set in an earlier session."""
        return self._values.get(key, instead)

    def text(self, key: str) -> str:
        """The value if it is a text; otherwise empty."""
        found = self._values.get(key)
        return found if isinstance(found, str) else ""

    def flag(self, key: str) -> bool:
        return str(self._values.get(key)).lower() in _TRUE

    def whole(self, key: str, instead: int) -> int:
        try:
            return int(self._values.get(key, instead))
        except (TypeError, ValueError):
            return instead

    def set(self, key: str, value: Any) -> None:
        """Set a value. It is written soon, and at the latest when the app quits."""
        if self._is_closed or (key in self._values and self._values[key] == value):
            return
        self._values[key] = value
        with self._lock:
            is_waiting = bool(self._new)
            self._new[key] = value
        if not is_waiting:
            self._background.run(self._write, _nothing, _nothing_failed, run_on_quit=True)

    def close(self) -> None:
        """Ignore all further changes: the background thread is about to end."""
        self._is_closed = True

    def _write(self) -> None:
        """Write all new values. Runs on the background thread."""
        with self._lock:
            new, self._new = self._new, {}
        with suppress(AppError, OSError):
            # QSettings keeps a file's permissions, but creates new files that other users can read.
            ensure_own_folder(Path(self._path).parent)
            open_private(Path(self._path), "ab").close()
        stored = QSettings(self._path, QSettings.Format.IniFormat)
        for key, value in new.items():
            stored.setValue(key, value)
        stored.sync()


def _nothing(_: object) -> None:
    """Nothing to do after writing."""


def _nothing_failed(_: Failure) -> None:
    """Write errors are ignored: losing a preference is harmless."""


_KEY = "recent/opened"
MOST = 10


class Recent:
    def __init__(self, settings: Preferences) -> None:
        self._settings = settings

    def items(self) -> list[tuple[str, Path]]:
        """Each path with its name for people."""
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
