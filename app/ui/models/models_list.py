"""The table of models with search, filter and sorting, and the details of the selected one."""

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QGuiApplication, QResizeEvent
from PySide6.QtWidgets import QBoxLayout, QHeaderView, QTableView, QVBoxLayout, QWidget

from app.core.text.translation import tr
from app.ui.look.theme import Theme
from app.ui.models.model_details import ModelDetails
from app.ui.tables.models_model import (
    CONTEXT_COLUMN,
    LICENSE_COLUMN,
    NAME_COLUMN,
    SIZE_COLUMN,
    SOURCE_COLUMN,
    WEIGHTS_COLUMN,
    ModelsFilter,
    ModelsModel,
)
from app.ui.tables.row_table import RowTable, Verb, make_table, pressing
from app.ui.widgets.basic_widgets import label
from app.ui.widgets.layouts import GRID_PX

if TYPE_CHECKING:
    from app.models.model_description import ModelDescription


BESIDE_FROM_PX = 880
"""From this width on, the details are beside the table, else below it."""
DETAILS_PX = (284, 208)
"""The width of the details beside the table, and their height below it."""


class ModelsList(QWidget):
    use_requested = Signal(object)
    """Argument: the path of a model's folder."""
    reveal_requested = Signal(object)
    forget_requested = Signal(object)
    """Argument: the path of a folder that the user had chosen."""

    def __init__(self) -> None:
        super().__init__()
        self.available_bytes = 0
        self.models = ModelsModel()
        self.table = self._make_table()
        self.columns = ModelsColumns(self.table)
        self.details = ModelDetails()
        self.none_found = label(tr("No Results"), "secondary")
        self.none_found.setAlignment(Qt.AlignmentFlag.AlignCenter)
        listed = QVBoxLayout()
        listed.addWidget(self.table, 1)
        listed.addWidget(self.none_found, 1)
        self._whole = QBoxLayout(QBoxLayout.Direction.LeftToRight, self)
        self._whole.setContentsMargins(0, 0, 0, 0)
        self._whole.setSpacing(12)
        self._whole.addLayout(listed, 1)
        self._whole.addWidget(self.details)
        self.details.use_requested.connect(self.request_use)
        self.table.set_verbs(
            pressing(self.details.use),
            pressing(self.details.reveal),
            Verb(tr("Copy Name"), lambda: self._copy("name")),
            Verb(tr("Copy Path"), lambda: self._copy("folder")),
            deletes=Verb(
                tr("Remove from List"), self._request_forget, self._is_forgettable,
                self._is_forgettable,
            ),
        )  # fmt: skip
        self.details.reveal_requested.connect(self._request_reveal)
        self._chosen: Path | None = None
        self.table.selectionModel().selectionChanged.connect(self._note_selection)
        self.models.modelReset.connect(lambda: self.select(self._chosen))
        self._lay_out(is_wide=True)

    def _make_table(self) -> RowTable:
        table = make_table(self.models, tr("Models"), (NAME_COLUMN,))
        table.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        table.setSortingEnabled(True)
        table.horizontalHeader().setSortIndicatorClearable(True)
        table.sortByColumn(-1, Qt.SortOrder.AscendingOrder)
        table.setSelectionMode(QTableView.SelectionMode.SingleSelection)
        return table

    # -- content ------------------------------------------------------------------------------
    def show_models(self, models: "tuple[ModelDescription, ...]", available_bytes: int) -> None:
        """Show these models and keep the selection; at first the first model is selected."""
        bar = self.table.verticalScrollBar()
        scrolled, self.available_bytes = bar.value(), available_bytes
        if self.models.show_models(models, available_bytes):
            bar.setValue(scrolled)

    def show_only(self, wanted: ModelsFilter) -> None:
        self.models.show_only(wanted)

    def select(self, folder: Path | None) -> None:
        """Select the model in this folder, or the first one if it is not shown."""
        row = max(0, self.models.row_of(folder))
        if self.models.rowCount():
            self.table.selectRow(row)
            self.table.scrollTo(self.models.index(row, NAME_COLUMN))
        self.refresh_details()

    def selected(self) -> "ModelDescription | None":
        chosen = self.table.selectionModel().selectedRows()
        return self.models.at(chosen[0].row()) if chosen else None

    def _note_selection(self) -> None:
        if (model := self.selected()) is not None:
            self._chosen = model.folder
        self.refresh_details()

    def refresh_details(self) -> None:
        model, is_any = self.selected(), bool(self.models.rowCount())
        self.table.setVisible(is_any)
        self.none_found.setVisible(not is_any)
        self.details.setVisible(model is not None)
        if model is not None:
            state, tone = self.models.state(model), self.models.tone(model)
            self.details.show_model(model, state, tone, self.available_bytes)

    def set_theme(self, theme: Theme) -> None:
        self.models.set_theme(theme)

    # -- actions ------------------------------------------------------------------------------
    def request_use(self) -> None:
        if (model := self.selected()) is not None and self.details.use.isEnabled():
            self.use_requested.emit(model.folder)

    def _request_reveal(self) -> None:
        if (model := self.selected()) is not None:
            self.reveal_requested.emit(model.folder)

    def _copy(self, fact: str) -> None:
        QGuiApplication.clipboard().setText(str(getattr(self.selected(), fact)))

    def _is_forgettable(self) -> bool:
        model = self.selected()
        return model is not None and model.chosen is not None

    def _request_forget(self) -> None:
        if (model := self.selected()) is not None and model.chosen is not None:
            self.forget_requested.emit(model.chosen)

    # -- layout -------------------------------------------------------------------------------
    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._lay_out(is_wide=event.size().width() >= BESIDE_FROM_PX)
        QTimer.singleShot(0, self._keep_in_sight)  # after the table has been resized

    def _keep_in_sight(self) -> None:
        if (current := self.table.currentIndex()).isValid():
            self.table.scrollTo(current)

    def _lay_out(self, *, is_wide: bool) -> None:
        direction = QBoxLayout.Direction
        self._whole.setDirection(direction.LeftToRight if is_wide else direction.TopToBottom)
        width, height = DETAILS_PX
        unlimited = 16_777_215
        self.details.setFixedWidth(width) if is_wide else self.details.setMaximumWidth(unlimited)
        if not is_wide:
            self.details.setMinimumWidth(GRID_PX)
        self.details.setMinimumHeight(GRID_PX if is_wide else height)
        self.details.setMaximumHeight(unlimited if is_wide else height)
        self.details.arrange(columns=1 if is_wide else 2)


