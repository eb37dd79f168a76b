"""A run's own checkpoints: which is the best, and which can be removed, being neither the best nor
the last.
"""

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from app.core.errors import AppError
from app.core.text.numbers import format_loss, is_measurement
from app.library.reading.event_log import read_evaluations
from app.library.run.event_lines import EventLog
from app.library.run.layout import (
    CHECKPOINTS,
    EVENTS_FILE,
    MANIFEST_FILE,
    checkpoint_step,
    is_inner_folder,
)
from app.library.run.manifest import read_manifest
from app.library.run.metrics import read_event_log
from app.library.run.resumability import foreign_reason, read_owner


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


def foreign_checkpoints(run_dir: Path, folders: Iterable[Path]) -> dict[Path, str]:
    """Checkpoints that are not the run's own of the step in their name, each with the reason."""
    owner = read_owner(run_dir)
    reasons = {f: foreign_reason(f, checkpoint_step(f), owner) for f in folders}
    return {folder: reason for folder, reason in reasons.items() if reason}


def own_checkpoints(run_dir: Path) -> list[Path]:
    """The run's own checkpoints, by step."""
    folders = checkpoint_folders(run_dir)
    others = foreign_checkpoints(run_dir, folders)
    return [folder for folder in folders if folder not in others]


def prunable_checkpoints(run_dir: Path) -> list[Path]:
    """The checkpoints that are certain to be neither the best nor the last."""
    log = read_event_log(run_dir)
    return superfluous(own_checkpoints(run_dir), scores_by_step(log), log)


def superfluous(own: Sequence[Path], scores: Mapping[int, float], log: EventLog) -> list[Path]:
    """Of a run's own checkpoints, by step, those that are certain to be neither best nor last."""
    best, possibly_best = best_step_of(own, scores), _possibly_best(own, scores, log)
    return [f for f in own[:-1] if checkpoint_step(f) != best and f not in possibly_best]


def losses_by_step(log: EventLog) -> dict[int, float]:
    """The validation losses that the log has."""
    return {evaluation.step: evaluation.val_loss for evaluation in read_evaluations(log.events)}


def scores_by_step(log: EventLog) -> dict[int, float]:
    """The scores that decide the best checkpoint: validation loss, plus forgetting if it counts."""
    return {evaluation.step: evaluation.score for evaluation in read_evaluations(log.events)}


def best_step_of(folders: Iterable[Path], scores: Mapping[int, float]) -> int | None:
    """The step with the lowest score of these checkpoints; the earliest of equal ones."""
    measured = [
        (scores[step], step)
        for folder in folders
        if (step := checkpoint_step(folder)) in scores and math.isfinite(scores[step])
    ]
    return min(measured)[1] if measured else None


def _possibly_best(own: Iterable[Path], losses: Mapping[int, float], log: EventLog) -> set[Path]:
    """Checkpoints that may or may not be the best.

    If lines of the log are lost, one of them may hold the loss of a checkpoint without one. A
    checkpoint without a line in an intact log was made after the log was cut.
    """
    saved = {e.get("step") for e in log.events if e["event"] == "checkpoint_saved"}
    return {
        folder
        for folder in own
        if (log.problem and checkpoint_step(folder) not in losses)
        or (log.lines and checkpoint_step(folder) not in saved)
    }


def is_best_lost(run_dir: Path, log: EventLog) -> bool:
    """Whether a run's best checkpoint is unknown."""
    try:
        return bool(lost_best(read_manifest(run_dir), log))
    except AppError:
        return False


def lost_best(manifest: Mapping[str, Any], log: EventLog) -> str:
    """The reason why the best checkpoint is unknown; empty if it is known, or the run is not over.

    The manifest and the event log disagree on the lowest loss: the log was cut off at its end, or
    the manifest was edited.
    """
    if manifest.get("outcome") not in ("finished", "stopped", "failed") or not log.lines:
        return ""
    recorded = manifest.get("best_val_loss")
    measured = [e for e in read_evaluations(log.events) if math.isfinite(e.score)]
    best = min(measured, key=lambda evaluation: evaluation.score, default=None)
    least = best.val_loss if best else None
    if least == recorded or not (recorded is None or is_measurement(recorded)):
        return ""
    recorded, lowest = (
        "none" if loss is None else format_loss(loss, 4) for loss in (recorded, least)
    )
    return (
        f"The lowest validation loss is {recorded} in {MANIFEST_FILE} and {lowest} in "
        f"{EVENTS_FILE}: one of them was changed or cut off."
    )


def best_step(run_dir: Path) -> int | None:
    """The best step that has a checkpoint."""
    return best_step_of(own_checkpoints(run_dir), scores_by_step(read_event_log(run_dir)))
