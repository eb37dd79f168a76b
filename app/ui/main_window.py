"""The window: sidebar and pages; takes what is dropped anywhere on it, asks before it closes."""

from collections.abc import Callable
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
from PySide6.QtWidgets import QHBoxLayout, QMainWindow, QStackedWidget, QVBoxLayout, QWidget

from app.ui.models.models_page import ModelsPage
from app.ui.pages.data_page import DataPage
from app.ui.pages.library_page import LibraryPage
from app.ui.pages.queue_page import QueuePage
from app.ui.pages.train_page import TrainPage
from app.ui.pages.try_page import TryPage
from app.ui.remembered import Remembered
from app.ui.theme import Theme
from app.ui.widgets.notice import Notice
from app.ui.widgets.sidebar import Sidebar

TRAIN, DATA, LIBRARY, QUEUE, TRY, MODELS = range(6)
MINIMUM_SIZE_PX = (820, 560)
FIRST_SIZE_PX = (1280, 832)
WIDE_SIDEBAR_FROM_PX = 1080
_GEOMETRY, _PAGE = "window/geometry", "window/page"


class MainWindow(QMainWindow):
    paths_dropped = Signal(object)
    """A tuple of files and folders."""
    first_painted = Signal()
    """The user sees the window: what takes long to import may be imported now."""

    def __init__(
        self,
        train: TrainPage,
        data: DataPage,
        library: LibraryPage,
        queue: QueuePage,
        trying: TryPage,
        models: ModelsPage,
        settings: Remembered,
    ) -> None:
        super().__init__()
        self._settings = settings
        self._is_painted = False
        self.may_close: Callable[[], bool] = lambda: True
        """Asked before the window closes; the answer no keeps it open."""
        self.why_not_open: Callable[[], str] = lambda: ""
        """Asked when something is dragged over the window; a sentence refuses it."""
        self.train, self.data, self.library, self.queue = train, data, library, queue
        self.trying, self.models = trying, models
        self.notice = Notice()
        places = ("Train", "Data", "Library", "Queue", "Try", "Models")
        self.sidebar = Sidebar({place: place.lower() for place in places})
        self.pages = QStackedWidget()
        for page in (train, data, library, queue, trying, models):
            self.pages.addWidget(page)
        self.sidebar.place_chosen.connect(self.pages.setCurrentIndex)
        self._lay_out()
        self.setAcceptDrops(True)
        self.setWindowTitle("Nestling")
        self.setMinimumSize(*MINIMUM_SIZE_PX)
        self.resize(*FIRST_SIZE_PX)
        if isinstance(geometry := settings.value(_GEOMETRY), QByteArray):
            self.restoreGeometry(geometry)

    def _lay_out(self) -> None:
        right = QWidget()
        right.setObjectName("page")
        column = QVBoxLayout(right)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.notice)
        column.addWidget(self.pages, 1)
        centre = QWidget()
        whole = QHBoxLayout(centre)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.setSpacing(0)
        whole.addWidget(self.sidebar)
        whole.addWidget(right, 1)
        self.setCentralWidget(centre)
        # Nothing is marked as focused until the user tabs; a click beside a field leaves it.
        centre.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        centre.setFocus()

    def show_page(self, index: int) -> None:
        self.sidebar.choose(index)

    def show_intake(self) -> None:
        """Where what was given can be seen: the Data page if that is shown, else the Train page."""
        if self.pages.currentIndex() != DATA:
            self.show_page(TRAIN)

    def restore_page(self) -> None:
        """Show the page that was shown when the window closed."""
        index = self._settings.whole(_PAGE, TRAIN)
        if 0 <= index < self.pages.count():
            self.show_page(index)

    def come_forward(self) -> None:
        """In front of all other windows, also when it was minimised."""
        self.setWindowState(self.windowState() & ~Qt.WindowState.WindowMinimized)
        self.show()
        self.raise_()
        self.activateWindow()

    @property
    def is_library_shown(self) -> bool:
        return self.pages.currentIndex() == LIBRARY

    def set_theme(self, theme: Theme) -> None:
        pages = (self.train, self.data, self.library, self.queue, self.trying, self.models)
        for part in (self.sidebar, self.notice, *pages):
            part.set_theme(theme)

    # -- what Qt tells -----------------------------------------------------------------------
    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if not self._is_painted:
            self._is_painted = True
            QTimer.singleShot(0, self.first_painted.emit)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.sidebar.show_wide(self.width() >= WIDE_SIDEBAR_FROM_PX)

    def closeEvent(self, event: QCloseEvent) -> None:
        if not self.may_close():
            event.ignore()
            return
        self._settings.set(_GEOMETRY, self.saveGeometry())
        self._settings.set(_PAGE, self.pages.currentIndex())
        self.library.list.remember(self.library.opened_run_dir)
        self.library.opened.keep_label()
        event.accept()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if not _dropped_paths(event):
            return
        if why_not := self.why_not_open():
            self.notice.tell(why_not)
        else:
            event.acceptProposedAction()
            self.train.highlight_drop(True)

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        super().dragLeaveEvent(event)
        self.train.highlight_drop(False)

    def dropEvent(self, event: QDropEvent) -> None:
        self.train.highlight_drop(False)
        if paths := _dropped_paths(event):
            event.acceptProposedAction()
            self.show_intake()
            self.paths_dropped.emit(paths)


def _dropped_paths(event: QDropEvent) -> tuple[Path, ...]:
    """The local files and folders of a drop."""
    urls = event.mimeData().urls()
    return tuple(Path(url.toLocalFile()) for url in urls if url.isLocalFile())
