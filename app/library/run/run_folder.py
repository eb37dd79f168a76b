"""Names a run, chooses its folder, and copies it."""

import re
from collections.abc import Generator
from datetime import datetime
from pathlib import Path

from app.core.config.training_config import TrainingConfig
from app.core.errors import InputError
from app.core.files.atomic_files import disk_error, disk_errors_as_app_errors
from app.core.files.disks import check_connected
from app.core.files.folders import copy_folder_in_steps
from app.core.files.paths import is_utf8
from app.core.wording.display_names import dataset_title
from app.library.run.manifest import check_settings, read_manifest


class FolderTaken(InputError):
    """Something is in the folder that was to be a new run's own."""


def run_name(config: TrainingConfig) -> str:
    """The user's name for the run, or the dataset's."""
    return config.name or dataset_title(config.data) or "run"


def choose_run_dir(config: TrainingConfig, runs_dir: Path) -> Path:
    """The run's folder: the config's `output`, or a new one in the library.

    Nothing is created. Raises InputError if the folder can't be the run's own.
    """
    _check_utf8(config.output or runs_dir)
    if config.output is None:
        check_connected(runs_dir)
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
    with disk_errors_as_app_errors(folder):
        is_used = folder.is_dir() and any(folder.iterdir())
    if is_used:
        raise InputError(
            f"The output folder {folder} is not empty.", "Choose a new or an empty folder."
        )
    return folder


def copy_run_in_steps(run_dir: Path, output: Path) -> Generator[float, None, Path]:
    """A whole copy of a run in the new or empty folder `output`, in small steps.

    Yields the share done. Raises AppError; then, or closed early, it removes the partial copy.
    """
    check_settings(run_dir, read_manifest(run_dir))
    folder = choose_run_dir(TrainingConfig(output=output).located(), output)
    yield from copy_folder_in_steps(run_dir, folder)
    return folder


def _check_utf8(folder: Path) -> None:
    if not is_utf8(folder):
        raise InputError(
            f"A run can't be kept in {folder}: the name is not UTF-8.", "Choose another folder."
        )


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
