"""A run that waits, or that has no folder yet, as a row among the runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from app.core.config.training_config import TrainingConfig
from app.core.text.sentences import localized
from app.core.text.translation import tr
from app.core.wording.display_names import dataset_title
from app.library.queue_store import QueuedRun
from app.ui.look import formatting

if TYPE_CHECKING:
    from app.library.reading.run_summary import RunSummary


@dataclass(frozen=True)
class WaitingRun:
    """Has what a row of the runs shows, so that a table takes both. What it has not yet is none."""

    key: str
    """Its place in the queue; empty for one that was started directly."""
    standing: str
    """ "Waiting · 2 of 3"."""
    name: str
    model: str
    data: str
    outcome: str
    """waiting, preparing, or blocked if it could not start."""
    problem: str
    planned_steps: int
    periods: tuple[int, ...]
    learning_rate: float
    batch_size: int
    created: datetime | None = None
    steps: int = 0
    best_val_loss: float | None = None
    adapter_dir: Path | None = None
    size_bytes: int = 0
    retention: None = None
    notes: str = ""

    @property
    def run_dir(self) -> Path:
        """There is none; it tells the row from others."""
        return Path(f"queue:{self.key}")


def waiting_runs(queue: Sequence[QueuedRun], begun_key: str) -> list[WaitingRun]:
    """In their order; the one of `begun_key` is being prepared."""
    return [
        _row(
            run.config,
            run.key,
            _outcome(run, begun_key),
            run.problem,
            tr("{number:,} of {total:,}", number=number, total=len(queue)),
        )
        for number, run in enumerate(queue, 1)
    ]


def preparing_run(config: TrainingConfig) -> WaitingRun:
    """The one that was started directly and has no folder yet."""
    return _row(config, "", "preparing", "", "")


def _outcome(run: QueuedRun, begun_key: str) -> str:
    if run.key == begun_key:
        return "preparing"
    return "blocked" if run.problem else "waiting"


def _row(config: TrainingConfig, key: str, outcome: str, problem: str, place: str) -> WaitingRun:
    words = formatting.outcome(outcome)
    return WaitingRun(
        key=key,
        standing=f"{words} · {place}" if outcome == "waiting" else words,
        name=config.name or dataset_title(config.data) or tr("Run"),
        model=str(config.model),
        data=str(config.data or ""),
        outcome=outcome,
        problem=localized(tr(problem)),  # kept in English
        planned_steps=config.steps,
        periods=tuple(tier.period for tier in config.tiers),
        learning_rate=config.learning_rate,
        batch_size=config.batch_size,
    )


Row: TypeAlias = "RunSummary | WaitingRun"
