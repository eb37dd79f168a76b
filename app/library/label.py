"""What the user calls a run and notes about it, in a file of its own beside the run's manifest.

The manifest is the trainer's alone, so a run can be renamed while it is being trained.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from app.core.files import write_json_atomic

LABEL_FILE = "label.json"


@dataclass(frozen=True)
class Label:
    name: str = ""
    """Empty: the run is called as its manifest says."""
    notes: str = ""


def read_label(run_dir: Path) -> Label:
    """The user's words; none if there are none or the file can't be read."""
    try:
        said = json.loads((run_dir / LABEL_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return Label()
    if not isinstance(said, dict):
        return Label()
    words = {key: said[key] for key in ("name", "notes") if isinstance(said.get(key), str)}
    return Label(**words)


def write_label(run_dir: Path, label: Label) -> None:
    """Raises AppError if the folder can't be written."""
    write_json_atomic(run_dir / LABEL_FILE, asdict(label))
