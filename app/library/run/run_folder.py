"""Names a run, chooses its folder, copies it, and makes the manifest of a run that starts or
resumes.
"""

import platform
import re
import sys
from collections.abc import Generator, Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from uuid import uuid4

from app import __version__
from app.core.config.serialization import to_dict
from app.core.config.training_config import TrainingConfig
from app.core.errors import InputError
from app.core.events import ScoreMeasured, to_json
from app.core.files.atomic_files import disk_error, disk_errors_as_app_errors
from app.core.files.disks import check_connected
from app.core.files.folders import copy_folder_in_steps
from app.core.files.paths import is_utf8
from app.core.system.compute_environment import ComputeEnvironment, read_environments
from app.core.system.version import package_version
from app.core.wording.display_names import dataset_title
from app.library.run.manifest import (
    FORMAT,
    IDENTITY,
    check_settings,
    hashed_settings,
    json_digest,
    read_manifest,
    read_scores,
)


class FolderTaken(InputError):
    """The folder chosen for a new run is in use."""


def run_name(config: TrainingConfig) -> str:
    """The run's name in the settings, or the dataset's name."""
    return config.name or dataset_title(config.data) or "run"


def choose_run_dir(config: TrainingConfig, runs_dir: Path) -> Path:
    """The run's folder: the config's `output`, or a new one in the library.

    Nothing is created. Raises InputError if the folder can't be used.
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
    """Copy a run completely to the new or empty folder `output`, in small steps.

    Yields the share done. Raises AppError. If it fails or is closed early, the partial copy is
    removed.
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
    """Raise AppError unless `folder` can be created and written; leaves no files."""
    try:
        if folder.exists() and not folder.is_dir():
            raise InputError(f"The output {folder} is a file; a run needs a folder of its own.")
        parent = next(p for p in (folder, *folder.parents) if p.exists())
        Path(mkdtemp(prefix=".nestling-probe-", dir=parent)).rmdir()  # unique to this process
    except OSError as error:
        refused = disk_error(error, folder)
        raise InputError(refused.message, refused.hint) from error


def new_manifest(
    config: TrainingConfig, facts: Mapping[str, Any], environment: ComputeEnvironment | None
) -> dict[str, Any]:
    """The manifest of a new run; `facts` are its entries beside the config: data, plan."""
    manifest: dict[str, Any] = {
        "format": FORMAT,
        IDENTITY: uuid4().hex[:12],
        "name": run_name(config),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": _versions(),
        "config": to_dict(replace(config, output=None)),
        "steps": 0,
        "best_val_loss": None,
        "adapter": None,
        "best_adapter": None,
        "scores": [],
        **facts,
    }
    if environment is not None:
        manifest["computed_by"] = _environments({}, 0, environment)
    return manifest | {"settings_sha256": json_digest(hashed_settings(manifest))}


def resumed_manifest(
    run_dir: Path, after_step: int, environment: ComputeEnvironment | None
) -> dict[str, Any]:
    """The manifest of a run that continues `after_step` in this environment."""
    manifest = read_manifest(run_dir)
    if environment is not None:
        manifest["computed_by"] = _environments(manifest, after_step, environment)
    return manifest | {"scores": list(map(to_json, base_scores(manifest)))}


def base_scores(manifest: Mapping[str, Any]) -> list[ScoreMeasured]:
    """The base model's scores, which a resumed run keeps."""
    return [score for score in read_scores(manifest) if score.when == "before"]


def _environments(
    manifest: Mapping[str, Any], step: int, current: ComputeEnvironment
) -> list[dict[str, Any]]:
    """The environments of the kept steps, and `current` for the next ones if it differs."""
    known = [
        (after, environment) for after, environment in read_environments(manifest) if after < step
    ]
    if not known or known[-1][1] != current:
        known.append((step, current))
    return [{"after_step": after} | asdict(environment) for after, environment in known]


def _versions() -> dict[str, str]:
    versions = {
        "nestling": __version__,
        "python": platform.python_version(),
        "system": sys.platform,
    }
    packages = ("mlx", "mlx-lm", "transformers")
    return versions | {package: package_version(package) for package in packages}
