"""Recognizes an opened path as a run, a checkpoint or an exported adapter.

Looks at names alone; reads nothing.
"""

from dataclasses import dataclass
from pathlib import Path

from app.library.run.layout import (
    ADAPTER_FILE,
    CHECKPOINT_FILES,
    MANIFEST_FILE,
    run_of_checkpoint,
)


@dataclass(frozen=True)
class OpenedRun:
    """A run's folder, or one of its checkpoints."""

    run_dir: Path
    checkpoint: Path | None = None


@dataclass(frozen=True)
class OpenedAdapter:
    """An adapter that lies in no run."""

    folder: Path


def opened_run(path: Path) -> OpenedRun | OpenedAdapter | None:
    """None for everything else: a dataset, a model, settings.

    A run may be named by its folder or its manifest, a checkpoint by its folder or a file in it.
    """
    if path.name == MANIFEST_FILE and path.is_file():
        return OpenedRun(path.parent)
    if path.is_dir() and (path / MANIFEST_FILE).is_file():
        return OpenedRun(path)
    folder = path.parent if path.name in CHECKPOINT_FILES else path
    if not (folder / ADAPTER_FILE).is_file():
        return None
    run_dir = run_of_checkpoint(folder)
    return OpenedRun(run_dir, folder) if run_dir else OpenedAdapter(folder)
