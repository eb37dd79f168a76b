"""The commands of the Models page: lists models, saves folders, chooses a model for a run. Also the
menu of the model card's Choose button.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import time
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QPoint, Signal, Slot
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QFileDialog, QMenu, QWidget

from app.core.errors import Failure
from app.core.files.paths import starter_model_dir
from app.core.text.sanitize import single_line
from app.core.text.translation import tr
from app.core.wording.display_names import model_name
from app.models.model_formatting import context_text, parameters_text
from app.ui.look import formatting
from app.ui.models.models_page import ModelsPage
from app.ui.state.app_state import AppState
from app.ui.widgets.notice_bar import Notice
from app.workers.background_thread import BackgroundThread
from app.workers.tasks import models

if TYPE_CHECKING:
    from app.models.model_description import ModelDescription
    from app.workers.tasks.models import ListedModels


READING_S = 0.5
"""The time for reading new models before the list is updated again."""


class ModelsCommands(QObject):
    facts_changed = Signal(str)
    """Argument: the facts about the next run's base model in one line; empty if unknown."""

    def __init__(
        self,
        state: AppState,
        page: ModelsPage,
        background: BackgroundThread,
        notice: Notice,
        window: QWidget,
    ) -> None:
        super().__init__(window)
        self._state, self._page, self._background = state, page, background
        self._notice, self._window = notice, window
        self._models: tuple[ModelDescription, ...] = ()
        self._facts = ""
        self._is_listing, self._is_asked_again = False, False
        self._wanted: Path | None = None
        page.came_into_sight.connect(self.refresh)
        page.choose_requested.connect(self.choose_folder)
        page.folders_dropped.connect(self.add_folders)
        page.list.forget_requested.connect(self.forget)
        state.config_changed.connect(self._emit_facts)

    @Slot()
    def refresh(self) -> None:
        """Look for models again: list their names at once, then read new ones."""
        if self._is_listing:
            self._is_asked_again = True
            return
        self._list(reading_seconds=0.0)

    @Slot()
    def choose_folder(self) -> None:
        dialog = QFileDialog(self._window, tr("Choose a model's folder, or a folder of models"))
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.setOption(QFileDialog.Option.ShowDirsOnly)
        dialog.fileSelected.connect(lambda chosen: self.add_folders((Path(chosen),)))
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    @Slot(object)
    def add_folders(self, folders: tuple[Path, ...]) -> None:
        """Save these folders as places with models, and select the first model that is found."""

        def done(_: object) -> None:
            self._wanted = folders[0]
            self.refresh()

        self._background.run(
            partial(models.remember_folders, folders), done, self._fail, run_on_quit=True
        )

    @Slot(object)
    def forget(self, folder: Path) -> None:
        """Remove a folder from the saved ones; its files are kept."""

        def done(_: object) -> None:
            self._notice.tell(
                tr(
                    "Removed {model} from the list. Its files stay where they are.",
                    model=folder.name,
                ),
                tr("Undo"), lambda: self.add_folders((folder,)),
            )  # fmt: skip
            self.refresh()

        self._background.run(
            partial(models.forget_folder, folder), done, self._fail, run_on_quit=True
        )

    @Slot()
    def note_used(self) -> None:
        """Record that the next run's base model was chosen, on this page or elsewhere."""
        model = self._state.config.model
        if model != starter_model_dir():
            self._background.run(
                partial(models.note_used, model, time()),
                lambda _: self.refresh(),
                self._fail_quietly,
                run_on_quit=True,
            )

    def _list(self, reading_seconds: float) -> None:
        self._is_listing, self._is_asked_again = True, False
        self._background.run(partial(models.list_models, reading_seconds), self._take, self._fail)

    def _take(self, listed: "ListedModels") -> None:
        self._is_listing = False
        if (memory := self._state.memory) is not None:
            listed = replace(listed, available_bytes=memory.available_bytes)  # MLX's own value
        self._models = listed.models
        self._emit_facts()
        self._page.show_models(listed)
        self._select_wanted(listed)
        if self._is_asked_again or not listed.is_whole:
            self._list(READING_S)

    def _select_wanted(self, listed: "ListedModels") -> None:
        if (wanted := self._wanted) is None:
            return
        found = [model for model in listed.models if wanted in (model.folder, model.chosen)]
        if not found and self._is_asked_again:
            return  # this listing may have started before the folder was added
        self._wanted = None
        if found:
            self._page.select(found[0].folder)
        else:
            self._notice.tell(
                tr("{folder} is already in the list or contains no model.", folder=wanted)
            )

    @Slot()
    def _emit_facts(self) -> None:
        chosen = self._state.config.model
        facts = next((_facts_line(m) for m in self._models if m.folder == chosen), "")
        if facts != self._facts:
            self._facts = facts
            self.facts_changed.emit(facts)

    def _fail(self, failure: Failure) -> None:
        self._is_listing = False
        self._notice.tell_failure(failure)

    def _fail_quietly(self, _: Failure) -> None:
        """Only the order of the list depends on it, so errors are ignored."""


def _facts_line(model: "ModelDescription") -> str:
    """For example "1.24 B · 4-bit · 695 MB · 128K context"."""
    facts = [
        parameters_text(model.parameters) if model.parameters else "",
        model.quantization,
        formatting.size(model.size_bytes),
        tr("{context} context", context=context_text(model.context_tokens))
        if model.context_tokens
        else "",
    ]
    return " · ".join(filter(None, facts)) if model.is_read else ""


MAX_OFFERED = 8
_MAX_CHARACTERS = 60


class ModelMenu(QObject):
    """A menu of base models, which opens below `anchor`."""

    use_requested = Signal(object)
    """Argument: the path of a model's folder."""
    page_requested = Signal()
    folder_requested = Signal()

    def __init__(self, state: AppState, page: ModelsPage, anchor: QWidget) -> None:
        super().__init__(anchor)
        self._state, self._page, self._anchor = state, page, anchor

    @Slot()
    def open(self) -> None:
        menu = self.menu()
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(self._anchor.mapToGlobal(QPoint(0, self._anchor.height())))

    def menu(self) -> QMenu:
        menu = QMenu(self._anchor)
        for name, folder in self._offered():
            shown = single_line(name, _MAX_CHARACTERS).replace("&", "&&")
            action = self._item(menu, shown, partial(self.use_requested.emit, folder))
            action.setCheckable(True)
            action.setChecked(folder == self._state.config.model)
        menu.addSeparator()
        self._item(menu, tr("All Models…"), self.page_requested.emit)
        self._item(menu, tr("Choose Folder…"), self.folder_requested.emit)
        return menu

    def _offered(self) -> list[tuple[str, Path]]:
        models = [m for m in self._page.list.models.all_models if m.is_read and not m.problem]
        known = [(model.name, model.folder) for model in models[:MAX_OFFERED]]
        return [(model_name(starter_model_dir()), starter_model_dir()), *known]

    def _item(self, menu: QMenu, text: str, does: Callable[[], None]) -> QAction:
        action = QAction(text, menu)
        action.triggered.connect(lambda: does())
        menu.addAction(action)
        return action
