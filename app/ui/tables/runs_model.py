"""The library's runs as a Qt table; knows RunSummary and nothing of disks or windows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt
from PySide6.QtGui import QColor

from app.core.paths import starter_model_dir
from app.ui import phrases
from app.ui.live_run import LiveRun
from app.ui.tables.runs_filter import RunsFilter
from app.ui.theme import LIGHT, Theme

if TYPE_CHECKING:
    from app.library.run_summary import RunSummary

_Index = QModelIndex | QPersistentModelIndex
_EARLIEST = float("-inf")


@dataclass(frozen=True)
class _Column:
    title: str
    shown: Callable[["RunSummary"], str]
    sorted_by: Callable[["RunSummary"], Any]
    is_number: bool = False


_COLUMNS = (
    _Column("Name", lambda run: run.name, lambda run: run.name.casefold()),
    _Column("Base model", lambda run: _model(run), lambda run: _model(run).casefold()),
    _Column("Dataset", lambda run: _data(run), lambda run: _data(run).casefold()),
    _Column("Tiers", lambda run: _tiers(run), lambda run: run.periods),
    _Column("Steps", lambda run: f"{run.steps:,}", lambda run: run.steps, is_number=True),
    _Column(
        "Best loss",
        lambda run: phrases.loss(run.best_val_loss),
        lambda run: float("inf") if run.best_val_loss is None else run.best_val_loss,
        is_number=True,
    ),
    _Column("Retention", lambda run: _retention(run), lambda run: _kept(run), is_number=True),
    _Column("Date", lambda run: _when(run.created), lambda run: _instant(run.created)),
    _Column(
        "Size", lambda run: phrases.size(run.size_bytes), lambda run: run.size_bytes, is_number=True
    ),
    _Column("State", lambda run: phrases.outcome(run.outcome), lambda run: run.outcome),
)
_TITLES = [column.title for column in _COLUMNS]
DATE_COLUMN, SIZE_COLUMN = _TITLES.index("Date"), _TITLES.index("Size")
DATASET_COLUMN, STATE_COLUMN = _TITLES.index("Dataset"), _TITLES.index("State")
TIERS_COLUMN, RETENTION_COLUMN = _TITLES.index("Tiers"), _TITLES.index("Retention")


class RunsModel(QAbstractTableModel):
    """Rows come all at once with `show_runs`; the run in progress is kept fresh by `show_live`.

    Sorts and filters by itself: Qt's own proxy asks for every value over and over, which takes
    seconds for a thousand runs.
    """

    def __init__(self) -> None:
        super().__init__()
        self._all: list[RunSummary] = []
        self._runs: list[RunSummary] = []
        self._filter = RunsFilter()
        self._column, self._order = DATE_COLUMN, Qt.SortOrder.DescendingOrder
        self._live: LiveRun | None = None
        self._theme = LIGHT

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
        seen.sort(key=_COLUMNS[self._column].sorted_by, reverse=is_falling)
        self.beginResetModel()
        self._runs = seen
        self.endResetModel()

    def show_live(self, live: LiveRun | None) -> bool:
        """Show how the run in progress stands; False if it is in no row.

        A run that has ended stays as it was last seen until the runs are listed anew.
        """
        self._live = live
        if live is None:
            return True
        self._all = [self._as_known(run) for run in self._all]
        for row, run in enumerate(self._runs):
            if run.run_dir == live.run_dir:
                self._runs[row] = live.over(run)
                self._tell_changed(row, row)
        return any(run.run_dir == live.run_dir for run in self._all)

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self._tell_changed(0, len(self._runs) - 1)

    def _tell_changed(self, first: int, last: int) -> None:
        if first <= last:
            self.dataChanged.emit(self.index(first, 0), self.index(last, len(_COLUMNS) - 1))

    def _as_known(self, run: "RunSummary") -> "RunSummary":
        live = self._live
        return live.over(run) if live is not None and run.run_dir == live.run_dir else run

    def _colour(self, run: "RunSummary") -> QColor | None:
        _, tone = phrases.OUTCOMES.get(run.outcome, ("", ""))
        return QColor(getattr(self._theme, tone)) if tone else None

    def run_at(self, row: int) -> "RunSummary":
        return self._runs[row]

    def rowCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self._runs)

    def columnCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(_COLUMNS)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        if orientation is not Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return _COLUMNS[section].title
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(_COLUMNS[section])
        return None

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        run, column = self._runs[index.row()], _COLUMNS[index.column()]
        if role == Qt.ItemDataRole.DisplayRole:
            return column.shown(run)
        if role == Qt.ItemDataRole.ForegroundRole and index.column() == STATE_COLUMN:
            return self._colour(run)
        if role == Qt.ItemDataRole.ToolTipRole:
            return run.problem or column.shown(run)
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(column)
        return None


def _alignment(column: _Column) -> Qt.AlignmentFlag:
    side = Qt.AlignmentFlag.AlignRight if column.is_number else Qt.AlignmentFlag.AlignLeft
    return side | Qt.AlignmentFlag.AlignVCenter


def _model(run: "RunSummary") -> str:
    if not run.model:
        return "–"
    return "Starter model" if run.model == _starter() else Path(run.model).name


@cache
def _starter() -> str:
    """Found on the disk once, not for every run."""
    return str(starter_model_dir())


def _data(run: "RunSummary") -> str:
    return phrases.dataset_name(Path(run.data)) or "–"


def _searched_text(run: "RunSummary") -> str:
    """What a search looks through, in small letters."""
    words = (run.name, _model(run), _data(run), run.notes, run.run_dir.name)
    return "\n".join(words).casefold()


def _tiers(run: "RunSummary") -> str:
    """Each tier's period: "1 · 2 · 4"."""
    return " · ".join(map(str, run.periods)) or "–"


def _retention(run: "RunSummary") -> str:
    """How much of what was known before is known, before and after: "94 → 90 %"."""
    kept = run.retention
    if kept is None or not kept.total:
        return "–"
    return f"{100 * kept.before / kept.total:.0f} → {100 * kept.after / kept.total:.0f} %"


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
