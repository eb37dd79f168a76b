"""A table of whole rows: how it looks, and what can be done with the rows selected.

A verb is named once; the context menu, the keys and the window's Edit menu all ask for it here.
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
"""Columns are as wide as these rows need: to measure all of a long list takes its time."""
_NO_KEYS, _CONTROL = Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ControlModifier
_OPENING = {(Qt.Key.Key_Return, _NO_KEYS), (Qt.Key.Key_Enter, _NO_KEYS)}
_DELETING = {
    (Qt.Key.Key_Delete, _NO_KEYS), (Qt.Key.Key_Backspace, _NO_KEYS),
    (Qt.Key.Key_Backspace, _CONTROL),
}  # fmt: skip


Does = Callable[[], None]


@runtime_checkable
class HasVerbs(Protocol):
    """A part of the window with verbs of its own: a table, a text's find bar, a page."""

    def verbs(self) -> Mapping[str, Does]:
        """Those that can be done now."""


@dataclass(frozen=True)
class Verb:
    """Something that can be done with what is selected, as a context menu offers it."""

    text: str | Callable[[], str]
    does: Callable[[], None]
    can: Callable[[], bool] = lambda: True
    is_there: Callable[[], bool] = lambda: True
    """Otherwise the menu does without it."""
    button: QAbstractButton | None = None
    """Its tooltip says why the verb is off."""


def pressing(button: QAbstractButton) -> Verb:
    """The same as a button: there, on and named as the button is."""
    return Verb(button.text, button.click, button.isEnabled, lambda: not button.isHidden(), button)


def verbs_menu(parent: QWidget, *groups: tuple[Verb, ...]) -> QMenu:
    """A context menu of these, with a line between groups; it goes once it was hidden."""
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
    """Give a part of the window that is no table a context menu, unless it has nothing to offer."""

    def show(at: QPoint) -> None:
        if offered := groups():
            verbs_menu(part, *offered).popup(part.mapToGlobal(at))

    part.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
    part.customContextMenuRequested.connect(show)


class RowTable(QTableView):
    """Return or a double click opens what is selected; Delete and Backspace remove it."""

    def __init__(self) -> None:
        super().__init__()
        self._opens: Verb | None = None
        self._others: tuple[Verb, ...] = ()
        self._deletes: Verb | None = None
        self.doubleClicked.connect(lambda _: _do(self._opens))

    def set_verbs(self, opens: Verb | None, *others: Verb, deletes: Verb | None = None) -> None:
        self._opens, self._others, self._deletes = opens, others, deletes

    def select_rows(self, rows: Iterable[int]) -> None:
        """These and no others; the first is current, from which the arrow keys go on."""
        chosen, flags = self.selectionModel(), QItemSelectionModel.SelectionFlag
        chosen.clearSelection()
        for number, row in enumerate(rows):
            index = self.model().index(row, 0)
            chosen.select(index, flags.Select | flags.Rows)
            if number == 0:
                chosen.setCurrentIndex(index, flags.NoUpdate)

    def verbs(self) -> dict[str, Callable[[], None]]:
        """For the Edit menu: those that can be done now."""
        deletes = self._deletes
        return {"delete": deletes.does} if deletes is not None and deletes.can() else {}

    def menu(self) -> QMenu:
        """What the context menu of the selected rows offers."""
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
    """Has every row take two lines: few sentences need more in a window of the least size."""
    table.setWordWrap(True)
    table.verticalHeader().setDefaultSectionSize(TWO_LINES_PX)


def _do(verb: Verb | None) -> None:
    if verb is not None and verb.is_there() and verb.can():
        verb.does()


def copy_rows(view: QAbstractItemView) -> None:
    QGuiApplication.clipboard().setText(rows_text(view))


def rows_text(view: QAbstractItemView) -> str:
    """The selected rows, or all where none is, as lines of the columns that are seen, with tabs
    between these."""
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
    """Whole rows are selected, several too; the columns `wide` share what the others leave."""
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
