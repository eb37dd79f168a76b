"""The sidebar: the app's places; only their icons where the window is narrow."""

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import QButtonGroup, QFrame, QPushButton, QVBoxLayout

from app.ui import icons
from app.ui.plain_text import set_tip
from app.ui.theme import Theme
from app.ui.widgets.building import GRID_PX

WIDE_PX, NARROW_PX = 168, 56


class Sidebar(QFrame):
    place_chosen = Signal(int)

    def __init__(self, places: dict[str, str]) -> None:
        """`places` maps each place's name to its icon, from top to bottom."""
        super().__init__()
        self.setObjectName("sidebar")
        self._places = places
        self._group = QButtonGroup(self)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(GRID_PX, 2 * GRID_PX, GRID_PX, GRID_PX)
        layout.setSpacing(4)
        for index, name in enumerate(places):
            layout.addWidget(self._place(index, name))
        layout.addStretch(1)
        self._group.idToggled.connect(self._tell)
        self.show_wide(True)

    def _place(self, index: int, name: str) -> QPushButton:
        made = QPushButton(name)
        made.setObjectName("place")
        made.setCheckable(True)
        made.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        made.setChecked(index == 0)
        made.setAccessibleName(name)
        made.setIconSize(QSize(18, 18))
        self._group.addButton(made, index)
        return made

    def choose(self, index: int) -> None:
        self._group.button(index).setChecked(True)

    def show_wide(self, is_wide: bool) -> None:
        self.setFixedWidth(WIDE_PX if is_wide else NARROW_PX)
        for index, name in enumerate(self._places):
            place = self._group.button(index)
            place.setText(f" {name}" if is_wide else "")
            set_tip(place, "" if is_wide else name)

    def set_theme(self, theme: Theme) -> None:
        for index, icon_name in enumerate(self._places.values()):
            self._group.button(index).setIcon(icons.icon(icon_name, theme.text))

    def _tell(self, index: int, is_chosen: bool) -> None:
        if is_chosen:
            self.place_chosen.emit(index)
