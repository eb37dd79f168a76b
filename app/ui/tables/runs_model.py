"""A Qt model of the runs: the run in progress first, then queued runs, then the others. Reads no
files.
"""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QMimeData, QModelIndex, Qt, Signal

from app.core.text.sentences import localized
from app.core.text.translation import tr
from app.core.wording.display_names import dataset_title, model_name
from app.ui.look import formatting
from app.ui.plots.tick_labels import step_text
from app.ui.state.live_run import LiveRun
from app.ui.tables.run_rows import RunsFilter, WaitingRun, day_text, method_text
from app.ui.tables.table_model import Column, Index, TableModel

if TYPE_CHECKING:
    from app.library.reading.run_summary import Retention, RunSummary
    from app.ui.tables.run_rows import Row


ROW_TYPE = "application/x-nestling-queue-row"
SHARE_ROLE = Qt.ItemDataRole.UserRole + 1
"""The role of the completed fraction of the run in progress; None for other runs."""
_EARLIEST = float("-inf")


class RunsModel(TableModel["Row"]):
    """The rows are replaced all at once with `show_runs`; `show_live` updates the run in progress.

    The run in progress and the queued runs come first, in their own order, for any sorting. The
    model sorts and filters itself, because QSortFilterProxyModel reads each value many times, which
    takes seconds for a thousand runs. Queued rows can be dragged, which emits `move_requested`.
    """

    move_requested = Signal(str, int)
    """Arguments: the key of the queued run, and the number of positions to move it."""

    def __init__(self) -> None:
        columns = (*_COLUMNS.values(), self._state_column())
        super().__init__(columns, lambda run: localized(run.problem))
        self._all: list[RunSummary] = []
        self._waiting: list[WaitingRun] = []
        self._filter = RunsFilter()
        self._column, self._order = DATE_COLUMN, Qt.SortOrder.DescendingOrder
        self._live: LiveRun | None = None

    @property
    def all_runs(self) -> "Sequence[RunSummary]":
        """All runs, including those that the filter hides."""
        return self._all

    def show_runs(self, runs: "Sequence[RunSummary]") -> None:
        """Replace the runs; does nothing if they haven't changed."""
        runs = [self._as_known(run) for run in runs]
        if runs != self._all:
            self._all = runs
            self._arrange()

    def show_waiting(self, waiting: "Sequence[WaitingRun]") -> None:
        """Replace the queued runs, which are in order."""
        if list(waiting) != self._waiting:
            self._waiting = list(waiting)
            self._arrange()

    def show_only(self, wanted: RunsFilter) -> None:
        if wanted != self._filter:
            self._filter = wanted
            self._arrange()

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        self._column, self._order = column, order
        self._arrange()

    def _arrange(self) -> None:
        # Sort by name first, so that runs with equal values have a fixed order.
        seen = sorted(self._seen(self._all), key=lambda run: run.run_dir.name, reverse=True)
        is_falling = self._order is Qt.SortOrder.DescendingOrder
        column = self.columns[self._column]
        seen.sort(key=column.sorted_by or column.shown, reverse=is_falling)
        live_dir = self._live.run_dir if self._live is not None else None
        first = [run for run in seen if run.run_dir == live_dir]
        rest = [run for run in seen if run.run_dir != live_dir]
        self.show_rows([*first, *self._seen(self._waiting), *rest])

    def _seen(self, runs: "Sequence[Row]") -> "list[Row]":
        """The runs that pass the filter."""
        let_through, is_searched = self._filter.lets_through, bool(self._filter.words)
        return [r for r in runs if let_through(r, _searched_text(r) if is_searched else "")]

    def _state_column(self) -> "Column[Row]":
        return Column(
            tr("State"), self._standing, tone=lambda run: formatting.tone(run.outcome),
            sorted_by=lambda run: run.outcome,
        )  # fmt: skip

    def _standing(self, run: "Row") -> str:
        if isinstance(run, WaitingRun):
            return run.standing
        if self._live is not None and run.run_dir == self._live.run_dir:
            return self._live.standing
        return formatting.outcome(run.outcome)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if role == SHARE_ROLE:
            live = self._live
            is_live = live is not None and self._rows[index.row()].run_dir == live.run_dir
            return live.share if live is not None and is_live else None
        return super().data(index, role)

    # -- drag and drop ------------------------------------------------------------------------
    def flags(self, index: Index) -> Qt.ItemFlag:
        if not index.isValid():
            return Qt.ItemFlag.ItemIsDropEnabled  # drops go between rows
        is_dragged = bool(self._queue_key(index.row()))
        dragged = Qt.ItemFlag.ItemIsDragEnabled if is_dragged else Qt.ItemFlag.NoItemFlags
        return super().flags(index) | dragged

    def supportedDropActions(self) -> Qt.DropAction:
        return Qt.DropAction.MoveAction

    def mimeTypes(self) -> list[str]:
        return [ROW_TYPE]

    def mimeData(self, indexes: Sequence[QModelIndex]) -> QMimeData:
        made = QMimeData()
        made.setData(ROW_TYPE, str(indexes[0].row()).encode())
        return made

    def dropMimeData(self, data: QMimeData, _: Qt.DropAction, row: int, *_place: object) -> bool:
        if not data.hasFormat(ROW_TYPE):
            return False
        start = int(bytes(data.data(ROW_TYPE).data()))
        before = len(self._rows) if row < 0 else row
        places = [at for at in range(len(self._rows)) if self._queue_key(at)]
        if start in places:
            target = sum(place < before and place != start for place in places)
            self.move_requested.emit(self._queue_key(start), target - places.index(start))
        return False  # the move resets the model; the view must not remove a row

    def _queue_key(self, row: int) -> str:
        """The key of a queued run; empty for other runs."""
        run = self._rows[row]
        return run.key if isinstance(run, WaitingRun) else ""

    def show_live(self, live: LiveRun | None) -> bool:
        """Update the run in progress. Returns False if it has no row.

        A run that has ended keeps its last values until the runs are listed again.
        """
        before, self._live = self._live, live
        if live is None:
            return True
        if before is None or before.run_dir != live.run_dir:
            self._arrange()
        self._all = [self._as_known(run) for run in self._all]
        for row, run in enumerate(self._rows):
            if run.run_dir == live.run_dir and not isinstance(run, WaitingRun):
                self._rows[row] = live.over(run)
                self._tell_changed(row, row)
        return any(run.run_dir == live.run_dir for run in self._all)

    def _as_known(self, run: "RunSummary") -> "RunSummary":
        live = self._live
        return live.over(run) if live is not None and run.run_dir == live.run_dir else run


