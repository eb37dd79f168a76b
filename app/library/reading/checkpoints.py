"""A run's checkpoints: their losses and damages, which can be pruned, and the manifest's pointers
to the last and the best one."""

import math
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from app.core.errors import AppError
from app.core.text.numbers import format_loss, is_measurement
from app.library.reading.event_log import read_evaluations
from app.library.reading.run_summary import folder_size
from app.library.run.checkpoint_state import foreign_reason, read_owner
from app.library.run.event_lines import EventLog
from app.library.run.layout import (
    CHECKPOINTS,
    EVENTS_FILE,
    MANIFEST_FILE,
    NEEDED_FILES,
    checkpoint_step,
)
from app.library.run.manifest import read_manifest, write_manifest
from app.library.run.metrics import read_event_log, read_events
from app.library.run.run_lock import RunLock
from app.library.run.step_table import StepTable, empty_table
from app.library.run.symlinks import is_inner_folder


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
    losses = {evaluation.step: evaluation.val_loss for evaluation in read_evaluations(log.events)}
    least, is_best_lost = best_step_of(own, losses), _is_best_lost(run_dir, log)
    unjudged = _unjudged(own, losses, log)
    for folder in folders:
        step, is_own = checkpoint_step(folder), folder not in others
        is_least, is_last = is_own and step == least, folder in own[-1:]
        deltas, drifts = _movement(table, step) if is_own else ((), ())
        missing = [name for name in NEEDED_FILES if not (folder / name).is_file()]
        yield CheckpointFacts(
            folder=folder,
            step=step,
            size_bytes=folder_size(folder),
            val_loss=losses.get(step) if is_own else None,
            is_best=is_least and not is_best_lost,
            is_last=is_last,
            deltas=deltas,
            drifts=drifts,
            problem=f"{missing[0]} is missing." if missing else "",
            not_own=others.get(folder, ""),
            is_superfluous=not (is_least or is_last or folder in unjudged) and is_own,
        )


def _unjudged(own: Iterable[Path], losses: Mapping[int, float], log: EventLog) -> set[Path]:
    """Checkpoints that may or may not be the best.

    Where lines of the log are lost, one of them may have held the loss of any that has none. A
    checkpoint that a whole log has no line of was made after the log was cut.
    """
    saved = {e.get("step") for e in log.events if e["event"] == "checkpoint_saved"}
    return {
        folder
        for folder in own
        if (log.problem and checkpoint_step(folder) not in losses)
        or (log.is_sealed and checkpoint_step(folder) not in saved)
    }


def _is_best_lost(run_dir: Path, log: EventLog) -> bool:
    try:
        return bool(lost_best(read_manifest(run_dir), log))
    except AppError:
        return False


def foreign_checkpoints(run_dir: Path, folders: Iterable[Path]) -> dict[Path, str]:
    """Checkpoints that are not the run's own of the step in their name, each with the reason."""
    owner = read_owner(run_dir)
    reasons = {f: foreign_reason(f, checkpoint_step(f), owner) for f in folders}
    return {folder: reason for folder, reason in reasons.items() if reason}


def own_checkpoints(run_dir: Path) -> list[Path]:
    """The run's own, by step."""
    folders = checkpoint_folders(run_dir)
    others = foreign_checkpoints(run_dir, folders)
    return [folder for folder in folders if folder not in others]


def best_step_of(folders: Iterable[Path], losses: Mapping[int, float]) -> int | None:
    """The step with the lowest validation loss of these checkpoints; the earliest of equal ones."""
    measured = [
        (losses[step], step)
        for folder in folders
        if (step := checkpoint_step(folder)) in losses and math.isfinite(losses[step])
    ]
    return min(measured)[1] if measured else None


def checkpoint_folders(run_dir: Path) -> list[Path]:
    """A run's checkpoint folders, by step, without links."""
    if not is_inner_folder(run_dir, CHECKPOINTS):
        return []
    try:
        with os.scandir(run_dir / CHECKPOINTS) as entries:
            folders = [Path(entry) for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []
    return sorted((f for f in folders if checkpoint_step(f) >= 0), key=checkpoint_step)


def _movement(table: StepTable, step: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    upto = int(np.searchsorted(table.steps, step, "right"))
    if not upto:
        return (), ()
    deltas = []
    for tier in range(table.tiers):
        fired = np.flatnonzero(table.fired(tier)[:upto])
        deltas.append(float(table.rows["deltas"][fired[-1], tier]) if len(fired) else np.nan)
    return tuple(deltas), tuple(map(float, table.rows["drifts"][upto - 1]))


def lost_best(manifest: Mapping[str, Any], log: EventLog) -> str:
    """What is wrong where they don't: a log that is whole line by line was cut off at its end, or
    the manifest was edited. Then nothing tells which checkpoint is the best. Empty while a run has
    not come to an end."""
    if manifest.get("outcome") not in ("finished", "stopped", "failed") or not log.is_sealed:
        return ""
    recorded = manifest.get("best_val_loss")
    losses = (evaluation.val_loss for evaluation in read_evaluations(log.events))
    least = min(filter(math.isfinite, losses), default=None)
    if least == recorded or not (recorded is None or is_measurement(recorded)):
        return ""
    recorded, measured = (
        "none" if loss is None else format_loss(loss, 4) for loss in (recorded, least)
    )
    return (
        f"The lowest validation loss is {recorded} in {MANIFEST_FILE} and {measured} in "
        f"{EVENTS_FILE}: one of them was changed or cut off."
    )


def prunable_checkpoints(run_dir: Path) -> list[Path]:
    """All but the best and the last one, and those of which that is not certain."""
    listed = list_checkpoints(run_dir, empty_table(), read_event_log(run_dir))
    return [facts.folder for facts in listed if facts.is_superfluous]


def best_step(run_dir: Path) -> int | None:
    """The step with the lowest validation loss of those whose checkpoint is there."""
    evaluations = read_evaluations(read_events(run_dir))
    return best_step_of(own_checkpoints(run_dir), {e.step: e.val_loss for e in evaluations})


def update_manifest_pointers(run_dir: Path) -> None:
    """Have the manifest name those that are there. Raises AppError if the run is being trained."""
    lock = RunLock(run_dir)
    try:
        manifest = read_manifest(run_dir)
        folders = own_checkpoints(run_dir)
        manifest["adapter"] = _named(run_dir, folders[-1:])
        if lost_best(manifest, read_event_log(run_dir)):
            best = [f for f in folders if _named(run_dir, [f]) == manifest.get("best_adapter")]
        else:
            best = [f for f in folders if checkpoint_step(f) == best_step(run_dir)]
        manifest["best_adapter"] = _named(run_dir, best)
        write_manifest(run_dir, manifest)
    finally:
        lock.release()


def _named(run_dir: Path, folders: list[Path]) -> str | None:
    return str(folders[0].relative_to(run_dir)) if folders else None
