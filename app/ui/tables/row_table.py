"""A table view for whole rows, and the verbs (actions) on its selection.

Each verb is defined once, for the context menu, the keys and the window's Edit menu.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from PySide6.QtCore import QAbstractItemModel, QItemSelectionModel, QModelIndex, QPoint, Qt
from PySide6.QtGui import QContextMenuEvent, QGuiApplication, QKeyEvent
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QHeaderView,
    QMenu,
    QTableView,
    QWidget,
)

from app.core.text.translation import tr
from app.ui.look.plain_text import follow_tip
from app.ui.tables.table_model import WHOLE_TEXT

ROW_PX, TWO_LINES_PX = 36, 44
MIN_COLUMN_PX = 56
ROWS_MEASURED = 20
"""The number of rows that are measured for column widths; measuring all of a long list is slow."""
_NO_KEYS, _CONTROL = Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ControlModifier
_OPENING = {(Qt.Key.Key_Return, _NO_KEYS), (Qt.Key.Key_Enter, _NO_KEYS)}
_DELETING = {
    (Qt.Key.Key_Delete, _NO_KEYS), (Qt.Key.Key_Backspace, _NO_KEYS),
    (Qt.Key.Key_Backspace, _CONTROL),
}  # fmt: skip


Does = Callable[[], None]


@runtime_checkable
class HasVerbs(Protocol):
    """A widget with its own verbs, such as a table, a find bar or a page."""

    def verbs(self) -> Mapping[str, Does]:
        """The verbs that are possible now."""


@dataclass(frozen=True)
class Verb:
    """An action on the selection, for a context menu."""

    text: str | Callable[[], str]
    does: Callable[[], None]
    can: Callable[[], bool] = lambda: True
    is_there: Callable[[], bool] = lambda: True
    """If it returns False, the menu has no item for the verb."""
    button: QAbstractButton | None = None
    """The button whose tool tip explains why the verb is disabled."""


def pressing(button: QAbstractButton) -> Verb:
    """A verb that clicks a button, with its text, visibility and enabled state."""
    return Verb(button.text, button.click, button.isEnabled, lambda: not button.isHidden(), button)


def verbs_menu(parent: QWidget, *groups: tuple[Verb, ...]) -> QMenu:
    """A context menu with a separator between the groups; it is deleted after it was hidden."""
    menu = QMenu(parent)
    menu.setToolTipsVisible(True)
    for group in groups:
        if shown := [verb for verb in group if verb.is_there()]:
            menu.addSeparator()
        for verb in shown:
            action = menu.addAction(verb.text if isinstance(verb.text, str) else verb.text())
            action.triggered.connect(lambda _=False, verb=verb: verb.does())
            action.setEnabled(verb.can())
            if verb.button is not None and not verb.can():
                follow_tip(action, verb.button)
    menu.aboutToHide.connect(menu.deleteLater)
    return menu


def offer_verbs(part: QWidget, groups: Callable[[], Sequence[tuple[Verb, ...]]]) -> None:
    """Give a widget a context menu, which opens unless `groups` returns nothing."""

    def show(at: QPoint) -> None:
        if offered := groups():
            verbs_menu(part, *offered).popup(part.mapToGlobal(at))

    part.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
    part.customContextMenuRequested.connect(show)


class RowTable(QTableView):
    """Return or a double click opens the selected row; Delete or Backspace removes the selected
    rows.
    """

    def __init__(self) -> None:
        super().__init__()
        self._opens: Verb | None = None
        self._others: tuple[Verb, ...] = ()
        self._deletes: Verb | None = None
        self.doubleClicked.connect(lambda _: _do(self._opens))

    def set_verbs(self, opens: Verb | None, *others: Verb, deletes: Verb | None = None) -> None:
        self._opens, self._others, self._deletes = opens, others, deletes

    def select_rows(self, rows: Iterable[int]) -> None:
        """Select only these rows; the first becomes the current one."""
        chosen, flags = self.selectionModel(), QItemSelectionModel.SelectionFlag
        chosen.clearSelection()
        for number, row in enumerate(rows):
            index = self.model().index(row, 0)
            chosen.select(index, flags.Select | flags.Rows)
            if number == 0:
                chosen.setCurrentIndex(index, flags.NoUpdate)

    def verbs(self) -> dict[str, Callable[[], None]]:
        """The Edit menu's actions that are possible now."""
        deletes = self._deletes
        return {"delete": deletes.does} if deletes is not None and deletes.can() else {}

    def menu(self) -> QMenu:
        """The context menu of the selected rows."""
        opens = () if self._opens is None else (self._opens,)
        copies = Verb(tr("Copy"), lambda: copy_rows(self))
        deletes = () if self._deletes is None else (self._deletes,)
        return verbs_menu(self, (*opens, *self._others), (copies,), deletes)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        by_key = event.reason() is QContextMenuEvent.Reason.Keyboard
        if by_key:
            self.scrollTo(self.currentIndex())
        at = self.visualRect(self.currentIndex()).center() if by_key else event.pos()
        if self.indexAt(at).isValid() and self.selectionModel().hasSelection():
            self.menu().popup(self.viewport().mapToGlobal(at))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = Qt.Key(event.key()), event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
        if self._opens is not None and key in _OPENING:
            _do(self._opens)
        elif self._deletes is not None and key in _DELETING:
            _do(self._deletes)
        else:
            super().keyPressEvent(event)


def wrap_rows(table: RowTable) -> None:
    """Give each row two lines, which is enough for most sentences in the smallest window."""
    table.setWordWrap(True)
    table.verticalHeader().setDefaultSectionSize(TWO_LINES_PX)


def _do(verb: Verb | None) -> None:
    if verb is not None and verb.is_there() and verb.can():
        verb.does()


def copy_rows(view: QAbstractItemView) -> None:
    QGuiApplication.clipboard().setText(rows_text(view))


def rows_text(view: QAbstractItemView) -> str:
    """The selected rows, or all if none is selected, as lines with tabs between the visible
    columns.
    """
    model, header = view.model(), getattr(view, "horizontalHeader", lambda: None)()
    columns = [
        c for c in range(model.columnCount()) if header is None or not header.isSectionHidden(c)
    ]
    chosen = {index.row() for index in view.selectionModel().selectedIndexes()}
    rows = sorted(chosen) or range(model.rowCount())
    lines = ["\t".join(_cell(model.index(row, column)) for column in columns) for row in rows]
    return "\n".join(lines)


def _cell(index: QModelIndex) -> str:
    return str(index.data(WHOLE_TEXT) or index.data(Qt.ItemDataRole.DisplayRole) or "")


def make_table(model: QAbstractItemModel, name: str, wide: tuple[int, ...]) -> RowTable:
    """A table in which several rows can be selected; the columns `wide` share the remaining
    width.
    """
    table = RowTable()
    table.setModel(model)
    table.setAccessibleName(name)
    table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    table.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
    table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    table.setShowGrid(False)
    table.setTabKeyNavigation(False)
    table.setCornerButtonEnabled(False)
    table.setWordWrap(False)
    table.verticalHeader().hide()
    table.verticalHeader().setDefaultSectionSize(ROW_PX)
    header = table.horizontalHeader()
    header.setAccessibleName(name)
    header.setHighlightSections(False)
    header.setTextElideMode(Qt.TextElideMode.ElideRight)
    header.setResizeContentsPrecision(ROWS_MEASURED)
    header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
    for column in wide:
        header.setSectionResizeMode(column, QHeaderView.ResizeMode.Stretch)
    header.setMinimumSectionSize(MIN_COLUMN_PX)
    return table
