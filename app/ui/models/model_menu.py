"""What the base model's Choose… offers: known models, recent ones first, or a folder."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, QPoint, Signal, Slot
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu, QWidget

from app.core.text.sanitize import single_line
from app.core.text.translation import tr
from app.ui.models.models_page import ModelsPage
from app.ui.state.app_state import AppState

MOST_OFFERED = 8
_MOST_CHARACTERS = 60


class ModelMenu(QObject):
    """Opens below `anchor`; where no model is known, a folder is asked for at once."""

    use_requested = Signal(object)
    """Path of a model's folder."""
    page_requested = Signal()
    folder_requested = Signal()

    def __init__(self, state: AppState, page: ModelsPage, anchor: QWidget) -> None:
        super().__init__(anchor)
        self._state, self._page, self._anchor = state, page, anchor

    @Slot()
    def open(self) -> None:
        if not self._offered():
            self.folder_requested.emit()
            return
        menu = self.menu()
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(self._anchor.mapToGlobal(QPoint(0, self._anchor.height())))

    def menu(self) -> QMenu:
        menu = QMenu(self._anchor)
        for name, folder in self._offered():
            shown = single_line(name, _MOST_CHARACTERS).replace("&", "&&")
            action = self._item(menu, shown, partial(self.use_requested.emit, folder))
            action.setCheckable(True)
            action.setChecked(folder == self._state.config.model)
        menu.addSeparator()
        self._item(menu, tr("All Models…"), self.page_requested.emit)
        self._item(menu, tr("Choose Folder…"), self.folder_requested.emit)
        return menu

    def _offered(self) -> list[tuple[str, Path]]:
        models = [m for m in self._page.list.models.all_models if m.is_read and not m.problem]
        return [(model.name, model.folder) for model in models[:MOST_OFFERED]]

    def _item(self, menu: QMenu, text: str, does: Callable[[], None]) -> QAction:
        action = QAction(text, menu)
        action.triggered.connect(lambda: does())
        menu.addAction(action)
        return action
