"""The user's name and notes for a run, in a file of their own.

Only the trainer writes the manifest, so a run can be renamed during training.
"""

import itertools
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from app.core.files.atomic_files import disk_errors_as_app_errors, write_json_atomic
from app.core.files.strict_parsing import parse_json
from app.core.files.untrusted_files import read_regular
from app.library.run.layout import LABEL_FILE

MAX_BYTES = 4 * 1024**2


@dataclass(frozen=True)
class RunLabel:
    name: str = ""
    """Empty: the manifest's name applies."""
    notes: str = ""


def read_label(run_dir: Path) -> RunLabel:
    """The user's name and notes; empty if there are none or the file can't be read."""
    try:
        data = parse_json(read_regular(run_dir / LABEL_FILE, MAX_BYTES))
    except (OSError, ValueError):
        return RunLabel()
    if not isinstance(data, dict):
        return RunLabel()
    texts = {key: data[key] for key in ("name", "notes") if isinstance(data.get(key), str)}
    return RunLabel(**texts)


def has_damaged_label(run_dir: Path) -> bool:
    """Whether there is a label that can't be read; writing another one would lose it."""
    try:
        data = parse_json(read_regular(run_dir / LABEL_FILE, MAX_BYTES))
    except FileNotFoundError:
        return False
    except (OSError, ValueError):
        return True
    return not (isinstance(data, dict) and all(isinstance(text, str) for text in data.values()))


def write_label(run_dir: Path, label: RunLabel) -> None:
    """Write the label; an unreadable one is renamed. Raises AppError if the folder can't be
    written."""
    if has_damaged_label(run_dir):
        with disk_errors_as_app_errors(run_dir):
            os.replace(run_dir / LABEL_FILE, _free_name(run_dir))
    write_json_atomic(run_dir / LABEL_FILE, asdict(label))


def _free_name(run_dir: Path) -> Path:
    names = (run_dir / f"label-damaged-{number}.json" for number in itertools.count(1))
    return next(path for path in names if not os.path.lexists(path))
