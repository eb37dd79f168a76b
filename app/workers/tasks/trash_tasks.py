"""Deleting runs and checkpoints, and taking it back, as functions for the background thread."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from app.core.errors import AppError, InputError
from app.workers.tasks.trash import Removed, put_back, to_trash


@dataclass(frozen=True)
class Deletion:
    """What was moved to the trash together, and comes back together."""

    removed: tuple[Removed, ...]
    run_dir: Path | None = None
    """The run that the removed checkpoints belong to."""
    problem: str = ""
    """Why something is still where it was."""


def deleting_runs(run_dirs: Iterable[Path]) -> Callable[[], Deletion]:
    """A run that is being trained stays."""

    def work() -> Deletion:
        from app.library.run.run_lock import is_locked

        removed, problem = [], ""
        for run_dir in run_dirs:
            try:
                if is_locked(run_dir):
                    raise InputError(f"The run {run_dir.name} is in progress. Stop it first.")
                removed.append(to_trash(run_dir))
            except AppError as error:
                problem = str(error)
        return Deletion(tuple(removed), None, problem)

    return work


def deleting_checkpoints(run_dir: Path, folders: Iterable[Path]) -> Callable[[], Deletion]:
    """Raises InputError if the run is being trained."""

    def work() -> Deletion:
        return _delete_checkpoints(run_dir, folders)

    return work


def thinning_out(run_dir: Path) -> Callable[[], Deletion]:
    """Only the best and the last checkpoint stay. Raises InputError if the run is being trained."""

    def work() -> Deletion:
        from app.library.reading.checkpoints import prunable_checkpoints

        return _delete_checkpoints(run_dir, prunable_checkpoints(run_dir))

    return work


def undoing(deletion: Deletion) -> Callable[[], Deletion]:
    """Gives what the disk would not take back yet, and why."""

    def work() -> Deletion:
        from app.library.reading.checkpoints import update_manifest_pointers

        refused, problem = put_back(deletion.removed)
        if deletion.run_dir is not None and len(refused) < len(deletion.removed):
            try:
                update_manifest_pointers(deletion.run_dir)
            except AppError as error:
                problem = problem or str(error)
        return replace(deletion, removed=refused, problem=problem)

    return work


def _delete_checkpoints(run_dir: Path, folders: Iterable[Path]) -> Deletion:
    from app.library.reading.checkpoints import update_manifest_pointers
    from app.library.run.run_lock import is_locked

    if is_locked(run_dir):
        raise InputError("The run is in progress. Stop it first.")
    removed, problem = [], ""
    for folder in folders:
        try:
            removed.append(to_trash(folder))
        except AppError as error:
            problem = str(error)
    update_manifest_pointers(run_dir)
    return Deletion(tuple(removed), run_dir, problem)
