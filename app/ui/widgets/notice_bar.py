"""A notice that floats over the pages and can be dismissed."""

from collections.abc import Callable

from PySide6.QtCore import QEvent, QObject, QRect, QTimer, Slot
from PySide6.QtGui import QAccessible, QAccessibleEvent, QCursor, QEnterEvent
from PySide6.QtWidgets import (
    QCheckBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QToolButton,
    QWidget,
)

from app.core.errors import Failure
from app.core.text.sanitize import single_line
from app.core.text.sentences import localized
from app.core.text.translation import tr
from app.ui.look import icons
from app.ui.look.plain_text import PlainLabel, set_tip
from app.ui.look.theme import LIGHT, Theme
from app.ui.widgets.basic_widgets import MIN_WRAPPED_PX, button, label, restyle
from app.ui.widgets.layouts import GRID_PX

MAX_WORDS = 600
MAX_IN_TIP = 4000
WIDTH_PX, MARGIN_PX = 560, 2 * GRID_PX
CONFIRMED_FOR_MS = 8000
"""How long a confirmation is shown. Problems stay until they are dismissed."""


class Notice(QFrame):
    """An overlay that moves no other widget. It appears at the bottom, or at the top if the pointer
    is there.
    """

    def __init__(self, over: QWidget) -> None:
        super().__init__(over)
        self.setObjectName("notice")
        self._over, self._theme = over, LIGHT
        self._is_lasting = self.is_problem = False
        self._is_on_top = False
        self._act: Callable[[], None] | None = None
        self._act_further: Callable[[], None] | None = None
        self.glyph: QLabel = PlainLabel()
        self.text = label("", "", wraps=True)
        self.text.setMinimumWidth(MIN_WRAPPED_PX)
        self.further = button("", self._do_further)
        self.action = button("", self._do)
        for offered in (self.action, self.further):
            offered.setAccessibleName(tr("Do what the notice offers"))
        self.dismiss = QToolButton()
        self.dismiss.setAccessibleName(tr("Dismiss this notice"))
        set_tip(self.dismiss, tr("Dismiss"))
        self.dismiss.clicked.connect(self.hide)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(2 * GRID_PX, GRID_PX, GRID_PX, GRID_PX)
        layout.addWidget(self.glyph)
        layout.addWidget(self.text, 1)
        layout.addWidget(self.further)
        layout.addWidget(self.action)
        layout.addWidget(self.dismiss)
        self._timer = QTimer(self, interval=CONFIRMED_FOR_MS, singleShot=True)
        self._timer.timeout.connect(self.hide)
        self._following = QTimer(self, interval=0, singleShot=True)
        self._following.timeout.connect(self._follow_buttons)
        over.installEventFilter(self)
        self.hide()

    def tell(
        self,
        text: str,
        action: str = "",
        act: Callable[[], None] | None = None,
        *,
        further: tuple[str, Callable[[], None]] | None = None,
        is_lasting: bool = False,
    ) -> None:
        """Show a sentence with an optional button; `further` adds a second one.

        A lasting notice stays until it is dismissed or replaced.
        """
        self._show(text, action, act, further, is_lasting=is_lasting, is_problem=False)

    def tell_problem(
        self,
        text: str,
        action: str = "",
        act: Callable[[], None] | None = None,
        *,
        is_lasting: bool = False,
    ) -> None:
        """Show a problem, which stays until it is dismissed or replaced."""
        self._show(text, action, act, None, is_lasting=is_lasting, is_problem=True)

    @Slot(object)
    def tell_failure(self, failure: Failure) -> None:
        self.tell_problem(localized(str(failure)))

    def _show(
        self,
        text: str,
        action: str,
        act: Callable[[], None] | None,
        further: tuple[str, Callable[[], None]] | None,
        *,
        is_lasting: bool,
        is_problem: bool,
    ) -> None:
        self._is_lasting, self.is_problem, self._act = is_lasting, is_problem, act
        sentence = single_line(text, MAX_WORDS)
        self.text.setText(sentence)
        is_cut = sentence != single_line(text, MAX_IN_TIP)
        set_tip(self.text, single_line(text, MAX_IN_TIP) if is_cut else "", is_wrapped=True)
        self.setAccessibleName(sentence)
        self.action.setText(action)
        self.action.setAccessibleName(action or tr("Do what the notice offers"))
        self.action.setVisible(act is not None)
        caption, self._act_further = further or ("", None)
        self.further.setText(caption)
        self.further.setAccessibleName(caption or tr("Do what the notice offers"))
        self.further.setVisible(further is not None)
        restyle(self, "tone", "danger" if is_problem else "")
        self.glyph.setVisible(is_problem)
        self._is_on_top = False
        self._is_on_top = self._rect().contains(self._over.mapFromGlobal(QCursor.pos()))
        self._place()
        self.show()
        self.raise_()
        QAccessible.updateAccessibility(QAccessibleEvent(self, QAccessible.Event.Alert))
        if is_problem or is_lasting:
            self._timer.stop()
        else:
            self._timer.start()

    @Slot()
    def leave(self) -> None:
        """Hide the notice because it is out of date, unless it is a lasting one."""
        if not self._is_lasting:
            self.hide()

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.dismiss.setIcon(icons.icon("remove", theme.secondary_text, 14))
        self.glyph.setPixmap(icons.glyph("warning", theme.danger, 18))

    def _do(self) -> None:
        self.hide()
        if self._act is not None:
            self._act()

    def _do_further(self) -> None:
        self.hide()
        if self._act_further is not None:
            self._act_further()

    # -- position -----------------------------------------------------------------------------
    def _rect(self) -> QRect:
        room = self._over.width() - 2 * MARGIN_PX
        width = min(WIDTH_PX, room)
        self.setFixedWidth(width)
        self.ensurePolished()
        layout = self.layout()
        height = layout.totalHeightForWidth(width) if layout is not None else 0
        left, bottom = (self._over.width() - width) // 2, self._over.height() - MARGIN_PX
        rect = QRect(left, bottom - height, width, height)
        if self._is_on_top:
            rect.moveTop(MARGIN_PX)
            return rect
        return self._above_buttons(rect)

    def _above_buttons(self, rect: QRect) -> QRect:
        """Move the notice above buttons that it would cover, but not out of the lower half."""
        found, higher = _shown_buttons(self._over, self), QRect(rect)
        while covered := [one for one in found if one.intersects(higher)]:
            higher.moveBottom(min(one.top() for one in covered) - GRID_PX)
        return higher if higher.center().y() > self._over.height() // 2 else rect

    @Slot()
    def _place(self) -> None:
        self.setGeometry(self._rect())

    @Slot()
    def _follow_buttons(self) -> None:
        if self.isVisible() and not self.underMouse():
            self._place()

    def eventFilter(self, _over: QObject, event: QEvent) -> bool:
        if not self.isHidden():
            if event.type() is QEvent.Type.Resize:
                self._place()
            elif event.type() is QEvent.Type.LayoutRequest:
                self._following.start()  # after the page's layout
        return False

    def enterEvent(self, event: QEnterEvent) -> None:
        super().enterEvent(event)
        self._timer.stop()

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        if not (self.is_problem or self._is_lasting):
            self._timer.start()


def _shown_buttons(page: QWidget, apart_from: QWidget) -> list[QRect]:
    """The visible rectangles of buttons and check boxes, in coordinates of `page`."""
    found = []
    for one in (*page.findChildren(QPushButton), *page.findChildren(QCheckBox)):
        if one.isVisible() and not apart_from.isAncestorOf(one):
            seen = one.visibleRegion().boundingRect()
            found.append(QRect(one.mapTo(page, seen.topLeft()), seen.size()))
    return [rect for rect in found if not rect.isEmpty()]
