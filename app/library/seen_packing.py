"""Whether examples shared rows in the last run on a base model that could have it so."""

from pathlib import Path

from app.core.errors import AppError
from app.library.reading.run_store import list_runs
from app.library.run.manifest import read_manifest

_RUNS_TRIED = 5


def last_packing(runs_dir: Path, model: Path) -> bool | None:
    """None if no run tried: one example a batch leaves nothing to try."""
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
