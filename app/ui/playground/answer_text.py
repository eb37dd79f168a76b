"""An answer as plain text that grows at its end, as high as it is long, without a scroll bar."""

import math

from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent, QTextCursor, QWheelEvent
from PySide6.QtWidgets import QFrame, QTextEdit


class AnswerText(QTextEdit):
    """What models say is shown as it stands: nothing in it is rendered.

    A QPlainTextEdit would do, but it sets right-to-left paragraphs to the left.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setObjectName("answer")
        self.setAccessibleName(name)
        self.setReadOnly(True)
        self.setAcceptRichText(False)
        self.setUndoRedoEnabled(False)
        self.setAcceptDrops(False)
        self.setTabChangesFocus(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.document().setDocumentMargin(0)
        self._fit()

    def add(self, text: str) -> None:
        """Put `text` at the end; what the user has selected stays selected."""
        end = QTextCursor(self.document())
        end.movePosition(QTextCursor.MoveOperation.End)
        end.insertText(text)
        self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self._fit()

    def wheelEvent(self, event: QWheelEvent) -> None:
        event.ignore()  # the conversation scrolls

    def _fit(self) -> None:
        self.setFixedHeight(math.ceil(self.document().size().height()) + 2)
