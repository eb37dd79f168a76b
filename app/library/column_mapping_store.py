"""Keeps the user's column mappings between sessions, in one JSON file.

A file is recognized by its path, or by its content if it was moved or copied.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from app.core.column_mapping import ColumnMapping, parse_columns
from app.core.errors import InputError
from app.core.files.atomic_files import write_json_atomic
from app.core.files.disks import ensure_own_folder
from app.core.files.paths import home_dir
from app.core.files.strict_parsing import parse_json, typed
from app.core.files.untrusted_files import read_head, read_regular

KEPT = 500
"""The most files; the oldest mappings are dropped first."""
_HASHED_BYTES = 2**16
MAX_BYTES = 16 * 1024**2


@dataclass(frozen=True)
class _Entry:
    path: str
    content: str
    columns: str


def remember_columns(path: Path, columns: ColumnMapping | None) -> None:
    """Store a file's mapping, or remove it if None. Raises AppError if the disk can't be
    written."""
    entry = _Entry(str(path.absolute()), _content(path), str(columns or ""))
    others = [e for e in _entries() if e.path != entry.path and e.content != entry.content]
    kept = [*others, entry] if columns else others
    store = _store()
    ensure_own_folder(store.parent)
    write_json_atomic(store, [vars(entry) for entry in kept[-KEPT:]])


def remembered_columns(path: Path) -> ColumnMapping | None:
    """The stored mapping of a file; None without one."""
    entries = _entries()
    matches = [entry for entry in entries if entry.path == str(path.absolute())]
    if not matches:
        content = _content(path)
        matches = [entry for entry in entries if content and entry.content == content]
    try:
        return parse_columns(matches[-1].columns) if matches else None
    except InputError:
        return None


def _store() -> Path:
    return home_dir() / "columns.json"


def _entries() -> list[_Entry]:
    """The stored entries. An unreadable store counts as empty: it is only a convenience."""
    try:
        kept = read_regular(_store(), MAX_BYTES, follow_links=True)
        return typed(parse_json(kept), list[_Entry])
    except (OSError, ValueError):
        return []


def _content(path: Path) -> str:
    """A digest of a file's size and beginning; empty where it can't be read."""
    try:
        head = read_head(path, _HASHED_BYTES, follow_links=True)
        size = path.stat().st_size
    except OSError:
        return ""
    return hashlib.sha256(size.to_bytes(8, "little") + head).hexdigest()
