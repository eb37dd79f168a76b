"""The runs that wait as a Qt table, in their order; knows nothing of disks or windows."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt
from PySide6.QtGui import QColor

from app.core.paths import starter_model_dir
from app.library.queue_file import QueuedRun
from app.ui import phrases
from app.ui.theme import LIGHT, Theme

_Index = QModelIndex | QPersistentModelIndex
TITLES = ("Name", "Base model", "Dataset", "Tiers", "Steps", "State")
STATE_COLUMN = len(TITLES) - 1


class QueueModel(QAbstractTableModel):
    def __init__(self) -> None:
        super().__init__()
        self._runs: list[QueuedRun] = []
        self._theme = LIGHT

    def show(self, runs: Sequence[QueuedRun]) -> None:
        self.beginResetModel()
        self._runs = list(runs)
        self.endResetModel()

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.show(self._runs)

    def at(self, row: int) -> QueuedRun:
        return self._runs[row]

    def rowCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self._runs)

    def columnCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(TITLES)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        if orientation is not Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return TITLES[section]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        return None

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        run, column = self._runs[index.row()], index.column()
        if role == Qt.ItemDataRole.DisplayRole:
            return _shown(run)[column]
        if role == Qt.ItemDataRole.ToolTipRole:
            return run.problem or _shown(run)[column]
        if role == Qt.ItemDataRole.ForegroundRole and column == STATE_COLUMN and run.problem:
            return QColor(self._theme.danger)
        return None


def _shown(run: QueuedRun) -> tuple[str, ...]:
    config = run.config
    data = phrases.dataset_name(config.data)
    return (
        config.name or data or "–",
        _model_name(config.model),
        data or "–",
        " · ".join(str(tier.period) for tier in config.tiers),
        f"{config.steps:,}",
        run.problem or "Waits",
    )


def _model_name(model: Path) -> str:
    return "Starter model" if model == _starter() else model.name


@cache
def _starter() -> Path:
    """Found on the disk once, not for every run."""
    return starter_model_dir()
