"""Which columns of the runs' table are seen: as many as fit, or those the user has chosen.

What was chosen in the header's context menu is remembered, and scrolls where it does not fit.
"""

from PySide6.QtCore import QObject, QPoint, Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QMenu, QTableView

from app.ui.remembered import Remembered
from app.ui.tables.runs_model import (
    BASE_MODEL_COLUMN,
    DATASET_COLUMN,
    DATE_COLUMN,
    NAME_COLUMN,
    RETENTION_COLUMN,
    SIZE_COLUMN,
    STEPS_COLUMN,
    TIERS_COLUMN,
)

LEAST_NAME_PX, FIXED_PX = 150, 112
SPARED = (SIZE_COLUMN, RETENTION_COLUMN, TIERS_COLUMN, BASE_MODEL_COLUMN, STEPS_COLUMN,
          DATE_COLUMN, DATASET_COLUMN)  # fmt: skip
"""What a list does without when it gets narrower, one after the other: what tells runs apart goes
last."""
_KEY, _NONE = "library/columns", "none"


class RunsColumns(QObject):
    """The name takes what the others leave; where it has too little room, the table scrolls."""

    def __init__(self, table: QTableView, settings: Remembered) -> None:
        super().__init__(table)
        self._table, self._settings = table, settings
        self._header = header = table.horizontalHeader()
        self._widths: list[int] = []
        table.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        for column in (BASE_MODEL_COLUMN, DATASET_COLUMN):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.Interactive)
            table.setColumnWidth(column, FIXED_PX)
        header.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        header.customContextMenuRequested.connect(self._show_menu)

    def measure(self) -> None:
        """Other runs are shown: what their columns need."""
        model, header = self._table.model(), self._header
        interactive = QHeaderView.ResizeMode.Interactive
        for column in range(model.columnCount()):
            self._table.setColumnHidden(column, False)  # a hidden one tells no width
        self._widths = [
            header.sectionSize(column) or FIXED_PX
            if header.sectionResizeMode(column) == interactive and column != NAME_COLUMN
            else max(header.sectionSizeHint(column), self._table.sizeHintForColumn(column))
            for column in range(model.columnCount())
        ]
        self.fit()

    def fit(self) -> None:
        """Show what the table has room for, or what was chosen."""
        if not self._widths:
            return
        room = self._table.viewport().width()
        shown = self.chosen()
        if shown is None:
            shown = self._fitting(room)
        for column in range(len(self._widths)):
            self._table.setColumnHidden(column, column not in shown and column != NAME_COLUMN)
        self._fit_name(room - sum(self._widths[column] for column in shown))

    def chosen(self) -> set[int] | None:
        """The columns that the user has chosen; None where they are to fit the window."""
        said = self._settings.text(_KEY)
        if not said:
            return None
        titles = said.split("/")
        return {c for c in range(1, len(self._widths)) if self._title(c) in titles}

    def choose(self, columns: set[int] | None) -> None:
        """Show these beside the name, at any width; None: as many as fit."""
        titles = [self._title(column) for column in sorted(columns or ())]
        self._settings.set(_KEY, "" if columns is None else "/".join(titles) or _NONE)
        self.measure()

    def menu(self) -> QMenu:
        """What the header's context menu offers, as things stand."""
        menu = QMenu(self._table)
        fitting = QAction("As Many as Fit", menu, checkable=True)
        fitting.setChecked(self.chosen() is None)
        fitting.triggered.connect(lambda: self.choose(None))
        for column in range(1, len(self._widths)):
            action = menu.addAction(self._title(column))
            action.setCheckable(True)
            action.setChecked(not self._table.isColumnHidden(column))
            action.triggered.connect(lambda is_on, at=column: self._toggle(at, is_on))
        menu.addSeparator()
        menu.addAction(fitting)
        return menu

    def _toggle(self, column: int, is_on: bool) -> None:
        seen = {c for c in range(1, len(self._widths)) if not self._table.isColumnHidden(c)}
        self.choose(seen | {column} if is_on else seen - {column})

    def _fitting(self, room: int) -> set[int]:
        shown = set(range(1, len(self._widths)))
        for spared in SPARED:
            if sum(self._widths[column] for column in shown) + LEAST_NAME_PX <= room:
                break
            shown.discard(spared)
        return shown

    def _fit_name(self, left: int) -> None:
        stretch, interactive = QHeaderView.ResizeMode.Stretch, QHeaderView.ResizeMode.Interactive
        is_tight = left < LEAST_NAME_PX
        self._header.setSectionResizeMode(NAME_COLUMN, interactive if is_tight else stretch)
        if is_tight:
            self._table.setColumnWidth(NAME_COLUMN, LEAST_NAME_PX)

    def _title(self, column: int) -> str:
        title = self._table.model().headerData(column, Qt.Orientation.Horizontal)
        return str(title)

    def _show_menu(self, at: QPoint) -> None:
        menu = self.menu()
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(self._header.mapToGlobal(at))
