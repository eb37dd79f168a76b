"""Basic widgets of all cards: labels, cards, rules, buttons, tabs, and collapsible sections."""

from collections.abc import Callable, Iterable

from PySide6.QtCore import Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import (
    QFrame,
    QLabel,
    QMainWindow,
    QPushButton,
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
from app.ui.widgets.layouts import GRID_PX, column, fill, grows, lay_out, row

_EMPTY_WORDS_PX = 420
MIN_WRAPPED_PX = 80
"""The minimum width of wrapped text: a long word, such as a path, doesn't widen it."""


def label(text: str = "", role: str = "", *, wraps: bool = False) -> QLabel:
    """A label with one of the style sheet's roles: title, heading, secondary, caption, problem …"""
    made = PlainLabel(text)
    made.setObjectName(role)
    made.setWordWrap(wraps)
    return made


def message(role: str) -> QLabel:
    """A wrapped label that is hidden while it is empty."""
    made = label("", role, wraps=True)
    made.setMinimumWidth(MIN_WRAPPED_PX)
    made.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    made.hide()
    return made


def say(shown: QLabel, text: str) -> None:
    """Set the label's text, and hide the label if the text is empty."""
    shown.setText(text)
    shown.setVisible(bool(text))


class PushButton(QPushButton):
    """A push button that doesn't keep the focus after a click, as on a Mac. The focused widget
    loses the focus, so that an input field commits its text.
    """

    def __init__(self, text: str = "") -> None:
        super().__init__(text)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Clear the focus first: if the click hides this button, Qt would give the focus to the
        next widget.
        """
        if (focused := self.window().focusWidget()) is not None:
            rest_focus(focused)
        super().mousePressEvent(event)


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


class CardFrame(QFrame):
    """A rounded surface; content goes into the layout `inside`."""

    def __init__(self, heading: str = "", role: str = "card") -> None:
        super().__init__()
        self.setObjectName(role)
        self.inside = QVBoxLayout(self)
        self.inside.setContentsMargins(2 * GRID_PX, 12, 2 * GRID_PX, 14)
        self.inside.setSpacing(GRID_PX)
        if heading:
            self.inside.addWidget(label(heading, "heading"))


def rule() -> QFrame:
    made = QFrame()
    made.setObjectName("rule")
    return made


def selectable(made: QLabel) -> QLabel:
    """Make a label's text selectable. Use it for all labels of a row, because Qt draws selectable
    text one pixel higher.
    """
    made.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return made


def empty_page(title: str, words: str, *controls: QWidget) -> QWidget:
    """A page without content: a title, an explanation and controls in its center."""
    empty, sentence = QWidget(), label(words, "secondary", wraps=True)
    heading = label(title, "title")
    sentence.setMaximumWidth(_EMPTY_WORDS_PX)
    for text in (heading, sentence):
        text.setAlignment(Qt.AlignmentFlag.AlignCenter)
    whole = column(None, heading, row(None, grows(sentence, 100), None))
    if controls:
        fill(whole, GRID_PX, row(None, *controls, None))
    whole.addStretch(2)
    empty.setLayout(whole)
    return empty


def enable(widget: QWidget, is_on: bool) -> None:
    """Enable or disable a widget. A widget that is disabled loses the focus, and no other
    gets it.
    """
    focused = widget.window().focusWidget()
    if not is_on and focused is not None and (focused is widget or widget.isAncestorOf(focused)):
        focused.clearFocus()
    widget.setEnabled(is_on)


def allow(control: QWidget, why_not: str, does: str = "") -> None:
    """Enable a control with the tool tip `does`, or disable it with the reason as its tool tip."""
    enable(control, not why_not)
    set_tip(control, why_not or does, is_wrapped=bool(why_not))


def restyle(widget: QWidget, name: str, value: object) -> None:
    """Set a property that the style sheet uses, and update the widget's style."""
    if widget.property(name) != value:
        widget.setProperty(name, value)
        widget.style().unpolish(widget)
        widget.style().polish(widget)


def leave_focus(part: QWidget) -> None:
    """Remove the focus from `part` and its children. Qt would move it to the next visible
    widget.
    """
    focused = part.window().focusWidget()
    if focused is not None and (focused is part or part.isAncestorOf(focused)):
        rest_focus(focused)


def rest_focus(focused: QWidget) -> None:
    """Move the focus to the window's central widget, which shows no focus mark. If nothing had the
    focus, Qt would focus the first widget when the window is activated.
    """
    window = focused.window()
    center = window.centralWidget() if isinstance(window, QMainWindow) else None
    if window.focusWidget() is focused:
        focused.clearFocus() if center is None else center.setFocus()


class TabRow(QTabBar):
    """A row of tabs; the arrow keys change the tab."""

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
    """A heading that shows or hides `content`. Stores under `key` whether it is open."""

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
        lay_out(self, self.toggle, content)
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
