"""The Edit menu's verbs for whatever has the keyboard: fields, texts, selected rows."""

from PySide6.QtCore import QModelIndex, Qt
from PySide6.QtGui import QGuiApplication
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

Text = QLineEdit | QPlainTextEdit | QTextEdit
CHANGES = ("undo", "redo", "cut", "paste")
"""Verbs that only a text that can be edited has."""


class EditCommands:
    """`undo` is the window's where no text has the keyboard, or none that it can change."""

    def __init__(self, history: UndoHistory) -> None:
        self._history = history

    def do(self, verb: str) -> None:
        if not self.can(verb):
            return
        focused = focused_widget()
        if isinstance(focused, Text):
            if verb in CHANGES and focused.isReadOnly():
                self._history.undo()
            else:
                getattr(focused, verb)()
        elif verb == "copy" and isinstance(focused, QLabel):
            QGuiApplication.clipboard().setText(focused.selectedText())
        elif verb == "copy" and isinstance(focused, QAbstractItemView):
            QGuiApplication.clipboard().setText(rows_text(focused))
        elif verb == "selectAll" and isinstance(focused, QLabel):
            focused.setSelection(0, len(focused.text()))
        elif verb == "selectAll" and isinstance(focused, QAbstractItemView):
            focused.selectAll()
        elif verb == "undo":
            self._history.undo()

    def can(self, verb: str) -> bool:
        focused = focused_widget()
        if isinstance(focused, Text) and not focused.isReadOnly():
            return _can_edit(focused, verb)
        if verb == "undo":
            return bool(self._history.name)
        if verb in CHANGES:
            return False
        if isinstance(focused, Text):
            return verb == "selectAll" or _has_selection(focused)
        if isinstance(focused, QLabel):
            return verb == "selectAll" or focused.hasSelectedText()
        if isinstance(focused, QAbstractItemView):
            return verb == "selectAll" or focused.selectionModel().hasSelection()
        return False

    def undo_name(self) -> str:
        """Of what Undo would take back, as the menu says it."""
        focused = focused_widget()
        is_text = isinstance(focused, Text) and not focused.isReadOnly()
        return "" if is_text else self._history.name


def focused_widget() -> QWidget | None:
    """What has the keyboard; a spin box's own field in its place."""
    focused = QApplication.focusWidget()
    return focused.lineEdit() if isinstance(focused, QAbstractSpinBox) else focused


def rows_text(view: QAbstractItemView) -> str:
    """The selected rows as lines of what is seen of them, with tabs between the columns."""
    model, header = view.model(), getattr(view, "horizontalHeader", lambda: None)()
    columns = [
        c for c in range(model.columnCount()) if header is None or not header.isSectionHidden(c)
    ]
    rows = sorted({index.row() for index in view.selectionModel().selectedIndexes()})
    lines = ["\t".join(_cell(model.index(row, column)) for column in columns) for row in rows]
    return "\n".join(lines)


def _cell(index: QModelIndex) -> str:
    return str(index.data(Qt.ItemDataRole.DisplayRole) or "")


def _has_selection(text: Text) -> bool:
    return (
        text.hasSelectedText() if isinstance(text, QLineEdit) else text.textCursor().hasSelection()
    )


def _can_edit(text: Text, verb: str) -> bool:
    if verb in ("copy", "cut"):
        return _has_selection(text)
    if verb in ("undo", "redo"):
        if isinstance(text, QLineEdit):
            return text.isUndoAvailable() if verb == "undo" else text.isRedoAvailable()
        document = text.document()
        return document.isUndoAvailable() if verb == "undo" else document.isRedoAvailable()
    return True
