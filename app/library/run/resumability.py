"""Decides whether a run can be resumed from a checkpoint; one rule for window, terminal and engine.

Knows what a run says of itself, not whether its base model and dataset are still what they were.
"""

from pathlib import Path
from typing import Any

from app.core.errors import InputError

IN_PROGRESS = "The run is in progress."
NO_CHECKPOINT = "It has no checkpoint to resume from."


def completed_reason(outcome: str, steps: int, planned_steps: int, step: int) -> str:
    """The reason why nothing is left to do after the checkpoint of `step`; empty if something is.

    `steps` are those the run made. One that was cut off after its last step has yet to end:
    questions may be left to ask.
    """
    last = steps if 0 < steps < planned_steps else planned_steps
    if outcome != "finished" or step < last:
        return ""
    if last < planned_steps:
        return f"it ended early, at step {last:,}."
    return "its one step was made." if last == 1 else f"all {last:,} steps were made."


def require_resumable(
    run_dir: Path, manifest: dict[str, Any], planned_steps: int, step: int
) -> None:
    """Raise InputError if the run has nothing left to do after its checkpoint of `step`."""
    if why := completed_reason(manifest["outcome"], manifest["steps"], planned_steps, step):
        raise InputError(
            f"The run in {run_dir} is done: {why}",
            "Resume from an earlier checkpoint, or start a new run.",
        )
