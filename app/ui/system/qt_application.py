"""The QApplication: its names, font and style, and what the system asks of it."""

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QEvent, QTimer, Signal, Slot
from PySide6.QtGui import QFileOpenEvent, QFontDatabase
from PySide6.QtWidgets import QApplication

from app.ui.look import icons

BODY_PX = 13
"""The body size of macOS, used everywhere so that layouts agree."""


class NestlingApplication(QApplication):
    paths_opened = Signal(object)
    """Files and folders, as a tuple of paths, that were dropped on the Dock icon or opened from
    Finder together. macOS sends the first ones before there is a window: they wait for it."""

    about_to_quit = Signal(object)
    """QEvent of the system that ends the app, from the Dock's menu or to log out; whoever ignores
    it keeps the app open."""

    def __init__(self, argv: list[str]) -> None:
        super().__init__(argv)
        self._waiting: list[Path] = []
        self._is_window_there = False

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QFileOpenEvent) and event.file():
            self._waiting.append(Path(event.file()))
            if self._is_window_there and len(self._waiting) == 1:
                QTimer.singleShot(0, self.hand_over)  # once all events of this moment are in
            return True
        if event.type() == QEvent.Type.Quit:
            self.about_to_quit.emit(event)
            if not event.isAccepted():
                return True
        return super().event(event)

    @Slot()
    def hand_over(self) -> None:
        """The window takes what was opened, now and from now on."""
        self._is_window_there = True
        paths, self._waiting = tuple(self._waiting), []
        if paths:
            self.paths_opened.emit(paths)


def make_application(argv: Sequence[str]) -> NestlingApplication:
    """The QApplication with its names, icon and one widget style on every platform."""
    application = NestlingApplication(list(argv))
    application.setApplicationName("Nestling")
    application.setApplicationDisplayName("Nestling")
    application.setOrganizationName("Nestling")
    application.setWindowIcon(icons.app_icon())
    # The style sheet decides every control's look; Fusion draws it alike on macOS and Linux.
    application.setStyle("Fusion")
    font = QFontDatabase.systemFont(QFontDatabase.SystemFont.GeneralFont)
    font.setPixelSize(BODY_PX)
    application.setFont(font)
    return application
