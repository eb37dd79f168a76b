"""What a checkpoint's state file says of where the checkpoint belongs. Knows no arrays."""

from pathlib import Path
from typing import Any

from app.core.parsing import parse_json
from app.core.regular_files import read_regular
from app.library.manifest import digest_of
from app.library.run_layout import STATE_FILE

MOST_STATE_BYTES = 4 * 1024**2


def read_state(folder: Path) -> dict[str, Any]:
    """The state file as it stands. Raises OSError or ValueError."""
    values: dict[str, Any] = parse_json(read_regular(folder / STATE_FILE, MOST_STATE_BYTES))
    return values


def is_whole(state: dict[str, Any]) -> bool:
    """Whether a state is as it was written."""
    said = {name: value for name, value in state.items() if name != "own_sha256"}
    return bool(state.get("own_sha256") == digest_of(said))


def why_not_own(folder: Path, step: int, settings_digest: str = "") -> str:
    """Whose checkpoint it is, if not the one of `step` of the run with these settings.

    Empty where it is, and where that is not known.
    """
    try:
        state = read_state(folder)
        progress = state["progress"] if is_whole(state) else {}
        own_step, own_settings = progress.get("step"), progress.get("settings_digest")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return ""
    if settings_digest and own_settings and own_settings != settings_digest:
        return "of another run"
    is_copy = type(own_step) is int and own_step != step
    return f"copy of step {own_step:,}" if is_copy else ""
