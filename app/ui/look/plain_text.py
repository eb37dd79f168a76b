"""Labels, tool tips and dialogs that show untrusted text as is; Qt would interpret HTML in it.

They are created only here and in app/ui/widgets/basic_widgets.py.
"""

from html import escape

from PySide6.QtCore import QSize
from PySide6.QtGui import QAction, QPainter, QPaintEvent, Qt
from PySide6.QtWidgets import QAbstractButton, QLabel, QMessageBox, QSizePolicy, QWidget

from app.core.text.sanitize import visible, visible_line


class PlainLabel(QLabel):
    """A label that never interprets HTML and shows control characters as visible symbols."""

    def __init__(self, text: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setText(text)

    def setText(self, text: str) -> None:
        super().setText(visible(text))


class ElidedLabel(PlainLabel):
    """A one-line label that is elided if it is too long; its tool tip has the whole text."""

    def __init__(
        self, text: str = "", role: str = "", side: Qt.TextElideMode = Qt.TextElideMode.ElideRight
    ) -> None:
        super().__init__(text)
        self.side = side
        self.setObjectName(role)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def minimumSizeHint(self) -> QSize:
        return QSize(24, super().minimumSizeHint().height())

    def setText(self, text: str) -> None:
        super().setText(text)
        set_tip(self, text)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: ARG002
        painter = QPainter(self)
        painter.setPen(self.palette().color(self.foregroundRole()))
        painter.drawText(self.rect(), self.alignment(), self.shown_text())

    def shown_text(self) -> str:
        """The text, elided to the width of the label."""
        return self.fontMetrics().elidedText(self.text(), self.side, self.width())


def tip(text: str) -> str:
    """A tool tip that wraps; plain text would be a single line."""
    return f"<qt>{escape(visible(text))}</qt>" if text else ""


def plain(text: str) -> str:
    """`text` for widgets that detect HTML: unchanged, or escaped if it looks like HTML."""
    shown = visible(text)
    if not Qt.mightBeRichText(shown):
        return shown
    lines = escape(shown).replace("\n", "<br>")
    return f"<qt>{lines}</qt>"


def set_tip(target: QWidget | QAction, text: str, *, is_wrapped: bool = False) -> None:
    """Set a tool tip: on one line, or wrapped."""
    target.setToolTip(tip(text) if is_wrapped else plain(text))


def follow_tip(target: QWidget | QAction, source: QWidget | QAction) -> None:
    """Copy the tool tip of `source`, which was set with `set_tip`."""
    target.setToolTip(source.toolTip())


def set_caption(button: QAbstractButton, text: str) -> None:
    """Set the text of a button; ampersands don't become mnemonics."""
    button.setText(visible_line(text).replace("&", "&&"))


def dialog(window: QWidget | None, text: str, informative: str = "") -> QMessageBox:
    """A message box with `text`; the caller adds buttons and opens it."""
    box = QMessageBox(window)
    box.setTextFormat(Qt.TextFormat.PlainText)
    box.setText(visible(text))
    box.setInformativeText(plain(informative))
    return box
