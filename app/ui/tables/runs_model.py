"""The library's runs as a Qt table; knows RunSummary and nothing of disks or windows."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt

from app.core.model_names import model_name
from app.ui import phrases
from app.ui.live_run import LiveRun
from app.ui.tables.columns_model import Column, ColumnsModel
from app.ui.tables.runs_filter import RunsFilter
from app.ui.tables.told_runs import periods_text

if TYPE_CHECKING:
    from app.library.run_summary import RunSummary

_EARLIEST = float("-inf")


class RunsModel(ColumnsModel["RunSummary"]):
    """Rows come all at once with `show_runs`; the run in progress is kept fresh by `show_live`.

    Sorts and filters by itself: Qt's own proxy asks for every value over and over, which takes
    seconds for a thousand runs.
    """

    def __init__(self) -> None:
        super().__init__(_COLUMNS, lambda run: run.problem)
        self._all: list[RunSummary] = []
        self._filter = RunsFilter()
        self._column, self._order = DATE_COLUMN, Qt.SortOrder.DescendingOrder
        self._live: LiveRun | None = None

    @property
    def all_runs(self) -> "Sequence[RunSummary]":
        """Also those that the filter hides."""
        return self._all

    def show_runs(self, runs: "Sequence[RunSummary]") -> None:
        """Nothing is told if they are what is shown already."""
        runs = [self._as_known(run) for run in runs]
        if runs != self._all:
            self._all = runs
            self._arrange()

    def show_only(self, wanted: RunsFilter) -> None:
        if wanted != self._filter:
            self._filter = wanted
            self._arrange()

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        self._column, self._order = column, order
        self._arrange()

    def _arrange(self) -> None:
        let_through, is_searched = self._filter.lets_through, bool(self._filter.words)
        seen = [r for r in self._all if let_through(r, _searched_text(r) if is_searched else "")]
        # By name first, so that runs that are equal in a column keep one order.
        seen.sort(key=lambda run: run.run_dir.name, reverse=True)
        is_falling = self._order is Qt.SortOrder.DescendingOrder
        column = self.columns[self._column]
        seen.sort(key=column.sorted_by or column.shown, reverse=is_falling)
        self.show_rows(seen)

    def show_live(self, live: LiveRun | None) -> bool:
        """Show how the run in progress stands; False if it is in no row.

        A run that has ended stays as it was last seen until the runs are listed anew.
        """
        self._live = live
        if live is None:
            return True
        self._all = [self._as_known(run) for run in self._all]
        for row, run in enumerate(self._rows):
            if run.run_dir == live.run_dir:
                self._rows[row] = live.over(run)
                self._tell_changed(row, row)
        return any(run.run_dir == live.run_dir for run in self._all)

    def _as_known(self, run: "RunSummary") -> "RunSummary":
        live = self._live
        return live.over(run) if live is not None and run.run_dir == live.run_dir else run


def _model(run: "RunSummary") -> str:
    return model_name(Path(run.model)) if run.model else "–"


def _data(run: "RunSummary") -> str:
    return phrases.dataset_name(Path(run.data)) or "–"


def _steps(run: "RunSummary") -> str:
    return "–" if run.outcome == "unreadable" and not run.steps else f"{run.steps:,}"


def _searched_text(run: "RunSummary") -> str:
    """What a search looks through, in small letters."""
    words = (run.name, _model(run), _data(run), run.notes, run.run_dir.name)
    return "\n".join(words).casefold()


def _retention(run: "RunSummary") -> str:
    """How much of what was known before is known, before and after: "94 → 90 %"."""
    kept = run.retention
    if kept is None or not kept.total:
        return "–"
    return f"{100 * kept.before / kept.total:.0f} → {100 * kept.after / kept.total:.0f} %"


def _best(run: "RunSummary") -> float:
    return float("inf") if run.best_val_loss is None else run.best_val_loss


def _kept(run: "RunSummary") -> float:
    kept = run.retention
    return _EARLIEST if kept is None or not kept.total else kept.after / kept.total


def _when(created: datetime | None) -> str:
    """Day and time; the year only where it is not this one."""
    if created is None:
        return "–"
    local = created.astimezone()
    year = "" if local.year == datetime.now().year else f" {local.year}"
    return f"{local.day} {local:%b}{year}, {local:%H:%M}"


def _instant(created: datetime | None) -> float:
    return _EARLIEST if created is None else created.timestamp()


_COLUMNS: "tuple[Column[RunSummary], ...]" = (
    Column("Name", lambda run: run.name, sorted_by=lambda run: run.name.casefold()),
    Column("Base model", _model, sorted_by=lambda run: _model(run).casefold()),
    Column("Dataset", _data, sorted_by=lambda run: _data(run).casefold()),
    Column("Tiers", lambda run: periods_text(run.periods), sorted_by=lambda run: run.periods),
    Column("Steps", _steps, True, sorted_by=lambda run: run.steps),
    Column("Best loss", lambda run: phrases.loss(run.best_val_loss), True, sorted_by=_best),
    Column("Retention", _retention, True, sorted_by=_kept),
    Column("Date", lambda run: _when(run.created), sorted_by=lambda run: _instant(run.created)),
    Column(
        "Size", lambda run: phrases.size(run.size_bytes), True,
        sorted_by=lambda run: run.size_bytes,
    ),
    Column(
        "State", lambda run: phrases.outcome(run.outcome),
        tone=lambda run: phrases.tone(run.outcome),
        sorted_by=lambda run: run.outcome,
    ),
)  # fmt: skip
_TITLES = [column.title for column in _COLUMNS]
NAME_COLUMN, BASE_MODEL_COLUMN = 0, _TITLES.index("Base model")
STEPS_COLUMN = _TITLES.index("Steps")
DATE_COLUMN, SIZE_COLUMN = _TITLES.index("Date"), _TITLES.index("Size")
DATASET_COLUMN, STATE_COLUMN = _TITLES.index("Dataset"), _TITLES.index("State")
TIERS_COLUMN, RETENTION_COLUMN = _TITLES.index("Tiers"), _TITLES.index("Retention")
