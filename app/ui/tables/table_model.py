"""A generic Qt table model, defined by its columns."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt
from PySide6.QtGui import QColor, QIcon

from app.core.text.sanitize import single_line
from app.ui.look import icons
from app.ui.look.plain_text import plain, tip
from app.ui.look.theme import LIGHT, Theme

Row = TypeVar("Row")
Index = QModelIndex | QPersistentModelIndex
MAX_TIP, WARNING_PX = 400, 16
WHOLE_TEXT = Qt.ItemDataRole.UserRole + 2
"""The role of a cell's whole text in one line, for the clipboard."""


@dataclass(frozen=True)
class Column(Generic[Row]):
    title: str
    shown: Callable[[Row], str]
    is_number: bool = False
    tone: Callable[[Row], str] = lambda _: ""
    """The theme color of a cell's text; empty for the default."""
    sorted_by: Callable[[Row], Any] | None = None
    """The sort key of a row; None sorts by the text."""
    explained: str = ""
    """A sentence for the header's tool tip; empty for the title."""
    heading: str = ""
    """A shorter title for the header of a narrow column; empty for the title."""

    @property
    def alignment(self) -> Qt.AlignmentFlag:
        side = Qt.AlignmentFlag.AlignRight if self.is_number else Qt.AlignmentFlag.AlignLeft
        return side | Qt.AlignmentFlag.AlignVCenter


class TableModel(QAbstractTableModel, Generic[Row]):
    """`problem` returns a row's problem, which is shown as a tool tip and marked with an icon."""

    def __init__(self, columns: Sequence[Column[Row]], problem: Callable[[Row], str]) -> None:
        super().__init__()
        self.columns = columns
        self._problem = problem
        self._rows: list[Row] = []
        self._theme = LIGHT
        self._warning: QIcon | None = None

    def show_rows(self, rows: Sequence[Row]) -> None:
        self.beginResetModel()
        self._rows = list(rows)
        self.endResetModel()

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self._warning = None
        self._tell_changed(0, len(self._rows) - 1)

    def at(self, row: int) -> Row:
        return self._rows[row]

    def _tell_changed(self, first: int, last: int) -> None:
        if first <= last:
            self.dataChanged.emit(self.index(first, 0), self.index(last, len(self.columns) - 1))

    # -- Qt's interface -----------------------------------------------------------------------
    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self._rows)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self.columns)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        if orientation is not Qt.Orientation.Horizontal:
            return None
        column = self.columns[section]
        if role == Qt.ItemDataRole.DisplayRole:
            return single_line(column.heading or column.title)
        if role == Qt.ItemDataRole.ToolTipRole:
            return tip(column.explained) or plain(single_line(column.title, MAX_TIP))
        return column.alignment if role == Qt.ItemDataRole.TextAlignmentRole else None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        row, column = self._rows[index.row()], self.columns[index.column()]
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return single_line(column.shown(row))
            case _ if role == WHOLE_TEXT:
                return single_line(shown := column.shown(row), len(shown) + 1)
            case Qt.ItemDataRole.ToolTipRole:
                return plain(single_line(self._problem(row) or column.shown(row), MAX_TIP))
            case Qt.ItemDataRole.DecorationRole if index.column() == 0 and self._problem(row):
                if self._warning is None:
                    self._warning = icons.icon("warning", self._theme.danger, WARNING_PX)
                return self._warning
            case Qt.ItemDataRole.TextAlignmentRole:
                return column.alignment
            case Qt.ItemDataRole.ForegroundRole:
                tone = column.tone(row)
                return QColor(getattr(self._theme, tone)) if tone else None
        return None
