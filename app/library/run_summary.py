"""One run as a row of the library: what its folder says of itself, or what is wrong with it."""

import contextlib
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from app.core.errors import AppError
from app.library.claim import is_claimed
from app.library.label import read_label
from app.library.run import are_settings_whole, read_manifest

RETENTION = "retention"
"""Question sets with this word in their name measure what the model knew before."""


@dataclass(frozen=True)
class Retention:
    """How many questions about what the model knew before it answers."""

    before: int
    after: int
    total: int


@dataclass(frozen=True)
class RunSummary:
    """One row of the library."""

    run_dir: Path
    name: str
    model: str
    data: str
    created: datetime | None
    steps: int
    outcome: str
    """finished, stopped, failed, running; "interrupted" if it says running and nobody trains it;
    "unreadable" if the manifest can't be read."""
    best_val_loss: float | None
    adapter_dir: Path | None
    size_bytes: int
    problem: str = ""
    """One sentence, if something is wrong with the folder."""
    planned_steps: int = 0
    periods: tuple[int, ...] = ()
    """Each tier's update period."""
    retention: Retention | None = None
    notes: str = ""

    @property
    def may_go_on(self) -> bool:
        """It did not come to its end and has a checkpoint to go on from."""
        is_cut = self.outcome in ("stopped", "interrupted", "failed")
        return is_cut and self.adapter_dir is not None and not self.problem


def summarise(run_dir: Path) -> RunSummary:
    """Never raises: what can't be read is told as the run's problem."""
    try:
        return _summary(run_dir, read_manifest(run_dir))
    except AppError as error:
        return _unreadable(run_dir, str(error))
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, OSError) as error:
        return _unreadable(run_dir, f"{run_dir / 'run.json'} is damaged ({error}).")


def _unreadable(run_dir: Path, problem: str) -> RunSummary:
    return RunSummary(
        run_dir, run_dir.name, "", "", None, 0, "unreadable", None, None, folder_size(run_dir),
        problem,
    )  # fmt: skip


def _summary(run_dir: Path, manifest: dict[str, Any]) -> RunSummary:
    config, label = manifest["config"], read_label(run_dir)
    adapter = manifest.get("adapter")
    adapter_dir = run_dir / str(adapter) if adapter else None
    is_missing = adapter_dir is not None and not adapter_dir.is_dir()
    problem = f"Its adapter {adapter} is missing." if is_missing else ""
    if not are_settings_whole(manifest):
        problem = problem or "Its settings are not those it began with, so it can't go on."
    best = manifest.get("best_val_loss")
    return RunSummary(
        run_dir=run_dir,
        name=label.name or str(manifest["name"]),
        model=str(config.get("model", "")),
        data=str(config.get("data", "")),
        created=shown_instant(manifest["created"]),
        steps=int(manifest["steps"]),
        outcome=_outcome(run_dir, manifest),
        best_val_loss=None if best is None else float(best),
        adapter_dir=None if is_missing else adapter_dir,
        size_bytes=folder_size(run_dir),
        problem=problem,
        planned_steps=int(config.get("steps", 0)),
        periods=tuple(int(tier["period"]) for tier in config.get("tiers", ())),
        retention=_retention(manifest["scores"]),
        notes=label.notes,
    )


def shown_instant(text: str) -> datetime:
    """Raises ValueError or OverflowError for one that no calendar here shows."""
    made = datetime.fromisoformat(text)
    made = made if made.tzinfo else made.replace(tzinfo=UTC)
    made.astimezone()
    return made


def _retention(scores: list[dict[str, Any]]) -> Retention | None:
    """The first question set that measures retention, if it was asked before and after."""
    for before in scores:
        if RETENTION not in before["name"].casefold() or before["when"] != "before":
            continue
        for after in scores:
            if (after["name"], after["when"]) == (before["name"], "after"):
                return Retention(int(before["correct"]), int(after["correct"]), int(after["total"]))
    return None


def _outcome(run_dir: Path, manifest: dict[str, Any]) -> str:
    if manifest["outcome"] != "running" or is_claimed(run_dir):
        return str(manifest["outcome"])
    # Cut off between its last checkpoint and the note that it ended: its questions may be left.
    last = f"checkpoints/step-{manifest['config'].get('steps', 0):06d}"
    is_asked = any(score["when"] == "after" for score in manifest["scores"])
    has_questions = bool(manifest["config"].get("question_sets"))
    is_done = manifest.get("adapter") == last and (is_asked or not has_questions)
    return "finished" if is_done else "interrupted"


def folder_size(folder: Path) -> int:
    """Bytes of all files; those that vanish meanwhile, as a checkpoint being written, are none."""
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(path, name)).st_size
    return total
