"""Which columns of the models' table are seen: as many as fit beside a readable name."""

from PySide6.QtCore import QEvent, QObject, Slot
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QHeaderView, QTableView

from app.ui.tables.models_model import (
    CONTEXT_COLUMN,
    LICENSE_COLUMN,
    NAME_COLUMN,
    SIZE_COLUMN,
    SOURCE_COLUMN,
    WEIGHTS_COLUMN,
)

LEAST_NAME_PX, WHOLE_NAME_PX = 220, 340
WORTH_LESS = (SOURCE_COLUMN, LICENSE_COLUMN)
"""Than the whole of a name that is not longer than WHOLE_NAME_PX."""
SPARED = (*WORTH_LESS, CONTEXT_COLUMN, SIZE_COLUMN, WEIGHTS_COLUMN)
"""What a list does without when it gets narrower, one after the other."""


class ModelsColumns(QObject):
    def __init__(self, table: QTableView) -> None:
        super().__init__(table)
        self._table, self._header = table, table.horizontalHeader()
        self._widths: list[int] = []
        for column in range(1, self._header.count()):
            self._header.setSectionResizeMode(column, QHeaderView.ResizeMode.Fixed)
        table.viewport().installEventFilter(self)
        table.model().modelReset.connect(self.measure)

    def eventFilter(self, _viewport: QObject, event: QEvent) -> bool:
        if isinstance(event, QResizeEvent) and event.size().width() != event.oldSize().width():
            self.fit()
        return False

    @Slot()
    def measure(self) -> None:
        """Other models are shown: what their columns need."""
        table, header = self._table, self._header
        if not table.model().rowCount():
            return
        table.ensurePolished()
        self._widths = []
        for column in range(header.count()):
            table.setColumnHidden(column, False)  # a hidden one tells no width
            needed = max(header.sectionSizeHint(column), table.sizeHintForColumn(column))
            self._widths.append(needed)
        self.fit()

    def fit(self) -> None:
        if not self._widths:
            return
        room = self._table.viewport().width()
        shown = set(range(1, len(self._widths)))
        whole_name = min(max(self._widths[NAME_COLUMN], LEAST_NAME_PX), WHOLE_NAME_PX)
        for spared in SPARED:
            name = whole_name if spared in WORTH_LESS else LEAST_NAME_PX
            if sum(self._widths[column] for column in shown) + name <= room:
                break
            shown.discard(spared)
        for column, width in enumerate(self._widths):
            is_hidden = column != NAME_COLUMN and column not in shown
            self._table.setColumnHidden(column, is_hidden)
            if column in shown:
                self._table.setColumnWidth(column, width)
