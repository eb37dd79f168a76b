"""Reads from a checkpoint's state file which run and step it belongs to, and decides whether a run
can be resumed from it; one rule for window, terminal and engine.

Reads no arrays, and does not check base model or dataset.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.core.errors import AppError, InputError
from app.core.files.strict_parsing import parse_json
from app.core.files.untrusted_files import read_regular
from app.core.text.translation import mark, tr, trn
from app.library.run.layout import STATE_FILE
from app.library.run.manifest import IDENTITY, WAS_CHANGED, json_digest, read_manifest

MAX_STATE_BYTES = 4 * 1024**2
ANOTHER_RUNS = "of another run"


def read_state(folder: Path) -> dict[str, Any]:
    """Read the state file. Raises OSError or ValueError."""
    values: dict[str, Any] = parse_json(read_regular(folder / STATE_FILE, MAX_STATE_BYTES))
    return values


def is_intact(state: dict[str, Any]) -> bool:
    """Whether a state matches its digest."""
    values = {name: value for name, value in state.items() if name != "own_sha256"}
    return bool(state.get("own_sha256") == json_digest(values))


@dataclass(frozen=True)
class CheckpointOwner:
    """The run that a checkpoint should belong to; unknown values are empty."""

    settings_digest: str = ""
    identity: str = ""


def read_owner(run_dir: Path) -> CheckpointOwner:
    """The owner as recorded in the run's manifest."""
    try:
        manifest = read_manifest(run_dir)
    except AppError:
        return CheckpointOwner()
    identity = "" if WAS_CHANGED in manifest else str(manifest.get(IDENTITY, ""))
    return CheckpointOwner(str(manifest.get("settings_sha256", "")), identity)


def foreign_reason(folder: Path, step: int, owner: CheckpointOwner) -> str:
    """The reason why a checkpoint is not this run's of `step`.

    Empty if it is, or if that is unknown.
    """
    try:
        state = read_state(folder)
        progress = state["progress"] if is_intact(state) else {}
        own_step = progress.get("step")
        recorded = CheckpointOwner(progress.get("settings_digest") or "", progress.get("run") or "")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return ""
    if _differ(recorded.settings_digest, owner.settings_digest) or _differ(
        recorded.identity, owner.identity
    ):
        return ANOTHER_RUNS
    is_copy = type(own_step) is int and own_step != step
    return f"copy of step {own_step:,}" if is_copy else ""


def describe_foreign(reason: str) -> str:
    """The result of `foreign_reason` as the end of a sentence."""
    return "belongs to another run" if reason == ANOTHER_RUNS else f"is a {reason}"


def _differ(first: str, second: str) -> bool:
    return bool(first and second) and first != second


IN_PROGRESS = mark("The run is in progress.")
NO_CHECKPOINT = mark("It has no checkpoint to resume from.")


def completed_reason(outcome: str, steps: int, planned_steps: int, step: int) -> str:
    """The reason why a run is complete at the checkpoint of `step`; empty if it is not.

    `steps` is the number of steps that the run made. A run interrupted after its last step is not
    complete: questions may be left to ask.
    """
    last = steps if 0 < steps < planned_steps else planned_steps
    if outcome != "finished" or step < last:
        return ""
    if last < planned_steps:
        return tr("it ended early, at step {step:,}.", step=last)
    return trn("its one step is done.", "all {n:,} steps are done.", last)


def require_resumable(
    run_dir: Path, manifest: dict[str, Any], planned_steps: int, step: int
) -> None:
    """Raise InputError if the run has nothing left to do after its checkpoint of `step`."""
    if reason := completed_reason(manifest["outcome"], manifest["steps"], planned_steps, step):
        raise InputError(
            tr("The run in {folder} is done: {reason}", folder=run_dir, reason=reason),
            tr("Resume from an earlier checkpoint, or start a new run."),
        )
