"""Records a run in its folder while it happens: manifest, metrics and log."""

import os
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from app.core.config.training_config import TrainingConfig
from app.core.errors import AppError, RunError
from app.core.events import (
    CheckpointSaved,
    EvaluationFinished,
    Event,
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
from app.core.system.compute_environment import ComputeEnvironment
from app.core.wording.results import event_line
from app.library.run.layout import (
    CHECKPOINTS,
    LOG_FILE,
    MANIFEST_FILE,
    METRICS_FILES,
    RUN_FILES,
    START,
)
from app.library.run.manifest import IDENTITY, write_manifest
from app.library.run.metrics import MetricsWriter
from app.library.run.run_folder import FolderTaken, new_manifest, resumed_manifest
from app.library.run.run_lock import RunLock, is_locked

IN_METRICS = (
    StepFinished, EvaluationFinished, RetentionMeasured, CheckpointSaved, RunStarted,
)  # fmt: skip
"""Events in the metrics; scores are in the manifest, messages in the log."""


class RunRecorder:
    """Writes a run's folder while it happens: manifest, metrics, log.

    The folder is the only source for anything shown later.
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
        self._created_folders: list[Path] = []
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
        environment: ComputeEnvironment | None = None,
    ) -> "RunRecorder":
        """Create a new run; `facts` are the manifest's entries beside the config: data, plan.

        Raises FolderTaken if another run took the folder since it was chosen, or an entry
        in it has the name of one of a run's own files.
        """
        with disk_errors_as_app_errors(run_dir):
            created = make_folder(run_dir)
        manifest = new_manifest(config, facts, environment)
        try:
            lock = _lock_new_folder(run_dir)
        except AppError:
            remove_empty(created)
            raise
        try:
            recorder = cls._begin(run_dir, lock, manifest)
            recorder._created_folders = created
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
        environment: ComputeEnvironment | None = None,
        facts: Mapping[str, Any] | None = None,
        is_validation_due: bool = False,
    ) -> "RunRecorder":
        """Reopen a run to resume it after a step. Metrics beyond `metrics_bytes` are dropped.

        `facts` replace the manifest's entries of the same names. With `is_validation_due`, the
        validation of that step is measured again.
        """
        lock = RunLock(run_dir)
        close_to_others(run_dir)
        best = best_adapter_dir if best_adapter_dir and best_adapter_dir.is_dir() else None
        manifest = resumed_manifest(run_dir, after_step, environment) | {
            "best_val_loss": best_val_loss,
            "best_adapter": _within(run_dir, best) if best else None,
        }
        manifest |= facts or {}
        return cls._begin(run_dir, lock, manifest, metrics_bytes, is_validation_due)

    @classmethod
    def _begin(cls, run_dir: Path, lock: RunLock, *facts: Any) -> "RunRecorder":
        """Begin to record; the lock is released if the manifest can't be written."""
        try:
            return cls(run_dir, lock, *facts)
        except BaseException:
            lock.release()
            raise

    @property
    def warning(self) -> str:
        """A warning about the folder in one sentence; mostly empty."""
        return self._lock.warning

    @property
    def settings_digest(self) -> str:
        """Digest of the settings that affect the run's numbers."""
        return str(self._manifest["settings_sha256"])

    @property
    def name(self) -> str:
        return str(self._manifest["name"])

    @property
    def identity(self) -> str:
        """Empty for a run of an older version."""
        return str(self._manifest.get(IDENTITY, ""))

    def record(self, event: Event) -> None:
        """Record one event in its file. Raises AppError if the disk can't be written."""
        if isinstance(event, ScoreMeasured) and to_json(event) in self._manifest["scores"]:
            return  # measured before the run was resumed
        if isinstance(event, StepFinished):
            self._check_is_there()
        if isinstance(event, CheckpointSaved):
            self._note_checkpoint(event)
        if isinstance(event, IN_METRICS):
            self._metrics.append(event)
        match event:
            case StepFinished():
                self._manifest["steps"] = event.step
            case EvaluationFinished() if event.is_best:
                self._manifest["best_val_loss"] = event.val_loss
            case RetentionMeasured():
                self._manifest["base_kl"] = event.base_kl
            case ScoreMeasured():
                self._manifest["scores"].append(to_json(event))
            case RunFinished():
                self._manifest |= {"outcome": event.outcome, "message": event.message}
        if isinstance(event, CheckpointSaved):
            self._write_manifest()
        if line := event_line(event):
            self.log(line)
        if isinstance(event, RunFinished):
            self._write_manifest()

    def _note_checkpoint(self, event: CheckpointSaved) -> None:
        folder = _within(self.run_dir, event.path)
        self._manifest |= {"adapter": folder, "steps": event.step}
        if event.is_best:
            self._manifest["best_adapter"] = folder

    def keep(self, **facts: Any) -> None:
        """Add facts to the manifest."""
        self._manifest |= facts
        self._write_manifest()

    def log(self, text: str) -> None:
        with disk_errors_as_app_errors(self.run_dir / LOG_FILE):
            now = datetime.now().isoformat(sep=" ", timespec="seconds")
            self._lock.write(f"{now}  {text}\n")

    def synced_metrics_bytes(self) -> int:
        """Sync the metrics to the disk and return their length in bytes.

        Raises RunError if the run's folder is gone.
        """
        self._check_is_there()
        return self._metrics.sync()

    def _check_is_there(self) -> None:
        """Raise RunError if the folder is gone: writes to deleted files would be lost."""
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
        """Remove the run's folder; if it existed before or holds other files, remove only those of
        this run is removed."""
        with disk_errors_as_app_errors(self.run_dir):
            for name in (MANIFEST_FILE, *METRICS_FILES, LOG_FILE):
                (self.run_dir / name).unlink(missing_ok=True)
        self.close()
        remove_empty(self._created_folders)

    def _write_manifest(self) -> None:
        write_manifest(self.run_dir, self._manifest)


def _lock_new_folder(run_dir: Path) -> RunLock:
    """Lock a folder without files that have names of the run's own files."""
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
