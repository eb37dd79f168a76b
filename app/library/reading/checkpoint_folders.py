"""A run's checkpoint folders on disk, and which of them are its own."""

import os
from collections.abc import Iterable
from pathlib import Path

from app.library.run.checkpoint_state import foreign_reason, read_owner
from app.library.run.layout import CHECKPOINTS, checkpoint_step
from app.library.run.symlinks import is_inner_folder


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
    """The run's own, by step."""
    folders = checkpoint_folders(run_dir)
    others = foreign_checkpoints(run_dir, folders)
    return [folder for folder in folders if folder not in others]
