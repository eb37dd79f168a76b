"""A long read-only or editable text, such as a run's log or notes, with a find bar above it."""

from PySide6.QtGui import QTextCursor
from PySide6.QtWidgets import QPlainTextEdit, QWidget

from app.ui.widgets.find_bar import FindBar
from app.ui.widgets.layouts import grows, lay_out


class SearchableText(QWidget):
    def __init__(self, name: str, *, is_editable: bool) -> None:
        super().__init__()
        self.text = QPlainTextEdit()
        self.text.setObjectName("" if is_editable else "log")
        self.text.setReadOnly(not is_editable)
        self.text.setAcceptDrops(False)
        self.text.setAccessibleName(name)
        self.text.setTabChangesFocus(True)
        self.finder = FindBar(self.text)
        lay_out(self, self.finder, grows(self.text))

    def show_grown(self, text: str) -> None:
        """Show a text. If it only extends the shown text, the scroll position and selection are
        kept.
        """
        before = self.text.toPlainText()
        if not before or not text.startswith(before):
            self.text.setPlainText(text)
        elif len(text) > len(before):
            at = QTextCursor(self.text.document())
            at.movePosition(QTextCursor.MoveOperation.End)
            at.insertText(text[len(before) :])
