"""A run's metrics on disk: steps as records of fixed size, other events as JSON lines.

Both files are only appended to. A torn or damaged record or line is left out; the others are used.
Records and lines have checksums.
"""

import json
import os
import time
from pathlib import Path
from typing import IO, Any

import numpy as np

from app.core.errors import AppError
from app.core.events import Event, RunStarted, StepFinished, to_json
from app.core.files.atomic_files import disk_errors_as_app_errors, json_bytes, write_bytes_atomic
from app.core.files.strict_parsing import parse_json
from app.core.files.untrusted_files import open_private, open_regular, read_head
from app.library.run.event_lines import EventLog, read_lines, sealed_line
from app.library.run.layout import EVENTS_FILE, STEPS_FILE
from app.library.run.manifest import IDENTITY, read_manifest
from app.library.run.step_table import StepTable, decode, empty_table, encode, record_type

HEADER_BYTES = 2048
"""A JSON object that names the columns, and spaces; the first record follows."""
FORMAT = 1
_MAX_TIERS, _MAX_LAYERS = 8, 100_000
MAX_STEPS_BYTES, MAX_EVENTS_BYTES = 2**30, 2**28
"""Bytes beyond these limits are not read: millions of steps, a million other events."""


class MetricsWriter:
    """Appends to a run's metrics, from RunStarted on. Raises AppError if the disk can't be
    written."""

    def __init__(
        self,
        run_dir: Path,
        keep_bytes: int = 0,
        *,
        is_validation_due: bool = False,
        identity: str = "",
    ) -> None:
        """The steps file is cut to its first `keep_bytes`, and events after those steps are
        dropped: a resumed run measures them again. With `is_validation_due`, so is the validation
        of the last of these steps. Lines of the event log have the run's `identity`."""
        self._run_dir, self._keep_bytes = run_dir, keep_bytes
        self._is_validation_due, self._identity = is_validation_due, identity
        self._kind: np.dtype[Any] = record_type(1, 0)
        self._steps: IO[bytes] | None = None
        self._lines: int | None = None
        """The last line's number in the event log; None before the first line."""
        self._began, self._seconds = time.monotonic(), 0.0

    def append(self, event: Event) -> None:
        """Append an event. Raises RuntimeError for a step before RunStarted, which has its size."""
        if isinstance(event, StepFinished):
            self._append_step(event)
            return
        if isinstance(event, RunStarted):
            self._begin(event)
            return
        path = self._run_dir / EVENTS_FILE
        if self._lines is None:
            self._lines = read_event_log(self._run_dir).lines
        with disk_errors_as_app_errors(path), open_private(path, "a+b") as file:
            # A line that a full disk cut off must not swallow this one.
            start = "" if _ends_a_line(file) else "\n"
            line = sealed_line(to_json(event), self._lines + 1, self._identity)
            file.write(json_bytes(start + line))
        self._lines += 1

    def sync(self) -> int:
        """Make everything appended so far survive a power cut; the steps file's length in bytes."""
        if self._steps is None:
            return 0
        with disk_errors_as_app_errors(self._run_dir / STEPS_FILE):
            with open_private(self._run_dir / EVENTS_FILE, "ab") as events:
                os.fsync(events.fileno())
            self._steps.flush()  # a record that a full disk delayed
            os.fsync(self._steps.fileno())
            return os.fstat(self._steps.fileno()).st_size

    def close(self) -> None:
        if self._steps is not None:
            with disk_errors_as_app_errors(self._run_dir / STEPS_FILE):
                self._steps.close()

    def _append_step(self, event: StepFinished) -> None:
        if self._steps is None:
            raise RuntimeError("A step came before its run began.")
        seconds = self._seconds + time.monotonic() - self._began
        with disk_errors_as_app_errors(self._run_dir / STEPS_FILE):
            self._steps.write(encode(self._kind, event, seconds))
            self._steps.flush()

    def _begin(self, event: RunStarted) -> None:
        path = self._run_dir / STEPS_FILE
        self._kind = kind = _dtype_of(event)
        kept = max(0, self._keep_bytes - HEADER_BYTES) // kind.itemsize
        with disk_errors_as_app_errors(path):
            self._steps = open_private(path, "r+b" if os.path.lexists(path) else "x+b")
            self._steps.truncate(HEADER_BYTES + kept * kind.itemsize)
            self._steps.write(_header(kind))
            self._steps.seek(0, os.SEEK_END)
        if kept:
            self._seconds = float(max(read_steps(self._run_dir).rows["seconds"], default=0))
        log = read_event_log(self._run_dir)
        validated = kept - 1 if self._is_validation_due else kept
        earlier = [e for e in log.events if _is_kept(e, kept, validated)]
        events = [to_json(event), *log.problem_to_keep(kept), *earlier]
        lines = [sealed_line(e, number, self._identity) for number, e in enumerate(events, 1)]
        write_bytes_atomic(self._run_dir / EVENTS_FILE, json_bytes("".join(lines)))
        self._lines = len(lines)


