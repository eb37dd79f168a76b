"""What the library looked like when it was last listed, so that listing it again is quick.

Only a copy: a run that has changed since is read anew, and the file may be deleted at any time.
"""

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from app.core.errors import AppError
from app.core.files import write_text_atomic
from app.library.label import LABEL_FILE
from app.library.run import MANIFEST_FILE
from app.library.run_summary import Retention, RunSummary, summarise

FORMAT = 1
_WATCHED = ("", MANIFEST_FILE, LABEL_FILE, "checkpoints")
"""What changes whenever something in a run's row does, once the run is over."""
_LASTING = ("finished", "stopped", "failed")

Entries = dict[str, dict[str, Any]]


class Index:
    """The rows of runs that are over, by their folders."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known = _read(path)

    def summary(self, run_dir: Path) -> RunSummary:
        """The run's row, read from its folder only if that has changed."""
        known = self._known.get(str(run_dir))
        if known is not None and known["stamp"] == _stamp(run_dir):
            with suppress(KeyError, TypeError, ValueError):
                return _from_plain(run_dir, known["row"])
        return summarise(run_dir)

    def keep(self, runs: Iterable[RunSummary]) -> None:
        """Remember these rows and forget all others; a disk that refuses costs only time."""
        entries = {
            str(run.run_dir): {"stamp": _stamp(run.run_dir), "row": _to_plain(run)}
            for run in runs
            if run.outcome in _LASTING and not run.problem
        }
        if entries == self._known:
            return
        with suppress(AppError, OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_text_atomic(self._path, json.dumps({"format": FORMAT, "runs": entries}))


def _read(path: Path) -> Entries:
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        if said["format"] != FORMAT:
            return {}
        return {folder: entry for folder, entry in said["runs"].items() if "stamp" in entry}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _stamp(run_dir: Path) -> list[int]:
    stamp = []
    for name in _WATCHED:
        try:
            found = (run_dir / name).stat()
            stamp += [found.st_mtime_ns, found.st_size]
        except OSError:
            stamp += [0, 0]
    return stamp


def _to_plain(run: RunSummary) -> dict[str, Any]:
    return asdict(run) | {
        "run_dir": None,
        "created": run.created.isoformat() if run.created else None,
        "adapter_dir": str(run.adapter_dir) if run.adapter_dir else None,
    }


def _from_plain(run_dir: Path, row: dict[str, Any]) -> RunSummary:
    made = {
        "run_dir": run_dir,
        "created": datetime.fromisoformat(row["created"]) if row["created"] else None,
        "adapter_dir": Path(row["adapter_dir"]) if row["adapter_dir"] else None,
        "periods": tuple(row["periods"]),
        "retention": Retention(**row["retention"]) if row["retention"] else None,
    }
    return RunSummary(**row | made)
