"""A card around a plot: title, subtitle, legend, and a text for the empty state. The subtitle is
replaced by the values at the cursor, or by the range of visible steps.
"""

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QFrame, QGridLayout, QSizePolicy, QStackedWidget, QToolButton, QWidget

from app.core.text.translation import tr
from app.ui.look.plain_text import ElidedLabel, PlainLabel, set_tip
from app.ui.look.theme import Theme
from app.ui.plots.style import SMALL_PX, TITLE_PX, small_font

EMPTY_TEXT = tr("Appears after the first step")
_MIN_PX = 70
"""The minimum width of a subtitle or of values; narrower ones are not shown."""
_SHOW_ALL = tr("Show All")
_SHOW_ALL_STEPS = tr("Show all steps")
_APART = 10


class _SmallLine(ElidedLabel):
    """A line of values in a small font; empty if there is too little room."""

    def __init__(self, text: str = "", role: str = "") -> None:
        super().__init__(text, role)
        self.setFont(small_font())
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def minimumSizeHint(self) -> QSize:
        return QSize(0, super().minimumSizeHint().height())

    def shown_text(self) -> str:
        return super().shown_text() if self.width() >= _MIN_PX else ""


class _Subtitle(_SmallLine):
    """Shown in full or not at all; the title's tool tip has the same text."""

    def shown_text(self) -> str:
        text = self.text()
        return text if self.fontMetrics().horizontalAdvance(text) <= self.width() else ""


