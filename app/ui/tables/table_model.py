"""Rows of one kind as a Qt table, by its columns, and how every table of the library looks and
behaves; knows nothing of what the rows are.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from PySide6.QtCore import (
    QAbstractItemModel,
    QAbstractTableModel,
    QModelIndex,
    QPersistentModelIndex,
    Qt,
)
from PySide6.QtGui import QColor, QIcon
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableView

from app.core.text.sanitize import single_line
from app.ui.look import icons
from app.ui.look.plain_text import plain, tip
from app.ui.look.theme import LIGHT, Theme

Row = TypeVar("Row")
Index = QModelIndex | QPersistentModelIndex
MOST_TIP, WARNING_PX = 400, 16


@dataclass(frozen=True)
class Column(Generic[Row]):
    title: str
    shown: Callable[[Row], str]
    is_number: bool = False
    tone: Callable[[Row], str] = lambda _: ""
    """The theme's colour of a row's text here; empty for that of all text."""
    sorted_by: Callable[[Row], Any] | None = None
    """What rows are sorted by here, where it is not their text."""
    explained: str = ""
    """One sentence for the header's tooltip; the title stands in for it."""
    heading: str = ""
    """A shorter title for the header, where the values are narrower than the title."""

    @property
    def alignment(self) -> Qt.AlignmentFlag:
        side = Qt.AlignmentFlag.AlignRight if self.is_number else Qt.AlignmentFlag.AlignLeft
        return side | Qt.AlignmentFlag.AlignVCenter


class TableModel(QAbstractTableModel, Generic[Row]):
    """What is wrong with a row, if anything, is its tooltip, and marked: `problem` says it."""

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

    # -- as Qt asks --------------------------------------------------------------------------
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
            return tip(column.explained) or plain(single_line(column.title, MOST_TIP))
        return column.alignment if role == Qt.ItemDataRole.TextAlignmentRole else None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        row, column = self._rows[index.row()], self.columns[index.column()]
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return single_line(column.shown(row))
            case Qt.ItemDataRole.ToolTipRole:
                return plain(single_line(self._problem(row) or column.shown(row), MOST_TIP))
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


ROW_PX = 36
LEAST_COLUMN_PX = 56
ROWS_MEASURED = 20
"""Columns are as wide as these rows need: to measure all of a long list takes its time."""


def make_table(model: QAbstractItemModel, name: str, wide: tuple[int, ...]) -> QTableView:
    """Whole rows are selected; the columns `wide` share what the others leave."""
    table = QTableView()
    table.setModel(model)
    table.setAccessibleName(name)
    table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
    table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    table.setShowGrid(False)
    table.setTabKeyNavigation(False)
    table.setCornerButtonEnabled(False)
    table.setWordWrap(False)
    table.verticalHeader().hide()
    table.verticalHeader().setDefaultSectionSize(ROW_PX)
    header = table.horizontalHeader()
    header.setHighlightSections(False)
    header.setTextElideMode(Qt.TextElideMode.ElideRight)
    header.setResizeContentsPrecision(ROWS_MEASURED)
    header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
    for column in wide:
        header.setSectionResizeMode(column, QHeaderView.ResizeMode.Stretch)
    header.setMinimumSectionSize(LEAST_COLUMN_PX)
    return table
