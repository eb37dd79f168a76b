"""The menu bar, as on a Mac: what it holds and in which order; what it does is the window's."""

from collections.abc import Callable

from PySide6.QtGui import QAction, QActionGroup, QKeySequence
from PySide6.QtWidgets import QApplication, QLineEdit, QMainWindow, QMenu, QPlainTextEdit

from app.core.bundle import LICENSES_FILE, bundled
from app.ui.appearance import Appearance, Look
from app.ui.plain_text import set_tip
from app.ui.run_actions import RunActions

Handler = Callable[[], None]


class Menus:
    """Builds the menus of one window once; `handlers` maps an item's key to what it does."""

    def __init__(
        self,
        window: QMainWindow,
        actions: RunActions,
        appearance: Appearance,
        handlers: dict[str, Handler],
    ) -> None:
        self._window, self._handlers = window, handlers
        self._bar = window.menuBar()
        self._file()
        self._edit()
        self.run = self._menu("&Run")
        for action in (actions.start, actions.pause, actions.save, actions.stop, actions.queue):
            self.run.addAction(action)
        self._view(appearance)
        self._window_menu()
        help_menu = self._menu("&Help")
        if bundled(LICENSES_FILE) is not None:  # an install has them beside its packages
            self._item(help_menu, "Acknowledgements", "licenses")
        self._item(help_menu, "About Nestling", "about", role=QAction.MenuRole.AboutRole)

    def _file(self) -> None:
        menu = self.file = self._menu("&File")
        menu.aboutToHide.connect(lambda: self.allow_taking("", ""))  # a shortcut asks by itself
        self.openers = (
            self._item(menu, "&Open…", "open", QKeySequence.StandardKey.Open),
            self._item(menu, "Open &Model…", "open_model", "Ctrl+Shift+O"),
            self._item(menu, "Use the &Sample Data", "sample"),
        )
        menu.addSeparator()
        self.reveal = self._item(menu, "&Reveal Run", "reveal", "Ctrl+Shift+R")
        self.export = self._item(menu, "&Export Checkpoint…", "export", "Ctrl+E")
        menu.addSeparator()
        self._item(menu, "&Close Window", "close", QKeySequence.StandardKey.Close)
        self._item(
            menu, "&Quit Nestling", "close", QKeySequence.StandardKey.Quit,
            QAction.MenuRole.QuitRole,
        )  # fmt: skip

    def allow_opening(self, why_not: str) -> None:
        """What opens something can't be chosen while there is a reason not to."""
        for opener in self.openers:
            opener.setEnabled(not why_not)
            set_tip(opener, why_not)

    def allow_taking(self, why_not_reveal: str, why_not_export: str) -> None:
        """What takes a run somewhere can't be chosen while there is a reason not to."""
        for action, why_not in ((self.reveal, why_not_reveal), (self.export, why_not_export)):
            action.setEnabled(not why_not)
            set_tip(action, why_not)

    def _edit(self) -> None:
        menu = self._menu("&Edit")
        keys = QKeySequence.StandardKey
        for text, slot, key in (
            ("&Undo", "undo", keys.Undo),
            ("&Redo", "redo", keys.Redo),
            ("Cu&t", "cut", keys.Cut),
            ("&Copy", "copy", keys.Copy),
            ("&Paste", "paste", keys.Paste),
            ("Select &All", "selectAll", keys.SelectAll),
        ):
            made = QAction(text, self._window)
            made.setShortcut(QKeySequence(key))
            made.triggered.connect(lambda _=False, slot=slot: self._edit_focused(slot))
            menu.addAction(made)

    def _edit_focused(self, slot: str) -> None:
        """Do it to the focused text; where there is none, Undo takes the last deletion back."""
        focused = QApplication.focusWidget()
        if isinstance(focused, QLineEdit | QPlainTextEdit) and not focused.isReadOnly():
            getattr(focused, slot)()
        elif slot == "undo":
            self._handlers["undo"]()

    def _view(self, appearance: Appearance) -> None:
        menu = self._menu("&View")
        self._item(menu, "&Train", "train_page", "Ctrl+1")
        self._item(menu, "&Data", "data_page", "Ctrl+2")
        self._item(menu, "&Library", "library_page", "Ctrl+3")
        self._item(menu, "&Queue", "queue_page", "Ctrl+4")
        self._item(menu, "Tr&y", "try_page", "Ctrl+5")
        self._item(menu, "&Models", "models_page", "Ctrl+6")
        menu.addSeparator()
        looks = menu.addMenu("&Appearance")
        group = QActionGroup(self._window)
        for look in Look:
            made = QAction(look.value.capitalize(), self._window)
            made.setCheckable(True)
            made.setChecked(look is appearance.look)
            made.triggered.connect(lambda _=False, look=look: appearance.choose(look))
            group.addAction(made)
            looks.addAction(made)

    def _window_menu(self) -> None:
        menu = self._menu("&Window")
        self._item(menu, "&Minimize", "minimize", "Ctrl+M")
        self._item(menu, "&Zoom", "zoom")

    def _menu(self, title: str) -> QMenu:
        menu = self._bar.addMenu(title)
        menu.setToolTipsVisible(True)
        return menu

    def _item(
        self,
        menu: QMenu,
        text: str,
        key: str,
        shortcut: QKeySequence.StandardKey | str | None = None,
        role: QAction.MenuRole = QAction.MenuRole.NoRole,
    ) -> QAction:
        made = QAction(text, self._window)
        made.setMenuRole(role)
        if shortcut is not None:
            made.setShortcut(QKeySequence(shortcut))
        made.triggered.connect(lambda: self._handlers[key]())
        menu.addAction(made)
        return made
