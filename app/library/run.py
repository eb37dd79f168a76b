"""One run on disk: a folder the user can open, which says by itself what it is."""

import hashlib
import json
import platform
import re
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
from app.core.files import disk_error, plain_disk_errors, write_json_atomic
from app.core.loss_words import loss_words
from app.core.regular_files import copy_regular, read_regular
from app.library.claim import Claim
from app.library.metrics import MetricsWriter

MANIFEST_FILE = "run.json"
FORMAT = 1
MOST_MANIFEST_BYTES = 64 * 1024**2


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
        manifest["settings_sha256"] = digest_of(_settings(manifest))
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
                self.log(f"Step {event.step}: validation loss {loss_words(event.val_loss, 4)}")
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


def run_name(config: TrainingConfig) -> str:
    """The user's name for the run, or the dataset's."""
    if config.name:
        return config.name
    if config.data is None:
        return "run"
    stem = Path(config.data.name.removesuffix(".gz")).stem
    is_generic = stem in ("train", "data", "dataset")
    return (config.data.resolve().parent.name if is_generic else stem) or "run"


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


def read_manifest(run_dir: Path) -> dict[str, Any]:
    """A run's manifest. Raises InputError that says what is wrong with it."""
    path = run_dir / MANIFEST_FILE
    try:
        manifest = json.loads(read_regular(path, MOST_MANIFEST_BYTES))
    except FileNotFoundError:
        raise InputError(f"{run_dir} has no {MANIFEST_FILE}, so it is no run.") from None
    except OSError as error:
        raise InputError(f"{path} can't be read: {error.strerror or error}.") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} can't be read: {error}.") from error
    needed = {"name": str, "config": dict, "outcome": str, "steps": int, "scores": list}
    if not isinstance(manifest, dict) or not isinstance(manifest.get("format"), int):
        raise InputError(f"{path} is no run's manifest.")
    if manifest["format"] > FORMAT:
        raise InputError(f"{run_dir} was made by a newer Nestling.", "Update Nestling to open it.")
    if missing := [key for key, kind in needed.items() if not isinstance(manifest.get(key), kind)]:
        raise InputError(f"{path} lacks {missing[0]!r}, so the run can't be read.")
    return manifest


def digest_of(value: Any) -> str:
    """Of anything that JSON can hold; the order of keys doesn't matter."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def are_settings_whole(manifest: dict[str, Any]) -> bool:
    """Whether what decides the run's numbers is what it began with."""
    return bool(manifest.get("settings_sha256") == digest_of(_settings(manifest)))


def check_settings(run_dir: Path, manifest: dict[str, Any]) -> None:
    """Raise InputError unless the run can be gone on with as it began."""
    if not are_settings_whole(manifest):
        raise InputError(
            f"The settings in {run_dir / MANIFEST_FILE} are not those the run began with.",
            "Put the old file back, or repeat the run with new settings.",
        )


def _computers(manifest: Mapping[str, Any], step: int, computer: Computer) -> list[dict[str, Any]]:
    """Those of the steps that stay, and `computer` for those to come if it is another one."""
    known = [(after, one) for after, one in read_computers(manifest) if after < step]
    if not known or known[-1][1] != computer:
        known.append((step, computer))
    return [{"after_step": after} | asdict(one) for after, one in known]


def _settings(manifest: dict[str, Any]) -> dict[str, Any]:
    decided = {name: manifest.get(name) for name in ("config", "data", "plan")}
    # Runs of older versions have none.
    return decided | {name: manifest[name] for name in ("batching",) if name in manifest}


def _versions() -> dict[str, str]:
    found = {"nestling": __version__, "python": platform.python_version(), "system": sys.platform}
    for package in ("mlx", "mlx-lm", "transformers"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "unknown"
    return found
