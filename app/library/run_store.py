"""The library as a list: every run folder with what it says of itself, or what is wrong with it."""

import contextlib
import os
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from app.core.errors import AppError, InputError
from app.core.files import folder_written_aside
from app.library.claim import is_claimed
from app.library.run import read_manifest

EXPORTED_FILES = ("adapters.safetensors", "adapter_config.json")
"""What makes an adapter for mlx-lm; the optimizer's state stays in the run."""


@dataclass(frozen=True)
class RunSummary:
    """One row of the library."""

    run_dir: Path
    name: str
    model: str
    data: str
    created: datetime | None
    steps: int
    outcome: str
    """finished, stopped, failed, running; "interrupted" if it says running and nobody trains it;
    "unreadable" if the manifest can't be read."""
    best_val_loss: float | None
    adapter_dir: Path | None
    size_bytes: int
    problem: str = ""
    """One sentence, if something is wrong with the folder."""


def list_runs(runs_dir: Path) -> list[RunSummary]:
    """Every folder in the library, newest first; a broken one is listed with its problem."""
    if not runs_dir.is_dir():
        return []
    runs = [summarise(folder) for folder in runs_dir.iterdir() if folder.is_dir()]
    return sorted(runs, key=lambda run: run.run_dir.name, reverse=True)


def summarise(run_dir: Path) -> RunSummary:
    try:
        manifest = read_manifest(run_dir)
        return _summary(run_dir, manifest)
    except (AppError, KeyError, TypeError, ValueError) as error:
        return RunSummary(
            run_dir, run_dir.name, "", "", None, 0, "unreadable", None, None,
            _size(run_dir), str(error),
        )  # fmt: skip


def export_checkpoint(adapter_dir: Path, destination: Path) -> Path:
    """Copy an adapter to a new folder `destination`, whole or not at all.

    The copy is what `mlx_lm.load(base, adapter_path=destination)` takes. Raises AppError.
    """
    for name in EXPORTED_FILES:
        if not (adapter_dir / name).is_file():
            raise InputError(f"{adapter_dir} holds no adapter: {name} is missing.")
    if destination.exists():
        raise InputError(f"{destination} is already there.", "Choose a new name.")
    with folder_written_aside(destination) as aside:
        for name in EXPORTED_FILES:
            shutil.copyfile(adapter_dir / name, aside / name)
    return destination


def _summary(run_dir: Path, manifest: dict[str, Any]) -> RunSummary:
    config = manifest["config"]
    adapter = manifest.get("adapter")
    adapter_dir = run_dir / adapter if adapter else None
    missing = adapter_dir is not None and not adapter_dir.is_dir()
    best = manifest.get("best_val_loss")
    return RunSummary(
        run_dir=run_dir,
        name=str(manifest["name"]),
        model=str(config.get("model", "")),
        data=str(config.get("data", "")),
        created=datetime.fromisoformat(manifest["created"]),
        steps=int(manifest["steps"]),
        outcome=_outcome(run_dir, manifest["outcome"]),
        best_val_loss=None if best is None else float(best),
        adapter_dir=None if missing else adapter_dir,
        size_bytes=_size(run_dir),
        problem=f"Its adapter {adapter} is missing." if missing else "",
    )


def _outcome(run_dir: Path, said: str) -> str:
    return "interrupted" if said == "running" and not is_claimed(run_dir) else said


def _size(folder: Path) -> int:
    """Bytes of all files; those that vanish meanwhile, as a checkpoint being written, are none."""
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(path, name)).st_size
    return total
