"""The chain of runs that led to a run: each started from the adapter of the one before."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.core.errors import AppError
from app.core.text.sanitize import single_line
from app.library.reading.starting_adapter import StartingAdapter, read_started_from
from app.library.run.label import read_label
from app.library.run.manifest import IDENTITY, read_manifest

MAX_RUNS = 100


@dataclass(frozen=True)
class EarlierRun:
    name: str
    step: int | None
    """Step of the checkpoint that the next run started from; None for an adapter from elsewhere."""
    run_dir: Path | None
    """None where that run is no longer there."""

    def __str__(self) -> str:
        return self.name if self.step is None else f"{self.name}, step {self.step:,}"


def earlier_runs(facts: Mapping[str, Any]) -> tuple[EarlierRun, ...]:
    """The chain that led to the run of this manifest, the oldest first."""
    chain: list[EarlierRun] = []
    manifest: Mapping[str, Any] | None = facts
    while manifest is not None and len(chain) < MAX_RUNS:
        if (origin := read_started_from(manifest)) is None:
            break
        run, manifest = _run_of(origin)
        if any(run.run_dir is not None and run.run_dir == earlier.run_dir for earlier in chain):
            break  # only an edited manifest leads back
        chain.insert(0, run)
    return tuple(chain)


def _run_of(origin: StartingAdapter) -> tuple[EarlierRun, Mapping[str, Any] | None]:
    """The run that made an adapter, and its manifest if it is still the same run."""
    folder = Path(origin.folder)
    if origin.step is None:
        return EarlierRun(folder.name or origin.folder, None, None), None
    run_dir = folder.parent.parent
    try:
        manifest = read_manifest(run_dir)
        name = read_label(run_dir).name or origin.run
    except AppError:
        return EarlierRun(origin.run, origin.step, None), None
    if manifest.get(IDENTITY, "") != origin.identity:
        return EarlierRun(origin.run, origin.step, None), None
    return EarlierRun(single_line(name), origin.step, run_dir), manifest
