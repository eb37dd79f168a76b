"""The runs that wait as a Qt table, in their order; knows nothing of disks or windows."""

from collections.abc import Sequence

from PySide6.QtCore import QMimeData, QModelIndex, Qt, Signal

from app.core.model_names import model_name
from app.library.queue_file import QueuedRun
from app.ui import phrases
from app.ui.tables.columns_model import Column, ColumnsModel, Index
from app.ui.tables.told_runs import periods_text

ROW_TYPE = "application/x-nestling-queue-row"
WAITS, BEGUN = "Waiting", "Preparing…"


class QueueModel(ColumnsModel[QueuedRun]):
    """A row that is dragged is asked to be moved; nothing changes here by that."""

    move_requested = Signal(int, int)
    """From which row, and to which one, counted as if it was taken out first."""

    def __init__(self) -> None:
        super().__init__((*_COLUMNS, self._state_column()), lambda run: run.problem)
        self._begun_key = ""

    def show_queue(self, runs: Sequence[QueuedRun], begun_key: str) -> None:
        """The runs in their order; the one of this key is being made ready."""
        self._begun_key = begun_key
        self.show_rows(runs)

    def _state_column(self) -> Column[QueuedRun]:
        def is_begun(run: QueuedRun) -> bool:
            return run.key == self._begun_key

        return Column(
            "State",
            lambda run: BEGUN if is_begun(run) else run.problem or WAITS,
            tone=lambda run: "accent" if is_begun(run) else "danger" if run.problem else "",
        )

    def flags(self, index: Index) -> Qt.ItemFlag:
        if not index.isValid():
            return Qt.ItemFlag.ItemIsDropEnabled  # between rows, not onto one
        return super().flags(index) | Qt.ItemFlag.ItemIsDragEnabled

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
        self.move_requested.emit(start, before - (before > start))
        return False  # the rows come anew; the view must not remove one


def _data(run: QueuedRun) -> str:
    return phrases.dataset_name(run.config.data) or "–"


_COLUMNS: tuple[Column[QueuedRun], ...] = (
    Column("Name", lambda run: run.config.name or _data(run)),
    Column("Base model", lambda run: model_name(run.config.model)),
    Column("Dataset", _data),
    Column("Tiers", lambda run: periods_text([tier.period for tier in run.config.tiers])),
    Column("Steps", lambda run: f"{run.config.steps:,}", is_number=True),
)
STATE_COLUMN = len(_COLUMNS)
