"""Where a run lives: its name, a folder that can be its own, and a copy of it elsewhere."""

import os
import re
import shutil
from datetime import datetime
from pathlib import Path

from app.core.config import TrainingConfig
from app.core.errors import InputError
from app.core.files import disk_error, plain_disk_errors
from app.core.regular_files import copy_regular
from app.library.manifest import read_manifest


def run_name(config: TrainingConfig) -> str:
    """The user's name for the run, or the dataset's."""
    if config.name:
        return config.name
    if config.data is None:
        return "run"
    stem = Path(config.data.name.removesuffix(".gz")).stem
    is_generic = stem in ("train", "data", "dataset")
    return (Path(os.path.realpath(config.data)).parent.name if is_generic else stem) or "run"


def choose_run_dir(config: TrainingConfig, runs_dir: Path) -> Path:
    """Where the run will live: the config's `output`, or a new name in the library.

    Nothing is created. Raises InputError if the folder can't be the run's own.
    """
    if config.output is None:
        stamp = datetime.now().strftime("%Y-%m-%d-%H%M%S")
        slug = re.sub(r"[^\w.-]+", "-", run_name(config)).strip("-.")[:60] or "run"
        folder = runs_dir / f"{stamp}-{slug}"
        for number in range(2, 1000):
            if not folder.exists():
                break
            folder = runs_dir / f"{stamp}-{slug}-{number}"
        check_writable(folder)
        return folder
    folder = config.output
    check_writable(folder)
    with plain_disk_errors(folder):
        is_used = folder.is_dir() and any(folder.iterdir())
    if is_used:
        raise InputError(
            f"The output folder {folder} is not empty.", "Choose a new or an empty folder."
        )
    return folder


def copy_run(run_dir: Path, output: Path) -> Path:
    """A whole copy of a run in the new or empty folder `output`; the run itself stays as it is."""
    read_manifest(run_dir)
    folder = choose_run_dir(TrainingConfig(output=output).located(), output)
    with plain_disk_errors(folder):
        _copy_all(run_dir, folder)
    return folder


def _copy_all(run_dir: Path, folder: Path) -> None:
    try:
        shutil.copytree(run_dir, folder, dirs_exist_ok=True, copy_function=copy_regular)
    except shutil.Error as error:
        source, _, why = error.args[0][0]
        raise InputError(f"{source} can't be copied: {why.partition('] ')[2] or why}.") from error


def check_writable(folder: Path) -> None:
    """Raise AppError unless `folder` can be made and written to; leaves nothing behind."""
    try:
        if folder.exists() and not folder.is_dir():
            raise InputError(f"The output {folder} is a file; a run needs a folder of its own.")
        parent = next(p for p in (folder, *folder.parents) if p.exists())
        probe = parent / f".nestling-probe-{datetime.now().timestamp():.6f}"
        probe.mkdir()
        probe.rmdir()
    except OSError as error:
        refused = disk_error(error, folder)
        raise InputError(refused.message, refused.hint) from error
