"""The manifest of a run that begins, and of a run that is resumed."""

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
from app.core.events import ScoreMeasured, to_json
from app.core.system.compute_environment import ComputeEnvironment, read_environments
from app.core.system.version import package_version
from app.library.run.manifest import FORMAT, IDENTITY, hashed_settings, json_digest, read_manifest
from app.library.run.run_folder import run_name


def new_manifest(
    config: TrainingConfig, facts: Mapping[str, Any], environment: ComputeEnvironment | None
) -> dict[str, Any]:
    """A run's manifest as it begins; `facts` are what it says beyond the config: data, plan."""
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
    scores = []
    for entry in manifest["scores"]:
        with suppress(KeyError, TypeError):
            name, correct, total = entry["name"], entry["correct"], entry["total"]
            if entry["when"] == "before" and {type(correct), type(total)} == {int}:
                scores.append(ScoreMeasured(str(name), "before", correct, total))
    return scores


def _environments(
    manifest: Mapping[str, Any], step: int, current: ComputeEnvironment
) -> list[dict[str, Any]]:
    """The environments of the steps that stay, and `current` for the next steps if it differs."""
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
