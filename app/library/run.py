"""One run on disk: a folder the user can open, which says by itself what it is."""

import platform
import shutil
import sys
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from app import __version__
from app.core.computer import Computer, read_computers
from app.core.config import TrainingConfig
from app.core.config_text import to_plain
from app.core.errors import AppError, InputError, RunError
from app.core.events import (
    CheckpointSaved,
    EvaluationFinished,
    Event,
    LogMessage,
    RunFinished,
    RunStarted,
    ScoreMeasured,
    StepFinished,
    to_json,
)
from app.core.files import plain_disk_errors, write_json_atomic
from app.core.loss_words import loss_words
from app.library.claim import Claim
from app.library.manifest import FORMAT, MANIFEST_FILE, deciding_settings, digest_of, read_manifest
from app.library.metrics import MetricsWriter
from app.library.run_folder import run_name


class RunRecorder:
    """Writes a run's folder while it happens: manifest, metrics, log.

    The folder is right even if nobody watches: what is shown later is read from here.
    """

    def __init__(
        self, run_dir: Path, claim: Claim, manifest: dict[str, Any], metrics_bytes: int = 0
    ) -> None:
        self.run_dir = run_dir
        self._claim = claim
        self._manifest = manifest | {"outcome": "running"}
        self._write_manifest()
        self._metrics = MetricsWriter(run_dir, metrics_bytes)

    @classmethod
    def create(
        cls,
        run_dir: Path,
        config: TrainingConfig,
        facts: dict[str, Any],
        computer: Computer | None = None,
    ) -> "RunRecorder":
        """A new run; `facts` are what its manifest says beyond the config: data, plan.

        Raises InputError if another run has taken the folder since it was chosen.
        """
        with plain_disk_errors(run_dir):
            run_dir.mkdir(parents=True, exist_ok=True)
        claim = Claim(run_dir)
        if (run_dir / MANIFEST_FILE).exists():
            claim.release()
            raise InputError(f"The folder {run_dir} already holds a run.", "Choose another.")
        manifest = {
            "format": FORMAT,
            "name": run_name(config),
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "versions": _versions(),
            "config": to_plain(replace(config, output=None)),
            "steps": 0,
            "best_val_loss": None,
            "adapter": None,
            "best_adapter": None,
            "scores": [],
        }
        manifest |= facts
        if computer is not None:
            manifest["computed_by"] = _computers({}, 0, computer)
        manifest["settings_sha256"] = digest_of(deciding_settings(manifest))
        try:
            return cls._begin(run_dir, claim, manifest)
        except AppError:
            # A disk so full that not even the manifest fits must not keep an empty run.
            shutil.rmtree(run_dir, ignore_errors=True)
            raise

    @classmethod
    def reopen(
        cls,
        run_dir: Path,
        metrics_bytes: int,
        best_val_loss: float | None,
        best_adapter_dir: Path | None = None,
        after_step: int = 0,
        computer: Computer | None = None,
    ) -> "RunRecorder":
        """A run that goes on `after_step`, where its metrics had `metrics_bytes`, on `computer`."""
        claim = Claim(run_dir)
        best = best_adapter_dir if best_adapter_dir and best_adapter_dir.is_dir() else None
        manifest = read_manifest(run_dir) | {
            "best_val_loss": best_val_loss,
            "best_adapter": _within(run_dir, best) if best else None,
        }
        if computer is not None:
            manifest["computed_by"] = _computers(manifest, after_step, computer)
        manifest["scores"] = [s for s in manifest["scores"] if s["when"] == "before"]
        return cls._begin(run_dir, claim, manifest, metrics_bytes)

    @classmethod
    def _begin(cls, run_dir: Path, claim: Claim, *facts: Any) -> "RunRecorder":
        """A run whose manifest can't be written is not held on to."""
        try:
            return cls(run_dir, claim, *facts)
        except BaseException:
            claim.release()
            raise

    @property
    def settings_digest(self) -> str:
        """Of what decides the run's numbers."""
        return str(self._manifest["settings_sha256"])

    def record(self, event: Event) -> None:
        """Put one event where it belongs. Raises AppError when the disk refuses."""
        match event:
            case StepFinished():
                self._check_is_there()
                self._manifest["steps"] = event.step
                self._metrics.append(event)
            case EvaluationFinished():
                if event.is_best:
                    self._manifest["best_val_loss"] = event.val_loss
                self._metrics.append(event)
                loss = loss_words(event.val_loss, 4)
                self.log(f"Step {event.step}: validation loss {loss}{event.of_each}")
            case ScoreMeasured():
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

    def log(self, text: str) -> None:
        with plain_disk_errors(self.run_dir):
            now = datetime.now().isoformat(sep=" ", timespec="seconds")
            self._claim.write(f"{now}  {text}\n")

    def synced_metrics_bytes(self) -> int:
        """The length of the metrics, once they would survive a power cut.

        Raises RunError if the run's folder is gone.
        """
        self._check_is_there()
        return self._metrics.sync()

    def _check_is_there(self) -> None:
        """What is written to deleted files is lost, so that no further step is worth its time."""
        if not (self.run_dir / MANIFEST_FILE).exists():
            raise RunError(f"The run's folder {self.run_dir} was deleted while it was training.")

    def close(self) -> None:
        self._claim.release()
        self._metrics.close()

    def _write_manifest(self) -> None:
        write_json_atomic(self.run_dir / MANIFEST_FILE, self._manifest)


def _within(run_dir: Path, folder: Path) -> str:
    return str(folder.relative_to(run_dir))


def _computers(manifest: Mapping[str, Any], step: int, computer: Computer) -> list[dict[str, Any]]:
    """Those of the steps that stay, and `computer` for those to come if it is another one."""
    known = [(after, one) for after, one in read_computers(manifest) if after < step]
    if not known or known[-1][1] != computer:
        known.append((step, computer))
    return [{"after_step": after} | asdict(one) for after, one in known]


def _versions() -> dict[str, str]:
    found = {"nestling": __version__, "python": platform.python_version(), "system": sys.platform}
    for package in ("mlx", "mlx-lm", "transformers"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "unknown"
    return found
