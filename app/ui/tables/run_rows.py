"""Rows of the runs' table that have no folder yet, texts shared by tables and combo boxes, and the
filter. Does not import Qt.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from PySide6.QtCore import QLocale

from app.core.config.learning_methods import BY_TIERS, CUSTOM, learning_method
from app.core.config.training_config import TrainingConfig
from app.core.text.sentences import localized
from app.core.text.translation import language, tr
from app.core.wording.display_names import dataset_title
from app.library.queue_store import QueuedRun
from app.ui.look import formatting

if TYPE_CHECKING:
    from app.library.reading.run_summary import RunSummary


@dataclass(frozen=True)
class WaitingRun:
    """A queued or starting run with the attributes of RunSummary that the table shows; unknown
    values are None, 0 or empty.
    """

    key: str
    """Its key in the queue; empty for a run that was started directly."""
    standing: str
    """For example "Waiting · 2 of 3"."""
    name: str
    model: str
    data: str
    outcome: str
    """"waiting", "preparing", or "blocked" if it could not start."""
    problem: str
    planned_steps: int
    periods: tuple[int, ...]
    method: str
    learning_rate: float
    batch_size: int
    created: datetime | None = None
    steps: int = 0
    best_val_loss: float | None = None
    adapter_dir: Path | None = None
    size_bytes: int = 0
    retention: None = None
    known: None = None
    base_kl: None = None
    notes: str = ""

    @property
    def run_dir(self) -> Path:
        """A placeholder path that identifies the row."""
        return Path(f"queue:{self.key}")


def waiting_runs(queue: Sequence[QueuedRun], begun_key: str) -> list[WaitingRun]:
    """The rows of the queued runs in order; the run with `begun_key` is being prepared."""
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
    """The row of a run that was started directly and has no folder yet."""
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
        problem=localized(tr(problem)),  # stored in English
        planned_steps=config.steps,
        periods=tuple(tier.period for tier in config.tiers),
        method=learning_method(config).title,
        learning_rate=config.learning_rate,
        batch_size=config.batch_size,
    )


Row: TypeAlias = "RunSummary | WaitingRun"


def method_text(method: str, periods: Sequence[int]) -> str:
    """How a run learns: "Learn and keep", or "Tiers 1 · 2 · 4"."""
    joined = " · ".join(map(str, periods))
    if method == CUSTOM.title and len(periods) > 1:
        return tr("Custom, tiers {periods}", periods=joined)
    if method in ("", BY_TIERS.title):
        return tr("Tiers {periods}", periods=joined) if periods else "–"
    return tr(method)


def day_text(created: datetime | None) -> str:
    """Day and time, with the year unless it is the current one."""
    if created is None:
        return "–"
    local = created.astimezone()
    month = QLocale(language()).monthName(local.month, QLocale.FormatType.ShortFormat)
    time, day = f"{local:%H:%M}", local.day
    if local.year == datetime.now().year:
        return tr("{day} {month}, {time}", day=day, month=month, time=time)
    return tr("{day} {month} {year}, {time}", day=day, month=month, year=local.year, time=time)


STATES = {
    "": tr("All runs"),
    "finished": tr("Finished"),
    "waiting": tr("Waiting"),
    "open": tr("Not finished"),
    "broken": tr("With a problem"),
}
"""The choices of the filter."""
_DONE = ("finished", "unreadable")
_WAITING = ("waiting", "blocked", "preparing")


@dataclass(frozen=True)
class RunsFilter:
    """Each search word must occur in the text of a run."""

    words: tuple[str, ...] = ()
    state: str = ""

    @classmethod
    def of(cls, search: str, state: str) -> "RunsFilter":
        return cls(tuple(search.casefold().split()), state)

    def lets_through(self, run: "Row", searched: str) -> bool:
        """`searched` is the run's text in lowercase."""
        return self._is_in_state(run) and all(word in searched for word in self.words)

    def _is_in_state(self, run: "Row") -> bool:
        match self.state:
            case "finished":
                return run.outcome == "finished"
            case "waiting":
                return run.outcome in _WAITING
            case "open":
                return run.outcome not in _DONE
            case "broken":
                return bool(run.problem)
        return True
