"""Posts desktop notifications, and removes them when the user returns.

On a Mac, `osascript` posts them, which needs no signed app. Elsewhere the system tray does, or
`notify-send` if the desktop has no tray.
"""

import sys

from PySide6.QtCore import QObject, QProcess, QStandardPaths, Signal
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QSystemTrayIcon

from app.core.text.sanitize import single_line

TOOLS = {"darwin": "osascript", "linux": "notify-send"}
_MAX_CHARACTERS = 240
_SCRIPT = (
    "on run argv",
    "display notification (item 2 of argv) with title (item 1 of argv)",
    "end run",
)
"""The texts are passed as arguments, so they can't be executed."""
_MARKUP = str.maketrans({"<": "‹", ">": "›", "&": "＆"})
"""Replaces the characters of tags and entities, which some Linux desktops interpret and others show
as is.
"""


class Notifications(QObject):
    clicked = Signal()
    """The last notification was clicked; never emitted on a Mac."""

    def __init__(self, parent: QObject, icon: QIcon, platform: str = sys.platform) -> None:
        super().__init__(parent)
        self._icon, self._platform = icon, platform
        self._tray: QSystemTrayIcon | None = None

    def post(self, title: str, text: str) -> None:
        """Post a notification; does nothing on a desktop without notifications."""
        title, text = single_line(title, _MAX_CHARACTERS), single_line(text, _MAX_CHARACTERS)
        if self._platform == "darwin":
            script = [part for line in _SCRIPT for part in ("-e", line)]
            self._run([*script, title, text])
            return
        title, text = title.translate(_MARKUP), text.translate(_MARKUP)
        if QSystemTrayIcon.isSystemTrayAvailable():
            self._show_tray().showMessage(title, text, self._icon)
        else:
            self._run(["--app-name=Nestling", "--", title, text])

    def clear(self) -> None:
        """Hide the tray icon, because the user is back."""
        if self._tray is not None:
            self._tray.hide()

    def _show_tray(self) -> QSystemTrayIcon:
        if self._tray is None:
            self._tray = QSystemTrayIcon(self._icon, self)
            self._tray.messageClicked.connect(self.clicked)
            self._tray.activated.connect(self.clicked)
        self._tray.show()  # only a visible tray icon can post
        return self._tray

    def _run(self, arguments: list[str]) -> None:
        if program := QStandardPaths.findExecutable(TOOLS.get(self._platform, "")):
            QProcess.startDetached(program, arguments)
