"""A run's checkpoints as a list: how good each is, how far its tiers had moved, what it lacks."""

import math
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.core.events import EvaluationFinished
from app.library.links import CHECKPOINTS, is_inner_folder
from app.library.run_summary import folder_size
from app.library.step_records import StepTable

NEEDED_FILES = ("adapters.safetensors", "adapter_config.json", "optimizer.safetensors",
                "state.json")  # fmt: skip


@dataclass(frozen=True)
class CheckpointFacts:
    folder: Path
    step: int
    size_bytes: int
    val_loss: float | None
    """Where there was a validation at just this step."""
    is_best: bool
    """Its validation loss is the lowest of the checkpoints that are there; of equal ones it is
    the earliest, as in the run itself."""
    is_last: bool
    deltas: tuple[float, ...]
    """Per tier: how far its last firing moved it; NaN if it had not moved or isn't known."""
    drifts: tuple[float, ...]
    problem: str = ""


def list_checkpoints(
    run_dir: Path, table: StepTable, evaluations: Iterable[EvaluationFinished]
) -> Iterator[CheckpointFacts]:
    """Complete ones, the earliest first."""
    folders = checkpoint_folders(run_dir)
    losses = {evaluation.step: evaluation.val_loss for evaluation in evaluations}
    best = best_of(folders, losses)
    for folder in folders:
        step = step_of(folder)
        loss = losses.get(step)
        deltas, drifts = _movement(table, step)
        missing = [name for name in NEEDED_FILES if not (folder / name).is_file()]
        yield CheckpointFacts(
            folder=folder,
            step=step,
            size_bytes=folder_size(folder),
            val_loss=loss,
            is_best=step == best,
            is_last=folder == folders[-1],
            deltas=deltas,
            drifts=drifts,
            problem=f"{missing[0]} is missing." if missing else "",
        )


def best_of(folders: Iterable[Path], losses: Mapping[int, float]) -> int | None:
    """The step with the lowest validation loss of these checkpoints; the earliest of equal ones."""
    measured = [
        (losses[step], step)
        for folder in folders
        if (step := step_of(folder)) in losses and math.isfinite(losses[step])
    ]
    return min(measured)[1] if measured else None


def checkpoint_folders(run_dir: Path) -> list[Path]:
    """Those of a run that bear a step's name, by step; links are none."""
    if not is_inner_folder(run_dir, CHECKPOINTS):
        return []
    try:
        with os.scandir(run_dir / CHECKPOINTS) as found:
            folders = [Path(entry) for entry in found if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []
    return sorted((f for f in folders if step_of(f) >= 0), key=step_of)


def step_of(folder: Path) -> int:
    """-1 if the folder is no checkpoint."""
    digits = folder.name.removeprefix("step-")
    is_step = folder.name.startswith("step-") and digits.isdecimal() and digits.isascii()
    return int(digits) if is_step and len(digits) < 12 else -1


def _movement(table: StepTable, step: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    upto = int(np.searchsorted(table.steps, step, "right"))
    if not upto:
        return (), ()
    deltas = []
    for tier in range(table.tiers):
        fired = np.flatnonzero(table.fired(tier)[:upto])
        deltas.append(float(table.rows["deltas"][fired[-1], tier]) if len(fired) else np.nan)
    return tuple(deltas), tuple(map(float, table.rows["drifts"][upto - 1]))
