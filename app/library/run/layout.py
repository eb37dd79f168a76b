"""The layout of a run's folder, shared by engine and library: names of files and folders, the run
or adapter of an opened path, and the check that there are no links.

Reads no contents. The path to the run's folder itself may contain links.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from app.core.errors import InputError

MANIFEST_FILE = "run.json"
LOG_FILE = "log.txt"
LABEL_FILE = "label.json"
STEPS_FILE, EVENTS_FILE = "metrics.bin", "events.jsonl"
METRICS_FILES = (STEPS_FILE, EVENTS_FILE)
RUN_FILES = (MANIFEST_FILE, LOG_FILE, LABEL_FILE, *METRICS_FILES)

CHECKPOINTS = "checkpoints"
START = "start"
"""The folder of the adapter that the run started from."""

ADAPTER_FILE = "adapters.safetensors"
ADAPTER_CONFIG_FILE = "adapter_config.json"
OPTIMIZER_FILE, STATE_FILE = "optimizer.safetensors", "state.json"
STIFFNESS_FILE = "stiffness.safetensors"
"""Per parameter, how strongly a run that continues from the adapter is pulled back. Optional."""
ADAPTER_FILES = (ADAPTER_FILE, ADAPTER_CONFIG_FILE)
"""An adapter as mlx-lm reads it."""
NEEDED_FILES = (*ADAPTER_FILES, OPTIMIZER_FILE, STATE_FILE)
CHECKPOINT_FILES = (*NEEDED_FILES, STIFFNESS_FILE)


def checkpoint_name(step: int) -> str:
    return f"step-{step:06d}"


def checkpoint_folder(run_dir: Path, step: int) -> Path:
    return run_dir / CHECKPOINTS / checkpoint_name(step)


def checkpoint_step(folder: Path) -> int:
    """The step of a checkpoint's folder; -1 for any other folder."""
    digits = folder.name.removeprefix("step-")
    is_step = folder.name.startswith("step-") and digits.isdecimal() and digits.isascii()
    return int(digits) if is_step and len(digits) < 12 else -1


def run_of_checkpoint(folder: Path) -> Path | None:
    """The folder of the run that a checkpoint lies in; None for an adapter elsewhere."""
    run_dir = folder.parent.parent
    is_in_run = folder.parent.name == CHECKPOINTS and (run_dir / MANIFEST_FILE).is_file()
    return run_dir if is_in_run else None


@dataclass(frozen=True)
class OpenedRun:
    """A run's folder, or one of its checkpoints."""

    run_dir: Path
    checkpoint: Path | None = None


@dataclass(frozen=True)
class OpenedAdapter:
    """An adapter outside any run."""

    folder: Path


def opened_run(path: Path) -> OpenedRun | OpenedAdapter | None:
    """The run or adapter of an opened path; None for a dataset, a model or settings.

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


def check_no_links(run_dir: Path) -> None:
    """Raise InputError, which names a link, if a file that a run reads or writes is one.

    Hard links matter only for files that a run appends to: another run may share the file, as in
    a copy made by `cp -al`.
    """
    own = (run_dir / name for name in RUN_FILES)
    for path in (*own, *_start_files(run_dir), *_checkpoint_files(run_dir)):
        if path.is_symlink():
            raise InputError(
                f"{path} is a link to {os.readlink(path)}: a run's own files can't be links.",
                "Put the file itself in its place, or remove the link.",
            )
    for path in (run_dir / name for name in (*METRICS_FILES, LOG_FILE)):
        if path.is_file() and path.stat().st_nlink > 1:
            raise InputError(
                f"{path} is a hard link: other paths share its contents, which would change too.",
                "Put a copy of the file in its place.",
            )


def is_inner_folder(run_dir: Path, within: str) -> bool:
    """Whether `within` is a folder inside a run's folder, reached without links."""
    return (run_dir / within).is_dir() and link_to(run_dir, within) is None


def link_to(run_dir: Path, within: str) -> str | None:
    """The first link on the path from a run's folder to `within`."""
    place = run_dir / within
    between = [place, *place.parents]
    inner = between[: between.index(run_dir)][::-1]
    return next((str(path.relative_to(run_dir)) for path in inner if path.is_symlink()), None)


def _checkpoint_files(run_dir: Path) -> Iterator[Path]:
    """The folder of checkpoints, its entries, and theirs."""
    folder = run_dir / CHECKPOINTS
    yield folder
    for path in _entries(folder):
        yield path
        yield from _entries(path)


def _start_files(run_dir: Path) -> Iterator[Path]:
    yield run_dir / START
    yield from _entries(run_dir / START)


def _entries(folder: Path) -> list[Path]:
    if folder.is_symlink() or not folder.is_dir():
        return []
    try:
        return [folder / name for name in sorted(os.listdir(folder))]
    except OSError:
        return []
