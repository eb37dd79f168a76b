"""Facts of earlier runs on a base model: throughput, and whether examples were packed."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.core.config.serialization import config_from_manifest
from app.core.config.training_config import TrainingConfig
from app.core.errors import AppError
from app.library.reading.run_store import list_runs
from app.library.run.manifest import read_manifest
from app.library.run.metrics import read_steps

_LAST_STEPS = 50
_RUNS_TRIED = 5


@dataclass(frozen=True)
class LastThroughput:
    run: str
    """The run's name."""
    tokens_per_second: float
    """Trained tokens, the median of its last steps; validation and saving don't count."""
    config: TrainingConfig | None = None
    """Its settings; None if they can't be read."""


def last_throughput(runs_dir: Path, model: Path) -> LastThroughput | None:
    """Throughput of the newest run on this model that has steps; None if there is none."""
    runs = [run for run in list_runs(runs_dir) if run.model == str(model) and run.steps]
    for run in runs[:_RUNS_TRIED]:
        speeds = read_steps(run.run_dir).rows["tokens_per_second"][-_LAST_STEPS:]
        speeds = speeds[np.isfinite(speeds) & (speeds > 0)]
        if len(speeds):
            return LastThroughput(run.name, float(np.median(speeds)), _config(run.run_dir))
    return None


def _config(run_dir: Path) -> TrainingConfig | None:
    try:
        settings = read_manifest(run_dir)["config"]
        return config_from_manifest(settings, where=str(run_dir))
    except AppError:
        return None


def last_packing(runs_dir: Path, model: Path) -> bool | None:
    """Whether the newest run packed examples; None if no run checked it, as with one per batch."""
    runs = [run for run in list_runs(runs_dir) if run.model == str(model)]
    for run in runs[:_RUNS_TRIED]:
        try:
            manifest = read_manifest(run.run_dir)
        except AppError:
            continue
        config, batching = manifest["config"], manifest.get("batching")
        if isinstance(batching, dict) and config.get("batch_size", 1) > 1:
            return bool(batching.get("is_packed"))
    return None
