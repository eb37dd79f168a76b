"""The frame round a plot: title, a plain line about it, a corner for a legend, an empty state."""

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QFrame, QGridLayout, QSizePolicy, QStackedWidget, QWidget

from app.ui.look.plain_text import PlainLabel, set_tip
from app.ui.look.theme import Theme
from app.ui.plots.style import SMALL_PX, TITLE_PX, small_font

EMPTY_TEXT = "Appears after the first step"
_LEAST_PX = 70
"""Narrower, a subtitle says nothing."""


class ElidedLabel(QWidget):
    """One line of small text that ends in "…" where room is short; whole in the tooltip."""

    def __init__(self, text: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFont(small_font())
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.set_text(text)

    def set_text(self, text: str) -> None:
        self.text = text
        set_tip(self, text)
        self.setAccessibleName(text)
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(self.fontMetrics().horizontalAdvance(self.text) + 2, self._line_height())

    def minimumSizeHint(self) -> QSize:
        return QSize(0, self._line_height())

    def paintEvent(self, _: QPaintEvent) -> None:
        if self.width() < _LEAST_PX:
            return
        metrics = self.fontMetrics()
        shown = metrics.elidedText(self.text, Qt.TextElideMode.ElideRight, self.width())
        left = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        painter = QPainter(self)
        painter.setPen(self.palette().windowText().color())
        painter.drawText(self.rect(), left, shown)
        painter.end()

    def _line_height(self) -> int:
        return self.fontMetrics().height()


class Card(QFrame):
    """Holds one plot; `show_empty` swaps it for a quiet sentence."""

    def __init__(self, title: str, subtitle: str, plot: QWidget, corner: QWidget | None) -> None:
        super().__init__()
        self.setObjectName("plot_card")
        self.setAccessibleName(title)
        self.setAccessibleDescription(subtitle)
        plot.setAccessibleName(title)
        plot.setAccessibleDescription(subtitle)
        self._plot = plot
        self.title = PlainLabel(title)
        set_tip(self.title, subtitle)
        self.title.setObjectName("plot_title")
        self.subtitle = ElidedLabel(subtitle)
        self.corner = corner
        self.empty = PlainLabel(EMPTY_TEXT)
        self.empty.setObjectName("plot_empty")
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.empty.setWordWrap(True)
        self.stack = QStackedWidget()
        self.stack.addWidget(self.empty)
        self.stack.addWidget(plot)
        self._lay_out()

    def set_subtitle(self, text: str, description: str = "") -> None:
        """Another line about the plot; a longer one for screen readers and the tooltip."""
        if text != self.subtitle.text:
            self.subtitle.set_text(text)
            set_tip(self.title, description or text)
            for part in (self, self._plot):
                part.setAccessibleDescription(description or text)

    def show_empty(self, is_empty: bool) -> None:
        """Shows the sentence, or the plot and its corner."""
        self.stack.setCurrentIndex(0 if is_empty else 1)
        if self.corner:
            self.corner.setVisible(not is_empty)

    def set_compact(self, is_compact: bool) -> None:
        """Puts the subtitle behind the title instead of below it."""
        self.grid.removeWidget(self.subtitle)
        place = (0, 1, 1, 1) if is_compact else (1, 0, 1, 2)
        self.grid.addWidget(self.subtitle, *place)
        self.grid.setContentsMargins(*((12, 7, 8, 4) if is_compact else (14, 11, 12, 8)))
        self.grid.setRowMinimumHeight(2, 2 if is_compact else 6)

    def set_theme(self, theme: Theme) -> None:
        """Takes a theme's colours over."""
        self.setStyleSheet(
            f"#plot_card {{ background: {theme.surface}; border: 1px solid {theme.border};"
            f" border-radius: 10px; }}"
            f"#plot_title {{ color: {theme.text}; font-size: {TITLE_PX}px; font-weight: 600; }}"
            f"#plot_empty {{ color: {theme.secondary_text}; font-size: {TITLE_PX}px; }}"
            f"ElidedLabel {{ color: {theme.secondary_text}; font-size: {SMALL_PX}px; }}"
        )

    def _lay_out(self) -> None:
        self.grid = QGridLayout(self)
        self.grid.setHorizontalSpacing(10)
        self.grid.setVerticalSpacing(0)
        self.grid.setColumnStretch(1, 1)
        self.grid.setRowStretch(3, 1)
        self.grid.addWidget(self.title, 0, 0)
        if self.corner:
            centre = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
            self.grid.addWidget(self.corner, 0, 2, 2, 1, centre)
        self.grid.addWidget(self.stack, 3, 0, 1, 3)
        self.set_compact(False)
