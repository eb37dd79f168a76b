"""A run's checkpoints with their losses, movements and damages, and as choices for the
playground.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from app.core.errors import InputError
from app.core.files.paths import shipped
from app.core.generation_events import CheckpointRef
from app.core.text.sanitize import single_line
from app.library.reading.checkpoint_retention import (
    best_step_of,
    checkpoint_folders,
    foreign_checkpoints,
    is_best_lost,
    losses_by_step,
    scores_by_step,
    superfluous,
)
from app.library.reading.run_summary import folder_size
from app.library.run.event_lines import EventLog
from app.library.run.label import read_label
from app.library.run.layout import NEEDED_FILES, checkpoint_step
from app.library.run.manifest import read_manifest
from app.library.run.metrics import read_event_log
from app.library.run.step_table import StepTable, empty_table


@dataclass(frozen=True)
class CheckpointFacts:
    folder: Path
    step: int
    size_bytes: int
    val_loss: float | None
    """The loss of a validation at exactly this step."""
    is_best: bool
    """Its score is the lowest of the existing checkpoints; of equal ones it is the earliest, as in
    the run itself. No checkpoint is the best if the log was cut off or edited."""
    is_last: bool
    deltas: tuple[float, ...]
    """Per tier: how far its last firing moved it; NaN if it had not moved or isn't known."""
    drifts: tuple[float, ...]
    problem: str = ""
    not_own: str = ""
    """The reason why it is not this run's checkpoint of that step; if so, the rest is unknown."""
    is_superfluous: bool = False
    """It is certainly neither the best nor the last."""


def list_checkpoints(run_dir: Path, table: StepTable, log: EventLog) -> Iterator[CheckpointFacts]:
    """The complete checkpoints of a run, the earliest first."""
    folders = checkpoint_folders(run_dir)
    others = foreign_checkpoints(run_dir, folders)
    own = [folder for folder in folders if folder not in others]
    losses, scores = losses_by_step(log), scores_by_step(log)
    least, is_best_unknown = best_step_of(own, scores), is_best_lost(run_dir, log)
    removable = superfluous(own, scores, log)
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
    end = int(np.searchsorted(table.steps, step, "right"))
    if not end:
        return (), ()
    deltas = []
    for tier in range(table.tiers):
        fired = np.flatnonzero(table.fired(tier)[:end])
        deltas.append(float(table.rows["deltas"][fired[-1], tier]) if len(fired) else np.nan)
    return tuple(deltas), tuple(map(float, table.rows["drifts"][end - 1]))


@dataclass(frozen=True)
class CheckpointChoices:
    """A run's checkpoints for the playground."""

    run_dir: Path
    name: str
    model: Path
    checkpoints: tuple[CheckpointFacts, ...]
    """The earliest first; their tiers' movement is left out."""
    settings: Mapping[str, Any]
    """The run's configuration as its manifest holds it."""

    @property
    def preferred(self) -> CheckpointFacts | None:
        """The best, or the last without validation."""
        best = [facts for facts in self.checkpoints if facts.is_best]
        last = [facts for facts in self.checkpoints if facts.is_last]
        return (best or last or list(self.checkpoints) or [None])[-1]  # type: ignore[list-item]


def read_choices(run_dir: Path) -> CheckpointChoices:
    """Raises InputError if the run can't be read."""
    manifest = read_manifest(run_dir)
    config = manifest["config"]
    log = read_event_log(run_dir)
    return CheckpointChoices(
        run_dir,
        single_line(read_label(run_dir).name or manifest["name"]) or run_dir.name,
        shipped(Path(str(config.get("model", "")))),
        tuple(list_checkpoints(run_dir, empty_table(), log)),
        config,
    )


def choose_checkpoint(
    run_dir: Path, name: str | None = None, model: Path | None = None
) -> CheckpointRef:
    """The named checkpoint; by default the best, or the last without validation.

    `model` is the base model's folder if it was moved. Raises InputError.
    """
    choices = read_choices(run_dir)
    if not choices.checkpoints:
        raise InputError(f"The run {choices.name!r} has no checkpoint to try.")
    names = {facts.folder.name: facts for facts in choices.checkpoints}
    checkpoint = names.get(name) if name else choices.preferred
    if checkpoint is None:
        raise InputError(
            f"The run {choices.name!r} has no checkpoint named {name!r}.",
            f"Its checkpoints are {', '.join(names)}.",
        )
    return CheckpointRef(model or choices.model, checkpoint.folder)
