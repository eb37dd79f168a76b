"""The Edit menu's actions for the focused widget: fields, texts, selected rows, or the page around
them.
"""

import sys
from functools import partial

from PySide6.QtGui import QGuiApplication, QTextCursor
from PySide6.QtWidgets import (
    QAbstractItemView,
    QAbstractSpinBox,
    QApplication,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QTextEdit,
    QWidget,
)

from app.ui.state.undo import UndoHistory
from app.ui.tables.row_table import Does, HasVerbs, copy_rows

Text = QLineEdit | QPlainTextEdit | QTextEdit


class EditCommands:
    """Undo belongs to the window's history, unless an editable text has the focus."""

    def __init__(self, history: UndoHistory) -> None:
        self._history = history

    def do(self, verb: str) -> None:
        focused = focused_widget()
        if (does := self._found(verb)) is not None:
            does()
        elif verb == "delete" and isinstance(focused, Text) and not focused.isReadOnly():
            _delete_before(focused)

    def can(self, verb: str) -> bool:
        return self._found(verb) is not None

    def undo_name(self) -> str:
        """The name of the window's action that Undo would undo; empty in an editable text."""
        return "" if _is_edited(focused_widget()) else self._history.name

    def _found(self, verb: str) -> Does | None:
        """The handler of the focused widget, else of the nearest parent that offers the verb."""
        focused = focused_widget()
        own = _verbs_of(focused)
        if verb in own or (_is_edited(focused) and verb in _CHANGES):
            return own.get(verb)
        if verb == "undo":
            return self._history.undo if self._history.name else None
        part = focused or QApplication.activeWindow()
        while part is not None:
            found = part.verbs().get(verb) if isinstance(part, HasVerbs) else None
            if found is not None:
                return found
            part = None if part.isWindow() else part.parentWidget()
        return None


def _delete_before(text: Text) -> None:
    """Do what ⌘⌫ (Ctrl+Backspace) does in a text: delete to the start of the line on a Mac, else
    the previous word.
    """
    is_mac = sys.platform == "darwin"
    if isinstance(text, QLineEdit):
        text.home(True) if is_mac else text.cursorWordBackward(True)
        text.backspace()
        return
    cursor, move = text.textCursor(), QTextCursor.MoveOperation
    to = move.StartOfLine if is_mac else move.PreviousWord
    cursor.movePosition(to, QTextCursor.MoveMode.KeepAnchor)
    cursor.removeSelectedText()


_CHANGES = ("undo", "redo", "cut", "paste", "delete")
"""In an editable text, these never fall back to the page around it."""


def focused_widget() -> QWidget | None:
    """The focused widget; for a spin box, its line edit."""
    focused = QApplication.focusWidget()
    return focused.lineEdit() if isinstance(focused, QAbstractSpinBox) else focused


def _is_edited(focused: QWidget | None) -> bool:
    return isinstance(focused, Text) and not focused.isReadOnly()


def _verbs_of(focused: QWidget | None) -> dict[str, Does]:
    """The verbs that one of Qt's own widgets can perform now."""
    if isinstance(focused, Text):
        return _verbs_of_text(focused)
    if isinstance(focused, QLabel):
        copy = partial(QGuiApplication.clipboard().setText, focused.selectedText())
        select = partial(focused.setSelection, 0, len(focused.text()))
        return {"selectAll": select, **({"copy": copy} if focused.hasSelectedText() else {})}
    if isinstance(focused, QAbstractItemView):
        has_rows = focused.selectionModel().hasSelection()
        copies: dict[str, Does] = {"copy": partial(copy_rows, focused)} if has_rows else {}
        takes_one = focused.selectionMode() is QAbstractItemView.SelectionMode.SingleSelection
        return copies if takes_one else {**copies, "selectAll": focused.selectAll}
    return {}


def _verbs_of_text(text: Text) -> dict[str, Does]:
    verbs: dict[str, Does] = {"selectAll": text.selectAll}
    if isinstance(text, QLineEdit):
        has_selection, delete = text.hasSelectedText(), text.del_
        can_undo, can_redo = text.isUndoAvailable(), text.isRedoAvailable()
    else:
        cursor = text.textCursor()
        has_selection, delete = cursor.hasSelection(), cursor.removeSelectedText
        can_undo, can_redo = text.document().isUndoAvailable(), text.document().isRedoAvailable()
    if has_selection:
        verbs["copy"] = text.copy
    if text.isReadOnly():
        return verbs
    if has_selection:
        verbs |= {"cut": text.cut, "delete": delete}
    if can_undo:
        verbs["undo"] = text.undo
    if can_redo:
        verbs["redo"] = text.redo
    return verbs | {"paste": text.paste}
