"""The widgets every card is built of: labels in their roles, cards, rules, rows, buttons, tabs, and
a heading that folds what is below it away.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import TypeVar

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QBoxLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLayout,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QTabBar,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.ui.look import icons
from app.ui.look.plain_text import PlainLabel, set_caption, set_tip
from app.ui.look.theme import Theme
from app.ui.system.stored_preferences import Preferences

Layout = TypeVar("Layout", bound=QBoxLayout)

GRID_PX = 8
"""Every distance is a multiple or a half of this."""
_EMPTY_WORDS_PX = 420
LEAST_WRAPPED_PX = 80
"""A wrapped text that may hold a long word, a path perhaps, does not get wider for it."""


class ElidedLabel(PlainLabel):
    """One line that ends in "…" instead of being clipped; its tooltip tells all."""

    def __init__(
        self, text: str = "", role: str = "", side: Qt.TextElideMode = Qt.TextElideMode.ElideRight
    ) -> None:
        super().__init__(text)
        self._side = side
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
        shown = self.fontMetrics().elidedText(self.text(), self._side, self.width())
        painter.drawText(self.rect(), self.alignment(), shown)


def label(text: str = "", role: str = "", *, wraps: bool = False) -> QLabel:
    """A text in one of the style sheet's roles: title, heading, secondary, caption, problem …"""
    made = PlainLabel(text)
    made.setObjectName(role)
    made.setWordWrap(wraps)
    return made


def message(role: str) -> QLabel:
    """A wrapped text that is only there when it has something to say."""
    made = label("", role, wraps=True)
    made.setMinimumWidth(LEAST_WRAPPED_PX)
    made.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    made.hide()
    return made


def say(shown: QLabel, text: str) -> None:
    """Show `text`, or nothing at all if there is none."""
    shown.setText(text)
    shown.setVisible(bool(text))


class PushButton(QPushButton):
    """As on a Mac a click leaves no mark of the keyboard; what had it before is left all the same,
    so that a field takes what was written."""

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        super().mouseReleaseEvent(event)
        self.clearFocus()


def push_button(text: str, role: str = "") -> QPushButton:
    made = PushButton()
    set_caption(made, text)
    made.setObjectName(role)
    made.setAutoDefault(False)
    return made


def button(text: str, clicked: Callable[[], None], role: str = "") -> QPushButton:
    made = push_button(text, role)
    made.clicked.connect(lambda: clicked())
    return made


def card(heading: str = "", role: str = "card") -> tuple[QFrame, QVBoxLayout]:
    """A rounded surface and the layout inside it."""
    frame = QFrame()
    frame.setObjectName(role)
    inside = QVBoxLayout(frame)
    inside.setContentsMargins(2 * GRID_PX, 12, 2 * GRID_PX, 14)
    inside.setSpacing(GRID_PX)
    if heading:
        inside.addWidget(label(heading, "heading"))
    return frame, inside


def rule() -> QFrame:
    made = QFrame()
    made.setObjectName("rule")
    return made


def selectable(made: QLabel) -> QLabel:
    """Names too: Qt sets a text that can be selected a pixel higher than one that can't."""
    made.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return made


def row(*items: QWidget | int | None, spacing: int = GRID_PX) -> QHBoxLayout:
    """Widgets side by side; an int is a gap in pixels, None takes what is left."""
    made = QHBoxLayout()
    return fill(made, *items, spacing=spacing)


def column(*items: QWidget | int | None, spacing: int = GRID_PX) -> QVBoxLayout:
    return fill(QVBoxLayout(), *items, spacing=spacing)


def fill(made: Layout, *items: QWidget | int | None, spacing: int) -> Layout:
    made.setContentsMargins(0, 0, 0, 0)
    made.setSpacing(spacing)
    for item in items:
        if item is None:
            made.addStretch(1)
        elif isinstance(item, int):
            made.addSpacing(item)
        else:
            made.addWidget(item, 1 if isinstance(item, ElidedLabel) else 0)
    return made


def order_as_read(part: QWidget) -> None:
    """Has the Tab key go through a part in the order of its layouts, whichever was made first."""
    for before, after in pairwise(_as_read(part)):
        QWidget.setTabOrder(before, after)


def _as_read(part: QWidget) -> Iterator[QWidget]:
    if part.focusPolicy() & Qt.FocusPolicy.TabFocus:
        yield part
    if isinstance(part, QScrollArea) and (content := part.widget()) is not None:
        yield from _as_read(content)
    elif (layout := part.layout()) is not None:
        yield from _in_layout(layout)