def _model(run: "Row") -> str:
    return model_name(Path(run.model)) if run.model else "–"


def _method(run: "Row") -> str:
    return method_text(run.method, run.periods)


def _data(run: "Row") -> str:
    return dataset_title(Path(run.data)) or "–"


def _steps(run: "Row") -> str:
    if run.outcome in ("waiting", "blocked", "preparing"):
        return step_text(run.planned_steps)
    return "–" if run.outcome == "unreadable" and not run.steps else step_text(run.steps)


def _searched_text(run: "Row") -> str:
    """The lowercase text that a search looks through."""
    folder = "" if isinstance(run, WaitingRun) else run.run_dir.name
    words = (run.name, _model(run), _data(run), run.notes, folder)
    return "\n".join(words).casefold()


def kept_text(kept: "Retention | None") -> str:
    """The percentage of earlier knowledge before and after training: "94 → 90 %"."""
    if kept is None or not kept.total:
        return "–"
    return f"{100 * kept.before / kept.total:.0f} → {100 * kept.after / kept.total:.0f} %"


def _rate(run: "Row") -> str:
    return "–" if run.learning_rate is None else formatting.number(run.learning_rate)


def _best(run: "Row") -> float:
    return float("inf") if run.best_val_loss is None else run.best_val_loss


def _share(kept: "Retention | None") -> float:
    return _EARLIEST if kept is None or not kept.total else kept.after / kept.total


def _instant(created: datetime | None) -> float:
    return _EARLIEST if created is None else created.timestamp()


_COLUMNS: "dict[str, Column[Row]]" = {
    "Name": Column(tr("Name"), lambda run: run.name, sorted_by=lambda run: run.name.casefold()),
    "Base model": Column(tr("Base model"), _model, sorted_by=lambda run: _model(run).casefold()),
    "Dataset": Column(tr("Dataset"), _data, sorted_by=lambda run: _data(run).casefold()),
    "Tiers": Column(
        tr("How it learns"), _method, sorted_by=lambda run: (run.method, run.periods)
    ),
    "Steps": Column(tr("Steps"), _steps, True, sorted_by=lambda run: run.steps),
    "Best loss": Column(
        tr("Best loss"), lambda run: formatting.loss(run.best_val_loss), True, sorted_by=_best
    ),
    "Retention": Column(
        tr("Retention"), lambda run: kept_text(run.retention), True,
        sorted_by=lambda run: _share(run.retention),
    ),
    "Date": Column(
        tr("Date"), lambda run: day_text(run.created), sorted_by=lambda run: _instant(run.created)
    ),
    "Size": Column(
        tr("Size"), lambda run: formatting.size(run.size_bytes) if run.size_bytes else "–", True,
        sorted_by=lambda run: run.size_bytes,
    ),
    "Learning rate": Column(
        tr("Learning rate"), _rate, True, sorted_by=lambda run: run.learning_rate or 0.0
    ),
    "Batch size": Column(
        tr("Batch size"), lambda run: str(run.batch_size or "–"), True,
        sorted_by=lambda run: run.batch_size or 0,
    ),
    "Known": Column(
        tr("Known questions"), lambda run: kept_text(run.known), True,
        sorted_by=lambda run: _share(run.known), heading=tr("Known"),
    ),
    "KL": Column(
        tr("Change from base"), lambda run: formatting.loss(run.base_kl), True,
        sorted_by=lambda run: float("inf") if run.base_kl is None else run.base_kl,
        heading=tr("Change"),
    ),
}  # fmt: skip
COLUMN_KEYS = (*_COLUMNS, "State")
"""The columns' keys in the saved preferences, independent of the language."""
NAME_COLUMN, BASE_MODEL_COLUMN = 0, COLUMN_KEYS.index("Base model")
STEPS_COLUMN = COLUMN_KEYS.index("Steps")
DATE_COLUMN, SIZE_COLUMN = COLUMN_KEYS.index("Date"), COLUMN_KEYS.index("Size")
DATASET_COLUMN, STATE_COLUMN = COLUMN_KEYS.index("Dataset"), COLUMN_KEYS.index("State")
RATE_COLUMN, BATCH_COLUMN = COLUMN_KEYS.index("Learning rate"), COLUMN_KEYS.index("Batch size")
TIERS_COLUMN, RETENTION_COLUMN = COLUMN_KEYS.index("Tiers"), COLUMN_KEYS.index("Retention")
KNOWN_COLUMN, KL_COLUMN = COLUMN_KEYS.index("Known"), COLUMN_KEYS.index("KL")
