"""Corrects the "best" and "last" checkpoint in the manifest after some were deleted or restored."""

from pathlib import Path

from app.library.reading.checkpoint_retention import best_step, lost_best, own_checkpoints
from app.library.run.layout import checkpoint_step
from app.library.run.manifest import read_manifest, write_manifest
from app.library.run.metrics import read_event_log
from app.library.run.run_lock import RunLock


def update_manifest_pointers(run_dir: Path) -> None:
    """Update the checkpoints that the manifest names. Raises AppError if the run is in progress."""
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