class Card(QFrame):
    """Shows a plot, or a sentence in its place after `show_empty`."""

    all_steps_requested = Signal()

    def __init__(
        self,
        title: str,
        subtitle: str,
        plot: QWidget,
        legend: QWidget | None = None,
        choice: QWidget | None = None,
    ) -> None:
        """`legend` moves below the title if there is little room; `choice` stays in the corner."""
        super().__init__()
        self.setObjectName("plot_card")
        self.setAccessibleName(title)
        self.setAccessibleDescription(subtitle)
        plot.setAccessibleName(title)
        plot.setAccessibleDescription(subtitle)
        self._plot, self.legend, self.choice = plot, legend, choice
        self._about, self._latest = subtitle, ""
        self.title = PlainLabel(title)
        set_tip(self.title, subtitle)
        self.title.setObjectName("plot_title")
        self.subtitle = _Subtitle(subtitle)
        self.readout = _SmallLine(role="plot_readout")
        self.zoom = QToolButton()
        self.zoom.setObjectName("plot_zoom")
        self.zoom.clicked.connect(self.all_steps_requested)
        self._zoom_text = ""
        self.empty = PlainLabel(EMPTY_TEXT)
        self.empty.setObjectName("plot_empty")
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.empty.setWordWrap(True)
        self.stack = QStackedWidget()
        self.stack.addWidget(self.empty)
        self.stack.addWidget(plot)
        self._lay_out()

    def set_subtitle(self, text: str, description: str = "") -> None:
        """Set the subtitle; `description` is a longer text for screen readers and the tool tip."""
        about = description or text
        if (text, about) != (self.subtitle.text(), self._about):
            self.subtitle.setText(text)
            set_tip(self.title, about)
            self._about = about
            self.setAccessibleDescription(about)
            self.describe(self._latest)

    def describe(self, latest: str) -> None:
        """Append the latest values to the plot's description for screen readers."""
        self._latest = latest
        text = self._about
        if latest:
            text = tr("{about}. Latest: {latest}", about=text, latest=latest)
        if text != self._plot.accessibleDescription():
            self._plot.setAccessibleDescription(text)

    def show_empty(self, is_empty: bool) -> None:
        """Show the empty state, or the plot with legend and choice."""
        self.stack.setCurrentIndex(0 if is_empty else 1)
        self._show_header()

    def show_readout(self, text: str) -> None:
        """Show the values at a step in place of the other header parts; empty restores them."""
        if text != self.readout.text():
            self.readout.setText(text)
            self._show_header()

    def show_zoom(self, text: str) -> None:
        """Show the range of visible steps, with a button that shows all; empty if all are
        visible.
        """
        if text != self._zoom_text:
            self._zoom_text = text
            self.zoom.setAccessibleName(f"{self.title.text()}: {text}. {_SHOW_ALL}")
            set_tip(self.zoom, f"{text}. {_SHOW_ALL_STEPS}")
            self._show_header()

    def show_focus(self, has_focus: bool) -> None:
        """Draw a border around the card while its plot has the focus."""
        self.setProperty("focused", has_focus)
        self.style().polish(self)

    def set_compact(self, is_compact: bool) -> None:
        """Put the subtitle beside the title instead of below it."""
        self._is_compact = is_compact
        self.grid.setContentsMargins(*((12, 7, 8, 4) if is_compact else (14, 11, 12, 8)))
        self._show_header()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._show_header()

    def _show_header(self) -> None:
        """Arrange the header. Title, legend and choice share one line if they fit; else legend and
        choice get their own line. Beside or below the title come the values at the cursor, else the
        visible steps, else the subtitle. In compact cards, the values can use the legend's line.
        """
        is_filled = self.stack.currentIndex() == 1
        has_readout, has_zoom = bool(self.readout.text()), is_filled and bool(self._zoom_text)
        margins = self.grid.contentsMargins()
        room = self.width() - margins.left() - margins.right() - _width(self.title) - _APART
        room -= _MIN_PX if self._is_compact and has_zoom else 0
        has_choice_line = room < _width(self.choice)
        has_line = has_choice_line or room < _width(self.choice) + _width(self.legend)
        behind = (0, 1, 1, 1) if self._is_compact else (1, 0, 1, 2)
        self._put(self.subtitle, behind, not has_readout and not has_zoom)
        self._put(self.zoom, behind, has_zoom and not has_readout)
        if self._is_compact:
            self._put(self.readout, (2, 0, 1, 4) if has_line else (0, 1, 1, 3), has_readout)
        else:
            self._put(self.readout, (1, 0, 1, 4), has_readout)
        is_shown = is_filled and not has_readout
        self._put(self.choice, (2, 3, 1, 1) if has_choice_line else (0, 3, 2, 1), is_shown)
        self._put(self.legend, (2, 0, 1, 3) if has_line else (0, 2, 2, 1), is_shown)
        self._fit_zoom(room, has_line=has_line, has_choice_line=has_choice_line)
        self._fix_heights(has_line=has_line, has_choice_line=has_choice_line)

    def _fit_zoom(self, room: int, *, has_line: bool, has_choice_line: bool) -> None:
        room += _MIN_PX if self._is_compact else 0
        if self._is_compact:
            room -= 0 if has_choice_line else _width(self.choice)
            room -= 0 if has_line else _width(self.legend)
        self.zoom.setText(f"{self._zoom_text} · {_SHOW_ALL}")
        if room < _width(self.zoom):
            self.zoom.setText(_SHOW_ALL)

    def _fix_heights(self, *, has_line: bool, has_choice_line: bool) -> None:
        """Fix the heights of the header's rows, so that the plot doesn't move when parts are
        hidden.
        """
        first = [self.title, *([] if has_choice_line else [self.choice])]
        second = [*([self.choice] if has_choice_line else []), *([self.legend] if has_line else [])]
        first += [] if has_line else [self.legend]
        below = 0 if self._is_compact else self.subtitle.sizeHint().height()
        height = max(_height(part) - below for part in first)
        self.grid.setRowMinimumHeight(0, max(height, _height(self.title)))
        air = 2 if self._is_compact else 6
        self.grid.setRowMinimumHeight(2, max([air, *map(_height, second)]))

    def _put(self, part: QWidget | None, place: tuple[int, int, int, int], is_shown: bool) -> None:
        if part is None:
            return
        index = self.grid.indexOf(part)
        if index < 0 or self.grid.getItemPosition(index) != place:
            if index >= 0:
                self.grid.removeWidget(part)
            is_right = part is self.choice or (part is self.legend and place[0] == 0)
            side = Qt.AlignmentFlag.AlignRight if is_right else Qt.AlignmentFlag.AlignLeft
            is_wide = part in (self.subtitle, self.readout)
            middle = Qt.AlignmentFlag.AlignVCenter
            self.grid.addWidget(part, *place, middle if is_wide else side | middle)
        part.setVisible(is_shown)

    def set_theme(self, theme: Theme) -> None:
        """Apply a theme."""
        self.setStyleSheet(
            f"#plot_card {{ background: {theme.surface}; border: 1px solid {theme.border};"
            f" border-radius: 10px; }}"
            f'#plot_card[focused="true"] {{ border-color: {theme.accent}; }}'
            f"#plot_title {{ color: {theme.text}; font-size: {TITLE_PX}px; font-weight: 600; }}"
            f"#plot_empty {{ color: {theme.secondary_text}; font-size: {TITLE_PX}px; }}"
            f"_SmallLine, _Subtitle {{ color: {theme.secondary_text}; font-size: {SMALL_PX}px; }}"
            f"#plot_readout {{ color: {theme.text}; }}"
            f"#plot_zoom {{ color: {theme.accent}; background: transparent; padding: 0 2px;"
            f" border: 1px solid transparent; border-radius: 4px; font-size: {SMALL_PX}px; }}"
            f"#plot_zoom:hover {{ color: {theme.text}; }}"
            f"#plot_zoom:focus {{ border-color: {theme.accent}; }}"
        )

    def _lay_out(self) -> None:
        self.grid = QGridLayout(self)
        self.grid.setHorizontalSpacing(_APART)
        self.grid.setVerticalSpacing(0)
        self.grid.setColumnStretch(1, 1)
        self.grid.setRowStretch(3, 1)
        self.grid.addWidget(self.title, 0, 0)
        self.grid.addWidget(self.stack, 3, 0, 1, 4)
        for part in (self.legend, self.choice, self.zoom, self.readout):
            if part is not None:
                part.setParent(self)
        self.set_compact(False)


def _width(part: QWidget | None) -> int:
    """A part's width with the gap before it."""
    return part.sizeHint().width() + _APART if part is not None else 0


def _height(part: QWidget | None) -> int:
    return part.sizeHint().height() if part is not None else 0
