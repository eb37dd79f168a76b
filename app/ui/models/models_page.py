"""The Models page: the list of base models, or recommendations. Only emits signals for the user's
requests.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import (
    QDragEnterEvent,
    QDragLeaveEvent,
    QDropEvent,
    QKeySequence,
    QResizeEvent,
    QShortcut,
)
from PySide6.QtWidgets import QStackedWidget, QWidget

from app.core.text.translation import tr, trn
from app.data.files.dataset_folders import has_train_file
from app.library.run.layout import opened_run
from app.ui.look import formatting
from app.ui.look.theme import Theme
from app.ui.models.models_list import ModelsList
from app.ui.models.recommended_view import RecommendedView
from app.ui.tables.models_model import SHOWN, ModelsFilter
from app.ui.widgets.basic_widgets import button, empty_page, label, restyle
from app.ui.widgets.calm_inputs import CalmComboBox, SearchField
from app.ui.widgets.layouts import AROUND_PAGE_PX, GRID_PX, grows, lay_out, row

if TYPE_CHECKING:
    from app.workers.tasks.models import ListedModels

SEARCH_PX = 180
COUNT_FROM_PX = 800
"""On a narrower page the count is hidden."""
_LOOKING, _LISTED, _RECOMMENDED = range(3)


class ModelsPage(QWidget):
    came_into_sight = Signal()
    """The page or its window was shown or activated, so files on disk may have changed since."""
    choose_requested = Signal()
    folders_dropped = Signal(object)
    """Argument: a tuple of paths."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("page")
        self.setAcceptDrops(True)
        self.list = ModelsList()
        self.recommended = RecommendedView()
        self._listed: ListedModels | None = None
        self._are_more_wanted = False
        self._make_controls()
        self._body = QStackedWidget()
        self._body.addWidget(empty_page(tr("Looking for Models…"), ""))
        self._body.addWidget(self.list)
        self._body.addWidget(self.recommended)
        head = row(
            label(tr("Models"), "title"), 4, self.count, None, self.search, self.shown,
            self.more, self.choose,
        )  # fmt: skip
        lay_out(self, head, grows(self._body), spacing=2 * GRID_PX, margins_px=AROUND_PAGE_PX)
        self._refresh()

    def _make_controls(self) -> None:
        self.count = label("", "secondary")
        self.search = SearchField(tr("Search models"))
        self.search.setFixedWidth(SEARCH_PX)
        self.search.textChanged.connect(self._filter)
        self.shown = CalmComboBox(SHOWN, tr("Models shown"))
        self.shown.setSizeAdjustPolicy(CalmComboBox.SizeAdjustPolicy.AdjustToContents)
        self.shown.currentIndexChanged.connect(self._filter)
        self.more = button(tr("Get More…"), self._show_more)
        self.choose = button(tr("Choose Folder…"), self.choose_requested.emit)
        self.recommended.choose_requested.connect(self.choose_requested)
        self.recommended.back_requested.connect(self._show_list)
        leave = QShortcut(QKeySequence("Escape"), self, self._leave_search)
        leave.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)

    # -- content ------------------------------------------------------------------------------
    def show_models(self, listed: "ListedModels") -> None:
        self._listed = listed
        self.list.show_models(listed.models, listed.available_bytes)
        self._refresh()

    def select(self, folder: Path) -> None:
        """Select a model in the list; clears search and filter."""
        self.search.clear()
        self.shown.choose("")
        self._are_more_wanted = False
        self.list.select(folder)
        self._refresh()

    def set_theme(self, theme: Theme) -> None:
        self.list.set_theme(theme)

    def _refresh(self) -> None:
        listed = self._listed
        models = listed.models if listed else ()
        is_list = bool(models) and not self._are_more_wanted
        if listed is not None and not is_list:
            names = {model.name for model in models if not model.problem}
            self.recommended.show_for(listed.available_bytes, names, is_empty=not models)
        views = {True: _LISTED, False: _RECOMMENDED}
        self._body.setCurrentIndex(_LOOKING if listed is None else views[is_list])
        for control in (self.search, self.shown, self.more, self.choose):
            control.setVisible(is_list)
        self.count.setVisible(is_list and self.width() >= COUNT_FROM_PX)
        size = formatting.size(sum(model.size_bytes for model in models))
        count = trn("{n:,} model", "{n:,} models", len(models))
        self.count.setText(f"{count} · {size}")

    def _filter(self) -> None:
        self.list.show_only(ModelsFilter.of(self.search.text(), self.shown.currentData()))

    def _show_more(self) -> None:
        self._are_more_wanted = True
        self._refresh()
        self.recommended.back.setFocus()

    def _show_list(self) -> None:
        self._are_more_wanted = False
        self._refresh()
        self.list.table.setFocus()

    def verbs(self) -> dict[str, Callable[[], None]]:
        """The Edit menu's actions."""
        return {"find": self.search.begin} if self.search.isVisible() else {}

    def _leave_search(self) -> None:
        """Escape leaves the recommendations or clears the search text; if it is empty, the list
        gets the focus.
        """
        if self._are_more_wanted:
            self._show_list()
        elif self.search.text():
            self.search.clear()
        else:
            self.list.table.setFocus()

    # -- Qt's events --------------------------------------------------------------------------
    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._refresh()

    def event(self, event: QEvent) -> bool:
        is_new_look = event.type() in (QEvent.Type.Show, QEvent.Type.WindowActivate)
        if is_new_look and self.isVisible():
            self.came_into_sight.emit()
        return super().event(event)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Accept folders that may contain models; the window handles all other drops."""
        if _dropped_folders(event):
            event.acceptProposedAction()
            restyle(self.list.table, "drop", "true")
        else:
            event.ignore()

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        super().dragLeaveEvent(event)
        restyle(self.list.table, "drop", "false")

    def dropEvent(self, event: QDropEvent) -> None:
        restyle(self.list.table, "drop", "false")
        if folders := _dropped_folders(event):
            event.acceptProposedAction()
            self.folders_dropped.emit(folders)


def _dropped_folders(event: QDropEvent) -> tuple[Path, ...]:
    """The folders of a drop if all its items may contain models, else none."""
    paths = [Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()]
    return tuple(paths) if paths and all(map(_may_hold_models, paths)) else ()


def _may_hold_models(path: Path) -> bool:
    return path.is_dir() and opened_run(path) is None and not has_train_file(path)
