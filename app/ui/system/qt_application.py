"""The QApplication: names, font and style, and the system's requests to open files and to quit."""

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QEvent, QTimer, Signal, Slot
from PySide6.QtGui import QFileOpenEvent, QFontDatabase
from PySide6.QtWidgets import QApplication

from app.ui.look import icons

BODY_PX = 13
"""The font size of body text on macOS, used on all platforms so that layouts are the same."""


class NestlingApplication(QApplication):
    paths_opened = Signal(object)
    """Argument: a tuple of the files and folders that were opened together, in Finder or on the
    Dock icon. macOS sends the first ones before there is a window, so they are kept until
    `hand_over`.
    """

    about_to_quit = Signal(object)
    """Argument: the QEvent of a quit request from the Dock's menu or at logout. A receiver that
    ignores it keeps the app open.
    """

    def __init__(self, argv: list[str]) -> None:
        super().__init__(argv)
        self._waiting: list[Path] = []
        self._is_window_there = False

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QFileOpenEvent) and event.file():
            self._waiting.append(Path(event.file()))
            if self._is_window_there and len(self._waiting) == 1:
                QTimer.singleShot(0, self.hand_over)  # after all events of the same drop
            return True
        if event.type() == QEvent.Type.Quit:
            self.about_to_quit.emit(event)
            if not event.isAccepted():
                return True
        return super().event(event)

    @Slot()
    def hand_over(self) -> None:
        """The window is ready: emit the paths opened so far, and later ones as they come."""
        self._is_window_there = True
        paths, self._waiting = tuple(self._waiting), []
        if paths:
            self.paths_opened.emit(paths)


def make_application(argv: Sequence[str]) -> NestlingApplication:
    """The QApplication with its names, icon, and the same widget style on every platform."""
    application = NestlingApplication(list(argv))
    application.setApplicationName("Nestling")
    application.setApplicationDisplayName("Nestling")
    application.setOrganizationName("Nestling")
    application.setWindowIcon(icons.app_icon())
    # The style sheet styles all controls; Fusion draws them alike on macOS and Linux.
    application.setStyle("Fusion")
    font = QFontDatabase.systemFont(QFontDatabase.SystemFont.GeneralFont)
    font.setPixelSize(BODY_PX)
    application.setFont(font)
    return application
