"""Text from elsewhere in the window: shown as it stands, where Qt would guess that it is HTML.

Labels, tooltips and dialogs are made here or by app/ui/widgets/basic_widgets.py, nowhere else.
"""

from html import escape

from PySide6.QtCore import QSize
from PySide6.QtGui import QAction, QPainter, QPaintEvent, Qt
from PySide6.QtWidgets import QAbstractButton, QLabel, QMessageBox, QSizePolicy, QWidget

from app.core.text.sanitize import visible, visible_line


class PlainLabel(QLabel):
    """A label that never reads HTML; what would turn or hide its text is spelled out."""

    def __init__(self, text: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setText(text)

    def setText(self, text: str) -> None:
        super().setText(visible(text))


class ElidedLabel(PlainLabel):
    """One line that ends in "…" instead of being clipped; its tooltip tells all."""

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
        """As much of the text as there is room for."""
        return self.fontMetrics().elidedText(self.text(), self.side, self.width())


def tip(text: str) -> str:
    """A tooltip whose lines are broken; a plain one would be as wide as its text."""
    return f"<qt>{escape(visible(text))}</qt>" if text else ""


def plain(text: str) -> str:
    """`text` for what guesses by itself: as it stands, and escaped if it looks like HTML."""
    shown = visible(text)
    if not Qt.mightBeRichText(shown):
        return shown
    lines = escape(shown).replace("\n", "<br>")
    return f"<qt>{lines}</qt>"


def set_tip(target: QWidget | QAction, text: str, *, is_wrapped: bool = False) -> None:
    """A tooltip, in one line as long as `text`, or wrapped."""
    target.setToolTip(tip(text) if is_wrapped else plain(text))


def follow_tip(target: QWidget | QAction, source: QWidget | QAction) -> None:
    """The tooltip of `source`, which `set_tip` has made."""
    target.setToolTip(source.toolTip())


def set_caption(button: QAbstractButton, text: str) -> None:
    """What stands on a button, where an ampersand would mark a key."""
    button.setText(visible_line(text).replace("&", "&&"))


def dialog(window: QWidget | None, text: str, informative: str = "") -> QMessageBox:
    """A dialog that says `text`; the caller adds its buttons and opens it."""
    box = QMessageBox(window)
    box.setTextFormat(Qt.TextFormat.PlainText)
    box.setText(visible(text))
    box.setInformativeText(plain(informative))
    return box