def _in_layout(layout: QLayout) -> Iterator[QWidget]:
    for index in range(layout.count()):
        item = layout.itemAt(index)
        if item is not None and (part := item.widget()) is not None:
            yield from _as_read(part)
        elif item is not None and (inner := item.layout()) is not None:
            yield from _in_layout(inner)


def empty_page(title: str, words: str, *controls: QWidget) -> QWidget:
    """What a page without content says in its middle, and what can be done about it."""
    empty, sentence = QWidget(), label(words, "secondary", wraps=True)
    heading = label(title, "title")
    sentence.setMaximumWidth(_EMPTY_WORDS_PX)
    for text in (heading, sentence):
        text.setAlignment(Qt.AlignmentFlag.AlignCenter)
    centred = row(None, sentence, None)
    centred.setStretch(1, 100)
    whole = column(None, heading, spacing=GRID_PX)
    whole.addLayout(centred)
    if controls:
        whole.addSpacing(GRID_PX)
        whole.addLayout(row(None, *controls, None))
    whole.addStretch(2)
    empty.setLayout(whole)
    return empty


def enable(widget: QWidget, is_on: bool) -> None:
    """Enable or disable; the keyboard's focus leaves what is disabled and marks nothing else."""
    focused = widget.window().focusWidget()
    if not is_on and focused is not None and (focused is widget or widget.isAncestorOf(focused)):
        focused.clearFocus()
    widget.setEnabled(is_on)


def allow(control: QWidget, why_not: str, does: str = "") -> None:
    """Enable a control, with a tooltip of what it does, or disable it with the reason in one."""
    enable(control, not why_not)
    set_tip(control, why_not or does, is_wrapped=bool(why_not))


def restyle(widget: QWidget, name: str, value: object) -> None:
    """Set a property that the style sheet asks for, and have the widget drawn accordingly."""
    if widget.property(name) != value:
        widget.setProperty(name, value)
        widget.style().unpolish(widget)
        widget.style().polish(widget)


def leave_focus(part: QWidget) -> None:
    """Nothing in `part` has the keyboard; Qt would hand it to whatever comes into sight there."""
    focused = part.window().focusWidget()
    if focused is not None and (focused is part or part.isAncestorOf(focused)):
        focused.clearFocus()


def scrolling(content: QWidget) -> QScrollArea:
    """A frameless area that scrolls up and down only; its bar keeps its place when not needed."""
    area = QScrollArea()
    area.setObjectName("column")
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setWidgetResizable(True)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    area.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)
    bar = area.verticalScrollBar()
    bar.rangeChanged.connect(lambda low, high: bar.setEnabled(high > low))
    bar.setEnabled(False)  # until there is something to scroll
    area.setWidget(content)
    return area


class TabRow(QTabBar):
    """Arrow keys turn from tab to tab, as in every tab bar."""

    def __init__(self, titles: Iterable[str], name: str) -> None:
        super().__init__()
        self.setObjectName("tabs")
        self.setAccessibleName(name)
        self.setDrawBase(False)
        self.setExpanding(False)
        self.setUsesScrollButtons(False)
        for title in titles:
            self.addTab(title)


class Disclosure(QWidget):
    """Remembers under `key` whether it was open."""

    def __init__(self, heading: str, content: QWidget, settings: Preferences, key: str) -> None:
        super().__init__()
        self._content, self._settings, self._key = content, settings, f"open/{key}"
        self._color = "#808080"
        self.toggle = QToolButton()
        self.toggle.setObjectName("disclosure")
        self.toggle.setText(heading)
        self.toggle.setAccessibleName(heading)
        self.toggle.setCheckable(True)
        self.toggle.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.toggle.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.toggle.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GRID_PX)
        layout.addWidget(self.toggle)
        layout.addWidget(content)
        self.toggle.toggled.connect(self._show)
        was_open = settings.flag(self._key)
        self.toggle.setChecked(bool(was_open))
        self._show(bool(was_open))

    def set_theme(self, theme: Theme) -> None:
        self._color = theme.secondary_text
        self._draw_arrow()

    def _show(self, is_open: bool) -> None:
        self._content.setVisible(is_open)
        self._settings.set(self._key, is_open)
        self._draw_arrow()

    def _draw_arrow(self) -> None:
        name = "open" if self.toggle.isChecked() else "closed"
        self.toggle.setIcon(icons.icon(name, self._color, 16))
