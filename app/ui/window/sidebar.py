"""The sidebar with the app's pages; shows only icons in a narrow window."""

from collections.abc import Sequence

from PySide6.QtCore import QRect, QSize, Qt, Signal
from PySide6.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QButtonGroup, QFrame

from app.ui.look import formatting, icons
from app.ui.look.plain_text import set_tip
from app.ui.look.radio_segment import RadioSegment
from app.ui.look.theme import LIGHT, Theme
from app.ui.state.window_pages import Place
from app.ui.widgets.basic_widgets import rest_focus
from app.ui.widgets.layouts import GRID_PX, lay_out

WIDE_PX, NARROW_PX = 168, 56
BAR_PX, BAR_INSET_PX = 3, 10


class PlaceButton(RadioSegment):
    """The button of a page, with a progress bar if work is in progress there."""

    def __init__(self, place: Place) -> None:
        super().__init__(place.title)
        self._place, self._theme = place, LIGHT
        self._is_wide = True
        self.progress: float | None = None
        self.setObjectName("place")
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setIconSize(QSize(18, 18))
        self.show_progress(None)

    def show_progress(self, share: float | None) -> None:
        self.progress = share
        suffix = "" if share is None else f", {formatting.percent(share)}"
        self.setAccessibleName(f"{self._place.title}{suffix}")
        self.update()

    def show_wide(self, is_wide: bool) -> None:
        self._is_wide = is_wide
        self.setText(f" {self._place.title}" if is_wide else "")
        set_tip(self, "" if is_wide else self._place.title)

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.setIcon(icons.icon(self._place.icon, theme.text))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """A click removes the focus mark of another button."""
        focused = self.window().focusWidget()
        if isinstance(focused, PlaceButton):
            rest_focus(focused)
        super().mousePressEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if self.progress is None:
            return
        painter, theme = QPainter(self), self._theme
        width = self.width() - 2 * BAR_INSET_PX
        whole = QRect(BAR_INSET_PX, self.height() - BAR_PX - 1, width, BAR_PX)
        painter.fillRect(whole, QColor(theme.border))
        done = QRect(whole)
        done.setWidth(round(width * self.progress))
        painter.fillRect(done, QColor(theme.accent))
        if self._is_wide:
            painter.setPen(QColor(theme.secondary_text))
            right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
            at = self.rect().adjusted(0, 0, -BAR_INSET_PX, 0)
            painter.drawText(at, right, formatting.percent(self.progress))


class Sidebar(QFrame):
    place_chosen = Signal(object)
    """Argument: Place."""
    shown_place_clicked = Signal(object)
    """Argument: the Place that was already shown."""

    def __init__(self, places: Sequence[Place]) -> None:
        super().__init__()
        self.setObjectName("sidebar")
        self._group = QButtonGroup(self)
        self._was_shown = False
        """Whether the pressed place was already shown before."""
        self.places = {place: PlaceButton(place) for place in places}
        margins_px = (GRID_PX, 2 * GRID_PX, GRID_PX, GRID_PX)
        lay_out(self, *self.places.values(), None, spacing=4, margins_px=margins_px)
        for place, made in self.places.items():
            self._group.addButton(made)
            made.toggled.connect(lambda is_on, place=place: self._emit_chosen(place, is_on))
            made.pressed.connect(lambda made=made: self._note_press(made))
            made.clicked.connect(lambda _=False, place=place: self._emit_clicked(place))
        self.places[places[0]].setChecked(True)
        self.show_wide(True)

    def choose(self, place: Place) -> None:
        focused = self.window().focusWidget()
        if isinstance(focused, PlaceButton) and focused is not self.places[place]:
            rest_focus(focused)
        self.places[place].setChecked(True)

    def show_progress(self, place: Place, share: float | None) -> None:
        self.places[place].show_progress(share)

    def show_wide(self, is_wide: bool) -> None:
        self.setFixedWidth(WIDE_PX if is_wide else NARROW_PX)
        for made in self.places.values():
            made.show_wide(is_wide)

    def set_theme(self, theme: Theme) -> None:
        for made in self.places.values():
            made.set_theme(theme)

    def _note_press(self, pressed: PlaceButton) -> None:
        self._was_shown = pressed.isChecked()

    def _emit_clicked(self, place: Place) -> None:
        if self._was_shown:
            self.shown_place_clicked.emit(place)

    def _emit_chosen(self, place: Place, is_chosen: bool) -> None:
        if is_chosen:
            self.place_chosen.emit(place)