MIN_NAME_PX, WHOLE_NAME_PX = 220, 340
WORTH_LESS = (SOURCE_COLUMN, LICENSE_COLUMN)
"""The columns to hide before a name that is no longer than WHOLE_NAME_PX is elided."""
SPARED = (*WORTH_LESS, CONTEXT_COLUMN, SIZE_COLUMN, WEIGHTS_COLUMN)
"""The columns to hide, in this order, when the table gets narrower."""


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
        """Measure all columns after the models have changed."""
        table, header = self._table, self._header
        if not table.model().rowCount():
            return
        table.ensurePolished()
        self._widths = []
        for column in range(header.count()):
            table.setColumnHidden(column, False)  # a hidden column has no width
            needed = max(header.sectionSizeHint(column), table.sizeHintForColumn(column))
            self._widths.append(needed)
        self.fit()

    def fit(self) -> None:
        if not self._widths:
            return
        room = self._table.viewport().width()
        shown = set(range(1, len(self._widths)))
        whole_name = min(max(self._widths[NAME_COLUMN], MIN_NAME_PX), WHOLE_NAME_PX)
        for spared in SPARED:
            name = whole_name if spared in WORTH_LESS else MIN_NAME_PX
            if sum(self._widths[column] for column in shown) + name <= room:
                break
            shown.discard(spared)
        for column, width in enumerate(self._widths):
            is_hidden = column != NAME_COLUMN and column not in shown
            self._table.setColumnHidden(column, is_hidden)
            if column in shown:
                self._table.setColumnWidth(column, width)
