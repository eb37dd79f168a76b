"""The columns of the runs' table: as many as fit, or the user's choice; and a delegate that draws a
progress bar in the state column.
"""

from math import ceil

from PySide6.QtCore import (
    QEvent,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QPoint,
    QRect,
    Qt,
    Slot,
)
from PySide6.QtGui import QAction, QColor, QFontMetricsF, QPainter, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QMenu,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
)

from app.core.text.translation import tr
from app.ui.look.theme import LIGHT
from app.ui.system.stored_preferences import Preferences
from app.ui.tables.row_table import ROWS_MEASURED
from app.ui.tables.runs_model import (
    BASE_MODEL_COLUMN,
    BATCH_COLUMN,
    COLUMN_KEYS,
    DATASET_COLUMN,
    DATE_COLUMN,
    KL_COLUMN,
    KNOWN_COLUMN,
    NAME_COLUMN,
    RATE_COLUMN,
    RETENTION_COLUMN,
    SHARE_ROLE,
    SIZE_COLUMN,
    STEPS_COLUMN,
    TIERS_COLUMN,
    RunsModel,
)

MIN_NAME_PX, FIXED_PX = 150, 120
SPARED = (BATCH_COLUMN, RATE_COLUMN, SIZE_COLUMN, KNOWN_COLUMN, KL_COLUMN, RETENTION_COLUMN,
          BASE_MODEL_COLUMN, TIERS_COLUMN, STEPS_COLUMN, DATE_COLUMN, DATASET_COLUMN)  # fmt: skip
"""The columns to hide, in this order, when the table gets narrower. Those that best tell runs apart
come last.
"""
DRAGGED = (BASE_MODEL_COLUMN, DATASET_COLUMN)
"""The columns that the user can resize; the others fit their contents."""
_KEY, _NONE = "library/columns", "none"


class Measured:
    """Measures the widths that a table's columns need for their first rows.

    QHeaderView's measuring reads sixteen roles of each cell; this reads each text once.
    """

    def __init__(self, table: QTableView) -> None:
        table.ensurePolished()
        self._model, self._metrics = table.model(), QFontMetricsF(table.font())
        self._around = 0
        if self._model.rowCount():
            cell = self._model.index(0, DATE_COLUMN)
            self._around = table.sizeHintForIndex(cell).width() - self._advance(cell.data())

    def width(self, column: int) -> int:
        rows = range(min(self._model.rowCount(), ROWS_MEASURED))
        texts = {self._model.index(row, column).data() for row in rows}
        return max(map(self._advance, texts), default=0) + self._around

    def _advance(self, text: str) -> int:
        return ceil(self._metrics.horizontalAdvance(text))


class RunsColumns(QObject):
    """The name column takes the remaining width. If too little remains, the table scrolls."""

    def __init__(self, table: QTableView, settings: Preferences) -> None:
        super().__init__(table)
        self._table, self._settings = table, settings
        self._header = header = table.horizontalHeader()
        self._widths: list[int] = []
        table.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        # Not ResizeToContents: Qt would measure these columns again on every change.
        for column in range(1, header.count()):
            is_dragged = column in DRAGGED
            mode = (
                QHeaderView.ResizeMode.Interactive if is_dragged else QHeaderView.ResizeMode.Fixed
            )
            header.setSectionResizeMode(column, mode)
            table.setColumnWidth(column, FIXED_PX)
        # The viewport's size counts: a page is resized before its children are laid out.
        table.viewport().installEventFilter(self)
        table.model().modelReset.connect(self.measure)
        table.model().dataChanged.connect(self.measure)
        header.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        header.customContextMenuRequested.connect(self._show_menu)

    def eventFilter(self, _viewport: QObject, event: QEvent) -> bool:
        if isinstance(event, QResizeEvent) and event.size().width() != event.oldSize().width():
            self.fit()
        return False

    @Slot()
    def measure(self) -> None:
        """Measure all columns after the rows or their order have changed."""
        table, header, measured = self._table, self._header, Measured(self._table)
        self._widths = []
        for column in range(header.count()):
            table.setColumnHidden(column, False)  # a hidden column has no width
            of_rows = header.sectionSize(column) if column in DRAGGED else measured.width(column)
            table.setColumnWidth(column, max(header.sectionSizeHint(column), of_rows))
            self._widths.append(header.sectionSize(column) or FIXED_PX)
        self.fit()

    def fit(self) -> None:
        """Show the columns that the user chose, or as many as fit."""
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
        """The columns that the user chose; None if as many as fit are shown."""
        stored = self._settings.text(_KEY)
        if not stored:
            return None
        keys = stored.split("/")
        return {c for c in range(1, len(self._widths)) if COLUMN_KEYS[c] in keys}

    def choose(self, columns: set[int] | None) -> None:
        """Show these columns beside the name, whatever their width; None for as many as fit."""
        keys = [COLUMN_KEYS[column] for column in sorted(columns or ())]
        self._settings.set(_KEY, "" if columns is None else "/".join(keys) or _NONE)
        self.measure()

    def menu(self) -> QMenu:
        """The header's context menu with the current state."""
        menu = QMenu(self._table)
        fitting = QAction(tr("As Many as Fit"), menu, checkable=True)
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
            if sum(self._widths[column] for column in shown) + MIN_NAME_PX <= room:
                break
            shown.discard(spared)
        return shown

    def _fit_name(self, left: int) -> None:
        stretch, interactive = QHeaderView.ResizeMode.Stretch, QHeaderView.ResizeMode.Interactive
        is_tight = left < MIN_NAME_PX
        self._header.setSectionResizeMode(NAME_COLUMN, interactive if is_tight else stretch)
        if is_tight:
            self._table.setColumnWidth(NAME_COLUMN, MIN_NAME_PX)

    def _title(self, column: int) -> str:
        model = self._table.model()
        assert isinstance(model, RunsModel)
        return model.columns[column].title

    def _show_menu(self, at: QPoint) -> None:
        menu = self.menu()
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(self._header.mapToGlobal(at))


BAR_PX, INSET_PX, FROM_BOTTOM_PX = 3, 10, 6


class StateDelegate(QStyledItemDelegate):
    theme = LIGHT

    def paint(
        self,
        painter: QPainter,
        option: QStyleOptionViewItem,
        index: QModelIndex | QPersistentModelIndex,
    ) -> None:
        super().paint(painter, option, index)
        share = index.data(SHARE_ROLE)
        if share is None:
            return
        cell: QRect = option.rect
        top = cell.bottom() - FROM_BOTTOM_PX
        whole = QRect(cell.left() + INSET_PX, top, cell.width() - 2 * INSET_PX, BAR_PX)
        painter.fillRect(whole, QColor(self.theme.border))
        done = QRect(whole)
        done.setWidth(round(whole.width() * share))
        painter.fillRect(done, QColor(self.theme.accent))
