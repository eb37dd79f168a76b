"""The widgets every card is built of: labels in their roles, cards, rules, buttons, tabs, and a
heading that folds what is below it away.
"""

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
"""A wrapped text that may hold a long word, a path perhaps, does not get wider for it."""


def label(text: str = "", role: str = "", *, wraps: bool = False) -> QLabel:
    """A text in one of the style sheet's roles: title, heading, secondary, caption, problem …"""
    made = PlainLabel(text)
    made.setObjectName(role)
    made.setWordWrap(wraps)
    return made


def message(role: str) -> QLabel:
    """A wrapped text that is only there when it has something to say."""
    made = label("", role, wraps=True)
    made.setMinimumWidth(MIN_WRAPPED_PX)
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

    def __init__(self, text: str = "") -> None:
        super().__init__(text)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """First: a button that its click hides would hand the keyboard to the next part."""
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
    """A rounded surface; what it shows is added to the layout `inside`."""

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
    """Names too: Qt sets a text that can be selected a pixel higher than one that can't."""
    made.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return made


def empty_page(title: str, words: str, *controls: QWidget) -> QWidget:
    """What a page without content says in its middle, and what can be done about it."""
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
        rest_focus(focused)


def rest_focus(focused: QWidget) -> None:
    """The keyboard goes to the window's center, where nothing is marked: where nothing had it, Qt
    would mark the first part as soon as the window is active again."""
    window = focused.window()
    center = window.centralWidget() if isinstance(window, QMainWindow) else None
    if window.focusWidget() is focused:
        focused.clearFocus() if center is None else center.setFocus()


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
