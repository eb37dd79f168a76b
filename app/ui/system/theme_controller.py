"""Applies the light or dark theme to the application: the user's choice or the system's."""

from enum import Enum

from PySide6.QtCore import QObject, Qt, Signal, Slot
from PySide6.QtWidgets import QApplication

from app.ui.look.stylesheet import palette, stylesheet
from app.ui.look.theme import DARK, LIGHT, Theme
from app.ui.system.stored_preferences import Preferences

_KEY = "appearance"


class Look(Enum):
    SYSTEM = "system"
    LIGHT = "light"
    DARK = "dark"


_SCHEMES = {
    Look.SYSTEM: Qt.ColorScheme.Unknown,
    Look.LIGHT: Qt.ColorScheme.Light,
    Look.DARK: Qt.ColorScheme.Dark,
}


class ThemeController(QObject):
    """Follows the system's color scheme if the choice is `system`, and saves the choice.

    Applies nothing before `begin`: widgets that are created under a style sheet are restyled each
    time they get a new parent.
    """

    theme_changed = Signal(object)

    def __init__(self, application: QApplication, settings: Preferences, parent: QObject) -> None:
        super().__init__(parent)
        self._application, self._settings = application, settings
        self.theme: Theme | None = None
        self.look = _remembered(settings)

    def begin(self) -> None:
        """Apply the saved choice; call this after the window was built."""
        self._application.styleHints().colorSchemeChanged.connect(self._apply)
        self.choose(self.look)

    def choose(self, look: Look) -> None:
        self.look = look
        self._settings.set(_KEY, look.value)
        self._application.styleHints().setColorScheme(_SCHEMES[look])
        self._apply()

    @Slot()
    def _apply(self) -> None:
        theme = self._wanted_theme()
        if theme is not self.theme:
            self.theme = theme
            self._application.setPalette(palette(theme))
            self._application.setStyleSheet(stylesheet(theme))
            self.theme_changed.emit(theme)

    def _wanted_theme(self) -> Theme:
        if self.look is not Look.SYSTEM:  # some platforms can't change their color scheme
            return DARK if self.look is Look.DARK else LIGHT
        is_dark = self._application.styleHints().colorScheme() is Qt.ColorScheme.Dark
        return DARK if is_dark else LIGHT


def _remembered(settings: Preferences) -> Look:
    try:
        return Look(settings.text(_KEY))
    except ValueError:
        return Look.SYSTEM
