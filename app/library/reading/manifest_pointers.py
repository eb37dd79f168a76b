"""A run's manifest names its last and its best checkpoint; set right when some were removed."""

from pathlib import Path

from app.library.reading.checkpoint_list import (
    best_step_of,
    checkpoint_step,
    list_checkpoints,
    own_checkpoints,
)
from app.library.reading.event_log import read_evaluations
from app.library.reading.lost_best import lost_best
from app.library.run.manifest import read_manifest, write_manifest
from app.library.run.metrics import read_event_log, read_events
from app.library.run.run_lock import RunLock
from app.library.run.step_table import empty_table


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
