"""A run's checkpoints as a Qt table; knows CheckpointFacts and nothing of disks or windows."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt
from PySide6.QtGui import QColor

from app.ui import phrases
from app.ui.theme import LIGHT, Theme

if TYPE_CHECKING:
    from app.library.checkpoint_list import CheckpointFacts

_Index = QModelIndex | QPersistentModelIndex
TITLES = ("Step", "Validation loss", "Change per tier", "Drift per tier", "Size", "")
_NUMBERS = (0, 1, 4)
MARK_COLUMN = len(TITLES) - 1


class CheckpointsModel(QAbstractTableModel):
    """Rows come all at once; the latest checkpoint is on top."""

    def __init__(self) -> None:
        super().__init__()
        self._rows: list[CheckpointFacts] = []
        self._theme = LIGHT

    def show(self, checkpoints: "Sequence[CheckpointFacts]") -> None:
        self.beginResetModel()
        self._rows = list(reversed(checkpoints))
        self.endResetModel()

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        if self._rows:
            last = self.index(len(self._rows) - 1, MARK_COLUMN)
            self.dataChanged.emit(self.index(0, MARK_COLUMN), last)

    def at(self, row: int) -> "CheckpointFacts":
        return self._rows[row]

    def rowCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self._rows)

    def columnCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(TITLES)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        if orientation is not Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return TITLES[section]
        return _alignment(section) if role == Qt.ItemDataRole.TextAlignmentRole else None

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        facts, column = self._rows[index.row()], index.column()
        if role == Qt.ItemDataRole.DisplayRole:
            return _shown(facts)[column]
        if role == Qt.ItemDataRole.ToolTipRole:
            return facts.problem or _shown(facts)[column]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(column)
        if role == Qt.ItemDataRole.ForegroundRole and column == MARK_COLUMN:
            return QColor(self._theme.danger if facts.problem else self._theme.success)
        return None


def _shown(facts: "CheckpointFacts") -> tuple[str, ...]:
    marks = [name for name, is_so in (("Best", facts.is_best), ("Last", facts.is_last)) if is_so]
    return (
        f"{facts.step:,}",
        phrases.loss(facts.val_loss),
        _lengths(facts.deltas),
        _lengths(facts.drifts),
        phrases.size(facts.size_bytes),
        "Damaged" if facts.problem else " · ".join(marks),
    )


def _lengths(values: Sequence[float]) -> str:
    return " · ".join(f"{v:.3g}" if math.isfinite(v) else "–" for v in values) or "–"


def _alignment(column: int) -> Qt.AlignmentFlag:
    side = Qt.AlignmentFlag.AlignRight if column in _NUMBERS else Qt.AlignmentFlag.AlignLeft
    return side | Qt.AlignmentFlag.AlignVCenter
