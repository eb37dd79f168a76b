"""One run on disk: a folder the user can open, which says by itself what it is."""

import os
import platform
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from app import __version__
from app.core.config.serialization import to_dict
from app.core.config.training_config import TrainingConfig
from app.core.errors import AppError, RunError
from app.core.events import (
    CheckpointSaved,
    EvaluationFinished,
    Event,
    LogMessage,
    RetentionMeasured,
    RunFinished,
    RunStarted,
    ScoreMeasured,
    StepFinished,
    to_json,
)
from app.core.files.atomic_files import disk_errors_as_app_errors
from app.core.files.disks import is_mounted, mount_point
from app.core.files.folders import close_to_others, make_folder, remove_empty
from app.core.system.compute_environment import ComputeEnvironment, read_environments
from app.core.system.version import package_version
from app.core.text.numbers import format_loss
from app.library.run.layout import (
    CHECKPOINTS,
    LOG_FILE,
    MANIFEST_FILE,
    METRICS_FILES,
    RUN_FILES,
    START,
)
from app.library.run.manifest import (
    FORMAT,
    IDENTITY,
    hashed_settings,
    json_digest,
    read_manifest,
    write_manifest,
)
from app.library.run.metrics import MetricsWriter
from app.library.run.run_folder import FolderTaken, run_name
from app.library.run.run_lock import RunLock, is_locked


class RunRecorder:
    """Writes a run's folder while it happens: manifest, metrics, log.

    The folder is right even if nobody watches: what is shown later is read from here.
    """

    def __init__(
        self,
        run_dir: Path,
        lock: RunLock,
        manifest: dict[str, Any],
        metrics_bytes: int = 0,
        is_validation_due: bool = False,
    ) -> None:
        self.run_dir = run_dir
        self._disk = mount_point(run_dir)
        self._lock = lock
        self._made_folders: list[Path] = []
        self._manifest = manifest | {"outcome": "running"}
        self._write_manifest()
        self._metrics = MetricsWriter(
            run_dir, metrics_bytes, is_validation_due=is_validation_due,
            identity=str(manifest.get(IDENTITY, "")),
        )  # fmt: skip

    @classmethod
    def create(
        cls,
        run_dir: Path,
        config: TrainingConfig,
        facts: dict[str, Any],
        computer: ComputeEnvironment | None = None,
    ) -> "RunRecorder":
        """A new run; `facts` are what its manifest says beyond the config: data, plan.

        Raises FolderTaken if another run has taken the folder since it was chosen, or something
        is in it that has the name of one of a run's own files.
        """
        with disk_errors_as_app_errors(run_dir):
            created = make_folder(run_dir)
        manifest = {
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
        }
        manifest |= facts
        if computer is not None:
            manifest["computed_by"] = _environments({}, 0, computer)
        manifest["settings_sha256"] = json_digest(hashed_settings(manifest))
        try:
            lock = _lock_new_folder(run_dir)
        except AppError:
            remove_empty(created)
            raise
        try:
            recorder = cls._begin(run_dir, lock, manifest)
            recorder._made_folders = created
            return recorder
        except BaseException:
            # A disk so full that not even the manifest fits must not keep an empty run.
            for name in (LOG_FILE, MANIFEST_FILE):
                with suppress(OSError):
                    (run_dir / name).unlink()
            remove_empty(created)
            raise

    @classmethod
    def reopen(
        cls,
        run_dir: Path,
        metrics_bytes: int,
        best_val_loss: float | None,
        best_adapter_dir: Path | None = None,
        after_step: int = 0,
        computer: ComputeEnvironment | None = None,
        facts: Mapping[str, Any] | None = None,
        is_validation_due: bool = False,
    ) -> "RunRecorder":
        """A run that goes on `after_step`, where its metrics had `metrics_bytes`, on `computer`.

        `facts` take the place of those that its manifest has under their names. Where the
        validation of that step `is_validation_due`, it is measured anew.
        """
        lock = RunLock(run_dir)
        close_to_others(run_dir)
        best = best_adapter_dir if best_adapter_dir and best_adapter_dir.is_dir() else None
        manifest = read_manifest(run_dir) | {
            "best_val_loss": best_val_loss,
            "best_adapter": _within(run_dir, best) if best else None,
        }
        manifest |= facts or {}
        if computer is not None:
            manifest["computed_by"] = _environments(manifest, after_step, computer)
        manifest["scores"] = list(map(to_json, base_scores(manifest)))
        return cls._begin(run_dir, lock, manifest, metrics_bytes, is_validation_due)

    @classmethod
    def _begin(cls, run_dir: Path, lock: RunLock, *facts: Any) -> "RunRecorder":
        """A run whose manifest can't be written is not held on to."""
        try:
            return cls(run_dir, lock, *facts)
        except BaseException:
            lock.release()
            raise

    @property
    def warning(self) -> str:
        """One sentence about the folder that the user must know; empty as nearly always."""
        return self._lock.warning

    @property
    def settings_digest(self) -> str:
        """Of what decides the run's numbers."""
        return str(self._manifest["settings_sha256"])

    @property
    def identity(self) -> str:
        """Empty for a run of an older version."""
        return str(self._manifest.get(IDENTITY, ""))

    def record(self, event: Event) -> None:
        """Put one event where it belongs. Raises AppError when the disk refuses."""
        match event:
            case StepFinished():
                self._check_is_there()
                self._manifest["steps"] = event.step
                self._metrics.append(event)
            case EvaluationFinished():
                self._metrics.append(event)
                if event.is_best:
                    self._manifest["best_val_loss"] = event.val_loss
                loss = format_loss(event.val_loss, 4)
                self.log(f"Step {event.step}: validation loss{event.over} {loss}{event.of_each}")
            case RetentionMeasured():
                self._metrics.append(event)
                self._manifest["base_kl"] = event.base_kl
                self.log(f"{event.text[0].upper()}{event.text[1:]}")
            case ScoreMeasured():
                if to_json(event) not in self._manifest["scores"]:  # else of before it resumed
                    self._manifest["scores"].append(to_json(event))
                    self.log(f"{event.name}, {event.when}: {event.correct} of {event.total} right")
            case CheckpointSaved():
                folder = _within(self.run_dir, event.path)
                self._manifest["adapter"] = folder
                if event.is_best:
                    self._manifest["best_adapter"] = folder
                self._metrics.append(event)
                self._manifest["steps"] = event.step
                self._write_manifest()
                best = ", the best so far" if event.is_best else ""
                self.log(f"Step {event.step}: checkpoint saved{best}")
            case RunStarted():
                self._metrics.append(event)
                self.log(f"{event.steps} steps on {event.device}")
            case LogMessage():
                self.log(event.text)
            case RunFinished():
                self._manifest |= {"outcome": event.outcome, "message": event.message}
                self.log(event.message)
                self._write_manifest()

    def keep(self, **facts: Any) -> None:
        """Put further facts into the manifest."""
        self._manifest |= facts
        self._write_manifest()

    def log(self, text: str) -> None:
        with disk_errors_as_app_errors(self.run_dir / LOG_FILE):
            now = datetime.now().isoformat(sep=" ", timespec="seconds")
            self._lock.write(f"{now}  {text}\n")

    def synced_metrics_bytes(self) -> int:
        """The length of the metrics, once they would survive a power cut.

        Raises RunError if the run's folder is gone.
        """
        self._check_is_there()
        return self._metrics.sync()

    def _check_is_there(self) -> None:
        """What is written to deleted files is lost, so that no further step is worth its time."""
        if os.path.exists(self.run_dir / MANIFEST_FILE):
            return
        if not is_mounted(self._disk):
            raise RunError(
                f"The disk with the run's folder {self.run_dir} was disconnected while it was "
                "training.",
                "Connect it, and resume the run from its last checkpoint.",
            )
        raise RunError(f"The run's folder {self.run_dir} was deleted while it was training.")

    def close(self) -> None:
        self._lock.release()
        self._metrics.close()

    def discard(self) -> None:
        """Undo the run; in a folder that was there before, or holds something else, only that of
        this run is removed."""
        with disk_errors_as_app_errors(self.run_dir):
            for name in (MANIFEST_FILE, *METRICS_FILES, LOG_FILE):
                (self.run_dir / name).unlink(missing_ok=True)
        self.close()
        remove_empty(self._made_folders)

    def _write_manifest(self) -> None:
        write_manifest(self.run_dir, self._manifest)


