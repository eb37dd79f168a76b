"""A run's metrics on disk: one JSON object a line, only appended; a torn last line is left out."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from app.core.events import Event, to_json
from app.core.files import plain_disk_errors

METRICS_FILE = "metrics.jsonl"


class MetricsWriter:
    """Appends events to a run's metrics file. Raises AppError when the disk refuses."""

    def __init__(self, run_dir: Path, keep_bytes: int = 0) -> None:
        """What lies beyond the first `keep_bytes` is dropped: a resumed run measures it again."""
        self._path = run_dir / METRICS_FILE
        with plain_disk_errors(self._path):
            self._file = self._path.open("ab")
            self._file.truncate(keep_bytes)

    def append(self, event: Event) -> None:
        line = json.dumps(to_json(event), separators=(",", ":"), ensure_ascii=False)
        with plain_disk_errors(self._path):
            self._file.write(line.encode() + b"\n")
            self._file.flush()

    def sync(self) -> int:
        """Make everything appended so far survive a power cut; the file's length in bytes."""
        with plain_disk_errors(self._path):
            os.fsync(self._file.fileno())
            return os.fstat(self._file.fileno()).st_size

    def close(self) -> None:
        with plain_disk_errors(self._path):
            self._file.close()


def read_metrics(run_dir: Path) -> Iterator[dict[str, Any]]:
    """The recorded events in order; lines that can't be read (a torn last one) are left out."""
    try:
        lines = (run_dir / METRICS_FILE).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict) and "event" in value:
            yield value
