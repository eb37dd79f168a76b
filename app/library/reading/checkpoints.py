"""A run's checkpoints with their losses, movements and damages."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.library.reading.checkpoint_folders import checkpoint_folders, foreign_checkpoints
from app.library.reading.checkpoint_retention import (
    best_step_of,
    is_best_lost,
    losses_by_step,
    superfluous,
)
from app.library.reading.run_summary import folder_size
from app.library.run.event_lines import EventLog
from app.library.run.layout import NEEDED_FILES, checkpoint_step
from app.library.run.step_table import StepTable


@dataclass(frozen=True)
class CheckpointFacts:
    folder: Path
    step: int
    size_bytes: int
    val_loss: float | None
    """The loss of a validation at exactly this step."""
    is_best: bool
    """Its validation loss is the lowest of the checkpoints that are there; of equal ones it is
    the earliest, as in the run itself. None is where the log was cut off or edited since."""
    is_last: bool
    deltas: tuple[float, ...]
    """Per tier: how far its last firing moved it; NaN if it had not moved or isn't known."""
    drifts: tuple[float, ...]
    problem: str = ""
    not_own: str = ""
    """The reason why it is not this run's checkpoint of that step; then nothing else is known."""
    is_superfluous: bool = False
    """It is certain that it is neither the best nor the last."""


def list_checkpoints(run_dir: Path, table: StepTable, log: EventLog) -> Iterator[CheckpointFacts]:
    """Complete ones, the earliest first."""
    folders = checkpoint_folders(run_dir)
    others = foreign_checkpoints(run_dir, folders)
    own = [folder for folder in folders if folder not in others]
    losses = losses_by_step(log)
    least, is_best_unknown = best_step_of(own, losses), is_best_lost(run_dir, log)
    removable = superfluous(own, losses, log)
    for folder in folders:
        step, is_own = checkpoint_step(folder), folder not in others
        deltas, drifts = _movement(table, step) if is_own else ((), ())
        missing = [name for name in NEEDED_FILES if not (folder / name).is_file()]
        yield CheckpointFacts(
            folder=folder,
            step=step,
            size_bytes=folder_size(folder),
            val_loss=losses.get(step) if is_own else None,
            is_best=is_own and step == least and not is_best_unknown,
            is_last=folder in own[-1:],
            deltas=deltas,
            drifts=drifts,
            problem=f"{missing[0]} is missing." if missing else "",
            not_own=others.get(folder, ""),
            is_superfluous=folder in removable,
        )


def _movement(table: StepTable, step: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    upto = int(np.searchsorted(table.steps, step, "right"))
    if not upto:
        return (), ()
    deltas = []
    for tier in range(table.tiers):
        fired = np.flatnonzero(table.fired(tier)[:upto])
        deltas.append(float(table.rows["deltas"][fired[-1], tier]) if len(fired) else np.nan)
    return tuple(deltas), tuple(map(float, table.rows["drifts"][upto - 1]))