def base_scores(manifest: Mapping[str, Any]) -> list[ScoreMeasured]:
    """What the base model's answers scored, as a run that resumes keeps it."""
    scores = []
    for entry in manifest["scores"]:
        with suppress(KeyError, TypeError):
            name, correct, total = entry["name"], entry["correct"], entry["total"]
            if entry["when"] == "before" and {type(correct), type(total)} == {int}:
                scores.append(ScoreMeasured(str(name), "before", correct, total))
    return scores


def _lock_new_folder(run_dir: Path) -> RunLock:
    """A claim on a folder in which nothing has a name that the run will use."""
    try:
        lock = RunLock(run_dir, is_new=True)
    except FileExistsError:
        if is_locked(run_dir):
            raise FolderTaken(
                f"The run in {run_dir} is being trained by another program."
            ) from None
        raise _taken(run_dir, LOG_FILE) from None
    names = (*RUN_FILES, CHECKPOINTS, START)
    there = [n for n in names if n != LOG_FILE and os.path.lexists(run_dir / n)]
    if there:
        lock.release()
        (run_dir / LOG_FILE).unlink()
        raise _taken(run_dir, there[0])
    return lock


def _taken(run_dir: Path, name: str) -> FolderTaken:
    is_run = (run_dir / MANIFEST_FILE).exists()
    return FolderTaken(
        f"The folder {run_dir} already holds {'a run' if is_run else name}.", "Choose another."
    )


def _within(run_dir: Path, folder: Path) -> str:
    return str(folder.relative_to(run_dir))


def _environments(
    manifest: Mapping[str, Any], step: int, current: ComputeEnvironment
) -> list[dict[str, Any]]:
    """Those of the steps that stay, and `current` for those to come if it is another one."""
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
