"""The main window: sidebar and pages; accepts drops, and asks other parts before it closes."""

from collections.abc import Mapping
from pathlib import Path

from PySide6.QtCore import QByteArray, Qt, QTimer, Signal
from PySide6.QtGui import (
    QCloseEvent,
    QDragEnterEvent,
    QDragLeaveEvent,
    QDropEvent,
    QPaintEvent,
    QResizeEvent,
)
from PySide6.QtWidgets import QMainWindow, QStackedWidget, QWidget

from app.ui.look import formatting
from app.ui.look.theme import Theme
from app.ui.state.live_run import LiveRun
from app.ui.state.window_pages import Place
from app.ui.system.stored_preferences import Preferences
from app.ui.tables.row_table import Does, HasVerbs, RowTable
from app.ui.widgets.basic_widgets import leave_focus
from app.ui.widgets.layouts import grows, lay_out, order_as_read, row
from app.ui.widgets.notice_bar import Notice
from app.ui.window.sidebar import Sidebar

MINIMUM_SIZE_PX = (820, 560)
FIRST_SIZE_PX = (1280, 832)
WIDE_SIDEBAR_FROM_PX = 1024
TITLE = "Nestling"
_GEOMETRY, _PLACE = "window/geometry", "window/place"


class MainWindow(QMainWindow):
    paths_dropped = Signal(object)
    """Argument: a tuple of files and folders."""
    dragged_over = Signal(bool)
    """Argument: whether the user drags files over the window."""
    first_painted = Signal()
    """The window is visible; slow imports can start."""
    about_to_close = Signal(object)
    """Argument: the QCloseEvent. A receiver that ignores it keeps the window open."""
    closed = Signal()
    """Emitted before closing, so that receivers can save their state."""

    def __init__(self, pages: Mapping[Place, QWidget], settings: Preferences) -> None:
        super().__init__()
        self._settings, self._pages = settings, dict(pages)
        self._is_painted = False
        self.sidebar = Sidebar(tuple(pages))
        self.pages = QStackedWidget()
        for page in pages.values():
            self.pages.addWidget(page)
            order_as_read(page)
        self.sidebar.place_chosen.connect(self._show)
        self._lay_out()
        self.setAcceptDrops(True)
        self.setWindowTitle(TITLE)
        self.setMinimumSize(*MINIMUM_SIZE_PX)
        self.resize(*FIRST_SIZE_PX)
        if isinstance(geometry := settings.value(_GEOMETRY), QByteArray):
            self.restoreGeometry(geometry)

    def _lay_out(self) -> None:
        right = QWidget()
        right.setObjectName("page")
        lay_out(right, grows(self.pages), spacing=0)
        self.notice = Notice(right)
        center = QWidget()
        center.setLayout(row(self.sidebar, grows(right), spacing=0))
        self.setCentralWidget(center)
        # Nothing has the focus until the user presses Tab; a click beside a field takes its focus.
        center.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        center.setFocus()

    @property
    def place(self) -> Place:
        """The current page."""
        shown = self.pages.currentWidget()
        return next(place for place, page in self._pages.items() if page is shown)

    def show_place(self, place: Place) -> None:
        self.sidebar.choose(place)

    def turn_to(self, place: Place) -> None:
        """Show a page and give its list the keyboard focus, for the View menu."""
        self.show_place(place)
        tables = filter(QWidget.isVisible, self._pages[place].findChildren(RowTable))
        if (table := next(tables, None)) is not None:
            table.setFocus()

    def _show(self, place: Place) -> None:
        leave_focus(self.pages)
        self.pages.setCurrentWidget(self._pages[place])

    def verbs(self) -> Mapping[str, Does]:
        """The Edit menu's actions of the current page."""
        shown = self.pages.currentWidget()
        return shown.verbs() if isinstance(shown, HasVerbs) else {}

    def show_intake(self) -> None:
        """Show a page that displays opened files: the Data page if it is current, else New Run."""
        if self.place is not Place.DATA:
            self.show_place(Place.NEW_RUN)

    def restore_place(self) -> None:
        """Show the page that was shown when the window closed."""
        place = Place.named(self._settings.text(_PLACE))
        if place in self._pages:
            self.show_place(place)

    def show_progress(self, live: LiveRun | None) -> None:
        """Show the run's progress in the sidebar and the window's title."""
        share = live.share if live is not None else None
        self.sidebar.show_progress(Place.RUNS, share)
        self.setWindowTitle(TITLE if share is None else f"{formatting.percent(share)} – {TITLE}")

    def come_forward(self) -> None:
        """Bring the window to the front, also if it was minimized."""
        self.setWindowState(self.windowState() & ~Qt.WindowState.WindowMinimized)
        self.show()
        self.raise_()
        self.activateWindow()

    def set_theme(self, theme: Theme) -> None:
        for part in (self.sidebar, self.notice, *self._pages.values()):
            part.set_theme(theme)  # type: ignore[attr-defined]

    # -- Qt's events --------------------------------------------------------------------------
    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if not self._is_painted:
            self._is_painted = True
            QTimer.singleShot(0, self.first_painted.emit)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.sidebar.show_wide(self.width() >= WIDE_SIDEBAR_FROM_PX)

    def closeEvent(self, event: QCloseEvent) -> None:
        self.about_to_close.emit(event)
        if not event.isAccepted():
            return
        self._settings.set(_GEOMETRY, self.saveGeometry())
        self._settings.set(_PLACE, self.place.name)
        self.closed.emit()
        super().closeEvent(event)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if _dropped_paths(event):
            event.acceptProposedAction()
            self.dragged_over.emit(True)

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        super().dragLeaveEvent(event)
        self.dragged_over.emit(False)

    def dropEvent(self, event: QDropEvent) -> None:
        self.dragged_over.emit(False)
        if paths := _dropped_paths(event):
            event.acceptProposedAction()
            self.show_intake()
            self.paths_dropped.emit(paths)


def _dropped_paths(event: QDropEvent) -> tuple[Path, ...]:
    """The local files and folders of a drop."""
    urls = event.mimeData().urls()
    return tuple(Path(url.toLocalFile()) for url in urls if url.isLocalFile())
