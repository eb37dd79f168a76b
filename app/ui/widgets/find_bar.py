"""A find bar for a text, shown on request."""

from collections.abc import Callable, Iterator

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QKeyEvent, QTextCursor, QTextDocument
from PySide6.QtWidgets import QPlainTextEdit, QTextEdit, QWidget

from app.core.text.translation import tr
from app.ui.look.theme import LIGHT, Theme
from app.ui.widgets.basic_widgets import button, enable, label
from app.ui.widgets.calm_inputs import SearchField
from app.ui.widgets.layouts import row

_ON, _BACK = QTextDocument.FindFlag(0), QTextDocument.FindFlag.FindBackward
_KEEP_ANCHOR = QTextCursor.MoveMode.KeepAnchor
_FIELD_PX, _MARK_ALPHA = 220, 96


class FindBar(QWidget):
    def __init__(self, text: QPlainTextEdit) -> None:
        super().__init__()
        self._text, self._theme = text, LIGHT
        self.field = SearchField(tr("Find in {text}", text=text.accessibleName()))
        self.field.setFixedWidth(_FIELD_PX)
        self.count = label("", "secondary")
        self.previous = button(tr("Previous"), lambda: self._turn(-1))
        self.next = button(tr("Next"), lambda: self._turn(1))
        for turn in (self.previous, self.next):  # a click would leave the field without the focus
            turn.clicked.connect(lambda: self.field.setFocus())
        self.done = button(tr("Done"), self.leave)
        self.setLayout(row(self.field, self.count, None, self.previous, self.next, self.done))
        self.field.textChanged.connect(self._seek)
        text.document().contentsChanged.connect(self._refresh)
        bar = text.verticalScrollBar()
        for moved in (bar.valueChanged, bar.rangeChanged):
            moved.connect(lambda *_: self._mark())
        self.hide()

    def verbs(self) -> dict[str, Callable[[], None]]:
        """The Edit menu's actions that are possible now."""
        turns = {"findNext": lambda: self._turn(1), "findPrevious": lambda: self._turn(-1)}
        return {"find": self.begin, **(turns if self._match(0) else {})}

    def begin(self) -> None:
        """Show the bar. The search starts at the visible text; the last search text is selected."""
        seen = self._text.viewport().rect()
        if not seen.intersects(self._text.cursorRect()):
            self._text.setTextCursor(self._text.cursorForPosition(seen.topLeft()))
        self.show()
        self.field.begin()
        self._refresh()

    def leave(self) -> None:
        """Hide the bar and focus the text; the last match stays selected."""
        self.hide()
        self._mark()
        self._text.setFocus()

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self._mark()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Handle keys that the field and the buttons ignore."""
        is_back = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        if event.key() == Qt.Key.Key_Escape:
            self.leave()
        elif self.field.hasFocus() and event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._turn(-1 if is_back else 1)
        else:
            super().keyPressEvent(event)

    def _turn(self, by: int) -> None:
        """Go to the next or the previous match, wrapping around."""
        at = self._text.textCursor()
        if by > 0:
            self._go_to(self._match(at.selectionEnd()) or self._match(0))
        else:
            end = self._text.document().characterCount()
            self._go_to(self._match(at.selectionStart(), _BACK) or self._match(end, _BACK))

    def _seek(self) -> None:
        """Search from the start of the last match, so that it is extended while the user types."""
        self._go_to(self._match(self._text.textCursor().selectionStart()) or self._match(0))
        self._refresh()

    def _match(self, start: int, way: QTextDocument.FindFlag = _ON) -> QTextCursor | None:
        words = self.field.text()
        found = self._text.document().find(words, start, way) if words else QTextCursor()
        return None if found.isNull() else found

    def _go_to(self, match: QTextCursor | None) -> None:
        if match is not None:
            self._text.setTextCursor(match)
            self._text.ensureCursorVisible()
            self._count()

    def _refresh(self) -> None:
        self._mark()
        if not self.isHidden():
            self._count()

    def _mark(self) -> None:
        """Highlight the matches in the visible lines while the bar is shown."""
        self._text.setExtraSelections([] if self.isHidden() else [*self._in_sight()])

    def _in_sight(self) -> Iterator[QTextEdit.ExtraSelection]:
        seen, move = self._text.viewport().rect(), QTextCursor.MoveOperation
        first = self._text.cursorForPosition(seen.topLeft())
        last = self._text.cursorForPosition(seen.bottomRight())
        first.movePosition(move.StartOfBlock)
        last.movePosition(move.EndOfBlock)
        match = self._match(first.position())
        while match is not None and match.selectionStart() < last.position():
            yield self._marked(match)
            match = self._match(match.selectionEnd())

    def _marked(self, cursor: QTextCursor) -> QTextEdit.ExtraSelection:
        made = QTextEdit.ExtraSelection()
        made.cursor = cursor
        color = QColor(self._theme.accent)
        color.setAlpha(_MARK_ALPHA)
        made.format.setBackground(color)
        made.format.setForeground(QColor(self._theme.text))
        return made

    def _count(self) -> None:
        """Show the number of the current match and the total. While the text is replaced, the
        position is -1.
        """
        words, before = self.field.text().lower(), QTextCursor(self._text.document())
        before.setPosition(max(0, self._text.textCursor().selectionEnd()), _KEEP_ANCHOR)
        number = before.selectedText().lower().count(words) if words else 0
        total = self._text.toPlainText().lower().count(words) if words else 0
        found = tr("{number:,} of {total:,}", number=number, total=total)
        self.count.setText(found if total else tr("No Results") if words else "")
        for turn in (self.previous, self.next):
            enable(turn, bool(total))
