"""Decides whether a run can be resumed from a checkpoint; one rule for window, terminal and engine.

Knows what a run says of itself, not whether its base model and dataset are still what they were.
"""

from pathlib import Path
from typing import Any

from app.core.errors import InputError
from app.core.text.translation import mark, tr, trn

IN_PROGRESS = mark("The run is in progress.")
NO_CHECKPOINT = mark("It has no checkpoint to resume from.")


def completed_reason(outcome: str, steps: int, planned_steps: int, step: int) -> str:
    """The reason why nothing is left to do after the checkpoint of `step`; empty if something is.

    `steps` are those the run made. One that was cut off after its last step has yet to end:
    questions may be left to ask.
    """
    last = steps if 0 < steps < planned_steps else planned_steps
    if outcome != "finished" or step < last:
        return ""
    if last < planned_steps:
        return tr("it ended early, at step {step:,}.", step=last)
    return trn("its one step was made.", "all {n:,} steps were made.", last)


def require_resumable(
    run_dir: Path, manifest: dict[str, Any], planned_steps: int, step: int
) -> None:
    """Raise InputError if the run has nothing left to do after its checkpoint of `step`."""
    if why := completed_reason(manifest["outcome"], manifest["steps"], planned_steps, step):
        raise InputError(
            tr("The run in {folder} is done: {why}", folder=run_dir, why=why),
            tr("Resume from an earlier checkpoint, or start a new run."),
        )
