"""Lists the runs of the library, finds one by name, and exports checkpoints."""

import os
from collections.abc import Generator
from itertools import chain, count
from pathlib import Path

from app.core.errors import AppError, InputError
from app.core.files.atomic_files import disk_errors_as_app_errors, is_folder
from app.core.files.disks import check_connected, remember_disk
from app.core.files.folders import SHARED_FOLDER, atomic_folder, copy_file_in_steps
from app.core.files.paths import cache_dir, expanded
from app.core.files.untrusted_files import SHARED_FILE
from app.library.reading.library_index import Index
from app.library.reading.run_summary import RunSummary
from app.library.run.layout import ADAPTER_FILES, MANIFEST_FILE, STIFFNESS_FILE

INDEX_FILE = "library.json"


def list_runs(runs_dir: Path) -> list[RunSummary]:
    """Every folder in the library, newest first; a broken one is listed with its problem.

    Raises AppError if the library itself can't be read, or its disk isn't connected.
    """
    check_connected(runs_dir)
    if not runs_dir.is_dir():
        return []
    remember_disk(runs_dir)
    with disk_errors_as_app_errors(runs_dir), os.scandir(runs_dir) as entries:
        folders = [Path(entry) for entry in entries if entry.name[0] != "." and is_folder(entry)]
    index = Index(cache_dir() / INDEX_FILE, runs_dir)
    runs = [index.summary(folder) for folder in folders]
    index.keep()
    return sorted(runs, key=lambda run: run.run_dir.name, reverse=True)


def free_name(name: str, runs_dir: Path) -> str:
    """`name`, with the next free number if another run has it: "demo (2)"."""
    try:
        taken = {run.name for run in list_runs(runs_dir)}
    except AppError:  # the run itself reports the error
        return name
    numbered = (f"{name} ({number})" for number in count(2))
    return next(each for each in chain((name,), numbered) if each not in taken)


def find_run(name: str, runs_dir: Path) -> Path:
    """The folder of a run by its path, its folder's name or its own name.

    Raises InputError if there is none, or more than one with that name.
    """
    path = expanded(Path(name))
    if (path / MANIFEST_FILE).exists():
        return path.absolute()
    if path.name == name and (runs_dir / name).is_dir():
        return runs_dir / name
    matches = [run.run_dir for run in list_runs(runs_dir) if run.name == name]
    if len(matches) > 1:
        folders = ", ".join(folder.name for folder in matches)
        raise InputError(f"{len(matches)} runs are named {name!r}.", f"Name a folder: {folders}.")
    if not matches:
        if path.is_dir():
            raise InputError(f"{path} has no {MANIFEST_FILE}, so it is not a run.")
        raise InputError(f"There is no run named {name!r}.", "nestling runs lists them all.")
    return matches[0]


def export_checkpoint_in_steps(
    adapter_dir: Path, destination: Path
) -> Generator[float, None, Path]:
    """Copy an adapter to a new folder `destination`, whole or not at all; yields the share done.

    The copy is what `mlx_lm.load(base, adapter_path=destination)` takes. Raises AppError.
    """
    for name in ADAPTER_FILES:
        if adapter_dir.is_symlink() or not (adapter_dir / name).is_file():
            raise InputError(f"{adapter_dir} holds no adapter: {name} is missing.")
    if destination.exists():
        raise InputError(f"{destination} already exists.", "Choose a new name.")
    has_stiffness = (adapter_dir / STIFFNESS_FILE).is_file()
    names = (*ADAPTER_FILES, STIFFNESS_FILE) if has_stiffness else ADAPTER_FILES
    with atomic_folder(destination, names, SHARED_FOLDER) as aside:
        whole, done = max(1, sum((adapter_dir / n).stat().st_size for n in names)), 0
        for name in names:
            for piece in copy_file_in_steps(adapter_dir / name, aside / name, SHARED_FILE):
                done += piece
                yield done / whole
    return destination
