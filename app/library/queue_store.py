"""Stores the queue in a JSON file. A file that can't be read is kept under another name."""

import itertools
import os
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from app.core.config.serialization import to_dict, with_settings
from app.core.config.training_config import TrainingConfig
from app.core.errors import AppError, InputError
from app.core.files.atomic_files import write_json_atomic
from app.core.files.disks import ensure_own_folder
from app.core.files.strict_parsing import parse_json
from app.core.files.untrusted_files import read_regular

QUEUE_FILE = "queue.json"
FORMAT = 1
MAX_BYTES = 64 * 1024**2


@dataclass(frozen=True)
class QueuedRun:
    key: str
    config: TrainingConfig
    problem: str = ""
    """The reason why it could not start."""
    settings: dict[str, Any] | None = None
    """The settings as they are on disk, if this version does not understand them."""


def queued_run(config: TrainingConfig) -> QueuedRun:
    """A new entry in the queue for a run with these settings."""
    return QueuedRun(uuid4().hex, replace(config, output=None).located())


@dataclass(frozen=True)
class SavedQueue:
    runs: tuple[QueuedRun, ...]
    """In order."""
    auto_resume: bool = False
    """The queue was running when the app was quit, and resumes at the next launch. Not
    after a crash, which might come again."""
    unfinished: str = ""
    """The folder name of the run that was stopped when the app was quit."""


def read_queue(path: Path) -> SavedQueue:
    """Read the queue. A damaged file is renamed, and an InputError names it."""
    try:
        text = read_regular(path, MAX_BYTES, follow_links=True).decode()
    except FileNotFoundError:
        return SavedQueue(())
    except OSError as error:
        raise _put_aside(path, str(error.strerror or error)) from error
    except UnicodeDecodeError as error:
        raise _put_aside(path, "it is damaged (not UTF-8)") from error
    try:
        data = parse_json(text)
        if data["format"] != FORMAT:
            raise _put_aside(path, "another version of Nestling made it")
        return SavedQueue(
            tuple(_from_plain(entry) for entry in data["runs"]),
            (data.get("auto_resume") or data.get("goes_on")) is True,
            _folder_name(data.get("unfinished")),
        )
    except ValueError as error:
        raise _put_aside(path, f"it is damaged ({error})") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise _put_aside(path, "it is damaged") from error


def write_queue(path: Path, queue: SavedQueue) -> None:
    """Write the queue. Raises AppError if the disk can't be written."""
    ensure_own_folder(path.parent)
    data: dict[str, Any] = {"format": FORMAT, "runs": [_to_plain(run) for run in queue.runs]}
    if queue.auto_resume:
        data |= {"auto_resume": True, "unfinished": queue.unfinished}
    write_json_atomic(path, data)


def _folder_name(value: object) -> str:
    """The name of a folder in the library; never a path out of it."""
    return value if isinstance(value, str) and Path(value).name == value else ""


def _to_plain(run: QueuedRun) -> dict[str, Any]:
    settings = run.settings or to_dict(run.config)
    return {"key": run.key, "settings": settings, "problem": run.problem}


def _from_plain(entry: dict[str, Any]) -> QueuedRun:
    """Settings that this version does not understand keep their place, with their problem."""
    key, problem = str(entry["key"]), str(entry.get("problem", ""))
    try:
        config = with_settings(TrainingConfig(), entry["settings"], where="the queue")
    except AppError as error:
        settings = entry["settings"]
        return QueuedRun(key, TrainingConfig(name=str(settings.get("name"))), str(error), settings)
    return QueuedRun(key, config, problem)


def _put_aside(path: Path, reason: str) -> InputError:
    stem = f"queue-{datetime.now():%Y%m%d-%H%M%S}"
    free_paths = (path.with_name(f"{stem}{number or ''}.json") for number in itertools.count(0, -1))
    kept = next(kept for kept in free_paths if not os.path.lexists(kept))
    with suppress(OSError):
        os.rename(path, kept)
    return InputError(f"The queue could not be read: {reason}.", f"It is kept in {kept}.")