def read_steps(run_dir: Path) -> StepTable:
    """The readable steps; none if the file is missing or not a metrics file."""
    try:
        content = read_head(run_dir / STEPS_FILE, MAX_STEPS_BYTES)
    except OSError:
        return empty_table()
    kind = _dtype_from_header(content[:HEADER_BYTES]) or _dtype_from_events(run_dir)
    return decode(memoryview(content)[HEADER_BYTES:], kind) if kind is not None else empty_table()


def count_steps(run_dir: Path) -> int:
    """Number of records in the steps file, by its header and its size."""
    try:
        with open_regular(run_dir / STEPS_FILE) as file:
            header, size = file.read(HEADER_BYTES), os.fstat(file.fileno()).st_size
    except OSError:
        return 0
    kind = _dtype_from_header(header) or _dtype_from_events(run_dir)
    return 0 if kind is None else max(0, size - HEADER_BYTES) // kind.itemsize


def read_event_log(run_dir: Path) -> EventLog:
    """All events but steps, and the log's problem; empty if there is no log."""
    try:
        content = read_head(run_dir / EVENTS_FILE, MAX_EVENTS_BYTES)
    except OSError:
        return EventLog()
    return read_lines(content, EVENTS_FILE, _identity(run_dir))


def _identity(run_dir: Path) -> str:
    """The run's identity; empty for a run of an older version."""
    try:
        return str(read_manifest(run_dir).get(IDENTITY, ""))
    except AppError:
        return ""


def read_events(run_dir: Path) -> list[dict[str, Any]]:
    """All events but steps, in order; changed lines are left out."""
    return list(read_event_log(run_dir).events)


def _is_kept(event: dict[str, Any], last_step: int, last_validated: int) -> bool:
    """Whether an event belongs to the steps up to `last_step` and is not repeated on resume."""
    step = event.get("step")
    if not isinstance(step, int) or not 0 < last_step >= step:
        return False
    if event["event"] in ("evaluation_finished", "retention_measured"):
        return step <= last_validated
    return step < last_step


def _ends_a_line(file: IO[bytes]) -> bool:
    if not file.seek(0, os.SEEK_END):
        return True
    file.seek(-1, os.SEEK_END)
    return file.read(1) == b"\n"


def _header(kind: np.dtype[Any]) -> bytes:
    header = {
        "format": FORMAT,
        "header_bytes": HEADER_BYTES,
        "record_bytes": kind.itemsize,
        "tiers": kind["deltas"].shape[0],
        "layers": kind["layer_codes"].shape[0],
        "columns": kind.descr,
    } | ({"clocks": True} if "pulls" in (kind.names or ()) else {})
    return json.dumps(header).encode().ljust(HEADER_BYTES - 1) + b"\n"


def _dtype_from_header(header: bytes) -> "np.dtype[Any] | None":
    try:
        data = parse_json(header)
        return (
            _possible_dtype(data["tiers"], data["layers"], data.get("clocks"))
            if data["format"] == FORMAT
            else None
        )
    except (ValueError, KeyError, TypeError):
        return None


def _dtype_from_events(run_dir: Path) -> "np.dtype[Any] | None":
    """The record type of a file with a damaged header."""
    for event in read_events(run_dir):
        tiers, layers = event.get("tiers"), event.get("adapted_layers")
        if isinstance(tiers, list) and isinstance(layers, list):
            return _possible_dtype(len(tiers), len(layers), event.get("clocks"))
    return None


def _dtype_of(event: RunStarted) -> "np.dtype[Any]":
    tiers, layers = len(event.tiers), len(event.adapted_layers)
    return record_type(tiers, layers, has_clocks=bool(event.clocks))


def _possible_dtype(tiers: object, layers: object, clocks: object) -> "np.dtype[Any] | None":
    """`clocks` is true for the header, or the facts of the event that began the run."""
    if type(tiers) is not int or type(layers) is not int:
        return None
    has_clocks = any(clocks.values()) if isinstance(clocks, dict) else clocks is True
    is_possible = 1 <= tiers <= _MAX_TIERS and 0 <= layers <= _MAX_LAYERS
    return record_type(tiers, layers, has_clocks=has_clocks) if is_possible else None
