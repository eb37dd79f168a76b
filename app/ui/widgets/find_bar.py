"""Finds words in a text: a line above it, there once it is asked for."""

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QKeyEvent, QTextCursor
from PySide6.QtWidgets import QPlainTextEdit, QTextEdit, QWidget

from app.core.text.translation import tr
from app.ui.look.theme import LIGHT, Theme
from app.ui.widgets.basic_widgets import button, enable, label
from app.ui.widgets.calm_inputs import SearchField
from app.ui.widgets.layouts import row

MOST_FOUND = 1000
"""The first ones; more are neither counted, marked nor gone to."""
_FIELD_PX, _MARK_ALPHA = 220, 96


class FindBar(QWidget):
    def __init__(self, text: QPlainTextEdit) -> None:
        super().__init__()
        self._text, self._theme = text, LIGHT
        self._found: list[QTextCursor] = []
        self.field = SearchField(tr("Find in {text}", text=text.accessibleName()))
        self.field.setFixedWidth(_FIELD_PX)
        self.count = label("", "secondary")
        self.previous = button(tr("Previous"), lambda: self._turn(-1))
        self.next = button(tr("Next"), lambda: self._turn(1))
        for turn in (self.previous, self.next):  # a click takes the keys away
            turn.clicked.connect(lambda: self.field.setFocus())
        self.done = button(tr("Done"), self.leave)
        self.setLayout(row(self.field, self.count, None, self.previous, self.next, self.done))
        self.field.textChanged.connect(self._seek)
        text.document().contentsChanged.connect(self._mark)
        self.hide()

    def verbs(self) -> dict[str, Callable[[], None]]:
        """For the Edit menu: those that can be done now."""
        turns = {"findNext": lambda: self._turn(1), "findPrevious": lambda: self._turn(-1)}
        return {"find": self.begin, **(turns if self._found else {})}

    def begin(self) -> None:
        """From the line that is seen; what was searched for last is there to be replaced."""
        seen = self._text.viewport().rect()
        if not seen.intersects(self._text.cursorRect()):
            self._text.setTextCursor(self._text.cursorForPosition(seen.topLeft()))
        self.show()
        self.field.begin()
        self._mark()

    def leave(self) -> None:
        """The text has the keys again, with what was found last selected."""
        self.hide()
        self._mark()
        self._text.setFocus()

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self._mark()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Keys that its field and buttons leave alone."""
        is_back = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        if event.key() == Qt.Key.Key_Escape:
            self.leave()
        elif self.field.hasFocus() and event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._turn(-1 if is_back else 1)
        else:
            super().keyPressEvent(event)

    def _turn(self, by: int) -> None:
        """To the next match or the one before; from the last to the first."""
        at = self._text.textCursor()
        if by > 0:
            there = [one for one in self._found if one.selectionStart() >= at.selectionEnd()]
        else:
            there = [one for one in self._found if one.selectionEnd() <= at.selectionStart()][::-1]
        if self._found:
            self._go_to((there or self._found[::by])[0])

    def _seek(self) -> None:
        """What is written is found from where the last match began: it grows with its letters."""
        self._mark()
        start = self._text.textCursor().selectionStart()
        there = [one for one in self._found if one.selectionStart() >= start]
        if self._found:
            self._go_to((there or self._found)[0])

    def _go_to(self, match: QTextCursor) -> None:
        self._text.setTextCursor(match)
        self._text.ensureCursorVisible()
        self._count()

    def _mark(self) -> None:
        """Find all matches, as the text is now; they are marked while the line is there."""
        words, document, self._found = self.field.text(), self._text.document(), []
        cursor = document.find(words) if words else QTextCursor()
        while not cursor.isNull() and len(self._found) < MOST_FOUND:
            self._found.append(cursor)
            cursor = document.find(words, cursor)
        marked = [] if self.isHidden() else self._found
        self._text.setExtraSelections([self._marked(cursor) for cursor in marked])
        self._count()

    def _marked(self, cursor: QTextCursor) -> QTextEdit.ExtraSelection:
        made = QTextEdit.ExtraSelection()
        made.cursor = cursor
        color = QColor(self._theme.accent)
        color.setAlpha(_MARK_ALPHA)
        made.format.setBackground(color)
        made.format.setForeground(QColor(self._theme.text))
        return made

    def _count(self) -> None:
        found, at = self._found, self._text.textCursor()
        before = sum(one.selectionEnd() <= at.selectionEnd() for one in found)
        words = tr("{number:,} of {total:,}", number=before, total=len(found))
        if len(found) == MOST_FOUND:
            words = tr("{number:,} of {total:,} or more", number=before, total=len(found))
        self.count.setText(words if found else tr("No Results") if self.field.text() else "")
        for turn in (self.previous, self.next):
            enable(turn, bool(found))
