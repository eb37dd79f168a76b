"""A heading that folds what is below it away."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QSizePolicy, QToolButton, QVBoxLayout, QWidget

from app.ui.look import icons
from app.ui.look.theme import Theme
from app.ui.system.stored_preferences import Preferences
from app.ui.widgets.building_blocks import GRID_PX


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
