"""A field for a run's name that looks like a title."""

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QFocusEvent, QKeyEvent, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QStyle, QStyleOptionFrame, QStylePainter

from app.ui.widgets.basic_widgets import rest_focus
from app.ui.widgets.calm_inputs import TextField

MAX_NAME = 200
NAME_ROOM_PX, MIN_NAME_PX = 24, 120


class NameField(TextField):
    """As wide as its text, if possible; a longer text is elided unless the field has the focus.

    Return accepts the text, Escape restores the previous one.
    """

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("title_field")
        self.setMaxLength(MAX_NAME)
        self.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        self._before = ""
        self.textChanged.connect(self.updateGeometry)
        self.returnPressed.connect(lambda: rest_focus(self))

    def show_name(self, name: str) -> None:
        """Show a name unless the field already has it."""
        if self.text().strip() != name:
            self.setText(name)
            self.setCursorPosition(0)

    def sizeHint(self) -> QSize:
        text = self.text() or self.placeholderText()
        width = self.fontMetrics().horizontalAdvance(text) + NAME_ROOM_PX
        return QSize(width, super().sizeHint().height())

    def minimumSizeHint(self) -> QSize:
        width = min(MIN_NAME_PX, self.sizeHint().width())
        return QSize(width, super().minimumSizeHint().height())

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self._before = self.text()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape and self.text() != self._before:
            self.setText(self._before)
            self.textEdited.emit(self._before)
        super().keyPressEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        room = self.width() - NAME_ROOM_PX // 2
        is_short = self.fontMetrics().horizontalAdvance(self.text()) <= room
        if self.hasFocus() or is_short:
            super().paintEvent(event)
            return
        painter, option = QStylePainter(self), QStyleOptionFrame()
        self.initStyleOption(option)
        painter.drawPrimitive(QStyle.PrimitiveElement.PE_PanelLineEdit, option)
        shown = self.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideRight, room)
        at = self.rect().adjusted(NAME_ROOM_PX // 4 + 1, 0, 0, 0)
        painter.drawText(at, Qt.AlignmentFlag.AlignVCenter, shown)
