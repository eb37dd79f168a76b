"""Opens the guide: its window is made when it is first asked for."""

from PySide6.QtCore import QObject, QUrl
from PySide6.QtWidgets import QWidget

from app.core.guide import read_guide
from app.ui.guide.guide_window import GuideWindow
from app.ui.system import file_manager
from app.ui.system.theme_controller import ThemeController


class Guide(QObject):
    def __init__(self, window: QWidget, appearance: ThemeController) -> None:
        super().__init__(window)
        self._over, self._appearance = window, appearance
        self.window: GuideWindow | None = None

    def show(self) -> None:
        if self.window is None:
            self.window = self._make()
        self.window.show()
        self.window.raise_()
        self.window.activateWindow()

    def find(self) -> bool:
        """Go to the search if the guide is in front; whether it is."""
        if self.window is None or not self.window.isActiveWindow():
            return False
        self.window.focus_search()
        return True

    def _make(self) -> GuideWindow:
        made = GuideWindow(self._over, read_guide())
        if self._appearance.theme is not None:
            made.set_theme(self._appearance.theme)
        self._appearance.theme_changed.connect(made.set_theme)
        made.move(self._over.frameGeometry().center() - made.rect().center())
        made.web_requested.connect(_open_web)
        return made


def _open_web(url: QUrl) -> None:
    file_manager.open_web(url)
