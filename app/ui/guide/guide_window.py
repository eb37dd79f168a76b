"""The window of the guide: search field and page list on the left, the chosen page on the right.
Created on first use.
"""

from collections.abc import Callable, Sequence

from PySide6.QtCore import QObject, Qt, QUrl, Signal
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QListWidget, QWidget

from app.core.guide_pages import Page, read_guide
from app.core.text.translation import tr
from app.ui.guide.page_view import PageView
from app.ui.look.theme import Theme
from app.ui.system import file_manager
from app.ui.system.theme_controller import ThemeController
from app.ui.widgets.basic_widgets import label
from app.ui.widgets.calm_inputs import SearchField
from app.ui.widgets.layouts import grows, lay_out, row

SIZE_PX, MINIMUM_PX, PAGES_PX = (900, 660), (640, 420), 248


class GuideWindow(QWidget):
    web_requested = Signal(QUrl)
    """Argument: the URL of an external link."""

    def __init__(self, window: QWidget, pages: Sequence[Page]) -> None:
        super().__init__(window, Qt.WindowType.Window)
        self.setWindowTitle(tr("Nestling Guide"))
        self._pages = tuple(pages)
        self.search = SearchField(tr("Search the guide"))
        self.list = QListWidget()
        self.list.setObjectName("guide_pages")
        self.list.setAccessibleName(tr("Pages"))
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.nothing = label(tr("No Results"), "secondary")
        self.nothing.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.page = PageView()
        self._lay_out()
        self.search.textChanged.connect(self._find)
        self.search.returnPressed.connect(self.page.find_next)
        self.list.currentRowChanged.connect(self._show)
        self.page.link_followed.connect(self._follow)
        for key, does in (
            (QKeySequence.StandardKey.Find, self.search.begin),
            (QKeySequence.StandardKey.Close, self.close),
        ):
            QShortcut(key, self, does)  # uses all of the platform's shortcuts
        QShortcut(QKeySequence(Qt.Key.Key_Escape), self.search, self.search.clear,
                  context=Qt.ShortcutContext.WidgetShortcut)  # fmt: skip
        self._find()

    def _lay_out(self) -> None:
        left = QWidget()
        left.setObjectName("guide_pages")
        left.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        left.setFixedWidth(PAGES_PX)
        lay_out(left, self.search, self.nothing, grows(self.list), margins_px=(12, 12, 12, 12))
        self.setLayout(row(left, grows(self.page), spacing=0))
        self.setMinimumSize(*MINIMUM_PX)
        self.resize(*SIZE_PX)

    def set_theme(self, theme: Theme) -> None:
        self.page.set_theme(theme)

    def verbs(self) -> dict[str, Callable[[], None]]:
        """The Edit menu's actions; on a Mac, all windows share the menu bar."""
        turns = {"findNext": self.page.find_next} if self.page.has_found else {}
        return {"find": self.search.begin, **turns}

    def listed(self) -> list[str]:
        """The titles in the list."""
        return [self.list.item(row).text() for row in range(self.list.count())]

    def _words(self) -> list[str]:
        return self.search.text().split()

    def _find(self) -> None:
        """List the pages that contain all words. The current page stays if it is among them."""
        shown = self.list.currentItem()
        before = shown.data(Qt.ItemDataRole.UserRole) if shown is not None else 0
        found = [n for n, page in enumerate(self._pages) if page.has(self._words())]
        self.list.blockSignals(True)
        self.list.clear()
        for number in found:
            self.list.addItem(self._pages[number].title)
            self.list.item(self.list.count() - 1).setData(Qt.ItemDataRole.UserRole, number)
        self.list.blockSignals(False)
        self.nothing.setVisible(not found)
        if found:
            self.list.setCurrentRow(found.index(before) if before in found else 0)

    def _show(self, row: int) -> None:
        if row >= 0:
            number = self.list.item(row).data(Qt.ItemDataRole.UserRole)
            self.page.show_page(self._pages[number], self._words())

    def _follow(self, url: QUrl) -> None:
        """Follow a link: to a page of the guide, even if the search hides it, or to the web."""
        names = [page.file_name for page in self._pages]
        if url.isRelative() and url.path() in names:
            self.search.clear()
            self.list.setCurrentRow(names.index(url.path()))
        elif not url.isRelative():
            self.web_requested.emit(url)


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
