"""Caches the library's rows, so that listing is quick.

Only a cache: a changed run is read again, and the file may be deleted at any time.
"""

import json
import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from app.core.errors import AppError
from app.core.files.atomic_files import write_text_atomic
from app.core.files.disks import ensure_own_folder
from app.core.files.strict_parsing import parse_json, plain, typed
from app.core.files.untrusted_files import read_regular
from app.library.reading.run_summary import RunSummary, summarize
from app.library.run.layout import CHECKPOINTS, LABEL_FILE, MANIFEST_FILE, STEPS_FILE

FORMAT = 4
MAX_BYTES = 256 * 1024**2
_WATCHED = ("", MANIFEST_FILE, LABEL_FILE, STEPS_FILE, CHECKPOINTS)
"""One of these files changes whenever the row of a finished run does."""
_LASTING = ("finished", "stopped", "failed")

Entries = dict[str, dict[str, Any]]


class Index:
    """The rows of a library's finished runs, by folder name."""

    def __init__(self, path: Path, runs_dir: Path) -> None:
        self._path, self._library = path, str(runs_dir)
        self._known = _read(path, self._library)
        self._seen: Entries = {}

    def summary(self, run_dir: Path) -> RunSummary:
        """The run's row, read from its folder only if that has changed."""
        stamp = _stamp(str(run_dir))
        known = self._known.get(run_dir.name)
        if known is not None and known["stamp"] == stamp:
            with suppress(KeyError, ValueError, OverflowError):
                run = replace(typed(known["row"], RunSummary), run_dir=run_dir)
                if run.created is not None:
                    run.created.astimezone()  # raises for a date outside the calendar
                self._seen[run_dir.name] = known
                return run
        run = summarize(run_dir)
        if run.outcome in _LASTING and not run.problem:
            self._seen[run_dir.name] = {"stamp": stamp, "row": _row(run)}
        return run

    def keep(self) -> None:
        """Store the rows read since, and no others. If the disk can't be written, only time is
        lost."""
        if self._seen != self._known:
            with suppress(AppError, OSError):
                ensure_own_folder(self._path.parent)
                data = {"format": FORMAT, "library": self._library, "runs": self._seen}
                write_text_atomic(self._path, json.dumps(data))


def _read(path: Path, library: str) -> Entries:
    try:
        data = parse_json(read_regular(path, MAX_BYTES))
        if (data["format"], data["library"]) != (FORMAT, library):
            return {}
        return {folder: entry for folder, entry in data["runs"].items() if "stamp" in entry}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _stamp(run_dir: str) -> list[int]:
    stamp = []
    for name in _WATCHED:
        try:
            stat_result = os.stat(f"{run_dir}/{name}")
            stamp += [stat_result.st_mtime_ns, stat_result.st_size]
        except OSError:
            stamp += [0, 0]
    return stamp


def _row(run: RunSummary) -> dict[str, Any]:
    created = run.created.isoformat() if run.created else None
    return {**plain(run), "created": created}
