"""The adapter that a run starts from, and the chain of runs that led to it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from app.core.errors import AppError, InputError
from app.core.text.sanitize import single_line
from app.library.reading.checkpoints import choose_checkpoint
from app.library.run.label import read_label
from app.library.run.layout import ADAPTER_FILES, MANIFEST_FILE, checkpoint_step, run_of_checkpoint
from app.library.run.manifest import IDENTITY, read_manifest

STARTED_FROM = "started_from"
"""The key in a run's manifest."""


@dataclass(frozen=True)
class StartingAdapter:
    folder: str
    run: str = ""
    """The name of the run that made it; empty if no run of the library did."""
    identity: str = ""
    """Of that run."""
    step: int | None = None
    sha256: str = ""
    """Digest of its weights, as the new run stores them."""
    stiffness_sha256: str = ""
    """Digest of their stiffness; empty if the adapter has none."""

    def data(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.run}, step {self.step:,}" if self.step is not None else self.folder


def starting_adapter(path: Path) -> StartingAdapter:
    """The adapter that `path` names: a run (its best checkpoint, or the last where none was
    measured), a checkpoint of one, or any folder that mlx-lm takes as `adapter_path`.

    Raises InputError if there is none.
    """
    folder = choose_checkpoint(path).adapter_dir if (path / MANIFEST_FILE).exists() else path
    missing = [name for name in ADAPTER_FILES if not (folder / name).is_file()]
    if missing:
        raise InputError(
            f"{folder} holds no adapter: {missing[0]} is missing.",
            "Choose a run, one of its checkpoints, or a folder that mlx-lm wrote.",
        )
    run_dir = run_of_checkpoint(folder)
    return _of_run(folder, run_dir) if run_dir else StartingAdapter(str(folder))


def read_started_from(manifest: Mapping[str, Any]) -> StartingAdapter | None:
    """Reads from a run's manifest the adapter that it started from."""
    entry = manifest.get(STARTED_FROM)
    if not isinstance(entry, dict):
        return None
    texts = {
        key: single_line(str(entry.get(key, "")), 400) for key in ("folder", "run", "identity")
    }
    step = entry.get("step")
    digests = {key: str(entry.get(key, "")) for key in ("sha256", "stiffness_sha256")}
    return StartingAdapter(**texts, **digests, step=step if isinstance(step, int) else None)


def _of_run(folder: Path, run_dir: Path) -> StartingAdapter:
    try:
        manifest = read_manifest(run_dir)
        name = read_label(run_dir).name or str(manifest["name"])
        return StartingAdapter(
            str(folder), single_line(name), str(manifest.get(IDENTITY, "")), checkpoint_step(folder)
        )
    except (AppError, KeyError):  # the adapter is usable without it
        return StartingAdapter(str(folder))


MAX_RUNS = 100


@dataclass(frozen=True)
class EarlierRun:
    name: str
    step: int | None
    """Step of the checkpoint that the next run started from; None for an adapter from elsewhere."""
    run_dir: Path | None
    """None if that run no longer exists."""

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
            break  # only an edited manifest contains a cycle
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
