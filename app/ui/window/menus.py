"""Builds the menu bar in the order of a Mac. Handlers are supplied by the caller."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QMainWindow, QMenu

from app.core.system.version import LICENSES_FILE, bundled
from app.core.text.translation import tr
from app.ui.look.plain_text import set_tip
from app.ui.run.run_actions import RunActions
from app.ui.state.window_pages import Place
from app.ui.window.edit_commands import EditCommands

Handler = Callable[[], None]
_KEYS = QKeySequence.StandardKey
_EDITS = (
    (tr("&Undo"), "undo", _KEYS.Undo),
    (tr("&Redo"), "redo", _KEYS.Redo),
    (tr("Cu&t"), "cut", _KEYS.Cut),
    (tr("&Copy"), "copy", _KEYS.Copy),
    (tr("&Paste"), "paste", _KEYS.Paste),
    (tr("&Delete"), "delete", "Ctrl+Backspace"),
    (tr("Select &All"), "selectAll", _KEYS.SelectAll),
    (tr("&Find"), "find", _KEYS.Find),
    (tr("Find &Next"), "findNext", _KEYS.FindNext),
    (tr("Find Pre&vious"), "findPrevious", _KEYS.FindPrevious),
)
"""The focused widget decides what each does, and whether it is enabled."""


class Menus:
    """Builds the menus of one window once. `handlers` maps an item's key to its function."""

    def __init__(
        self,
        window: QMainWindow,
        actions: RunActions,
        edit: EditCommands,
        handlers: dict[str, Handler],
    ) -> None:
        self._window, self._handlers, self._edit_commands = window, handlers, edit
        self._bar = window.menuBar()
        self._file()
        self._edit()
        self._run(actions)
        self._view()
        self._window_menu()
        self._help()

    def _file(self) -> None:
        menu = self.file = self._menu(tr("&File"))
        menu.aboutToHide.connect(lambda: self.allow_taking("", ""))  # shortcuts check by themselves
        self._item(menu, tr("&New Run"), "new_run", _KEYS.New)
        self._item(menu, tr("&Open…"), "open", _KEYS.Open)
        self._item(menu, tr("Open &Model…"), "open_model", "Ctrl+Shift+O")
        self._item(menu, tr("Open Stud&y…"), "open_study")
        self.recent = menu.addMenu(tr("Open &Recent"))
        self._item(menu, tr("Mix &In Dataset…"), "add")
        self._item(menu, tr("Use the &Sample Data"), "sample")
        menu.addSeparator()
        self._item(menu, tr("Save Se&ttings…"), "save_settings", "Ctrl+Shift+S")
        self.export = self._item(menu, tr("&Export Checkpoint…"), "export", "Ctrl+E")
        self.reveal = self._item(menu, tr("Re&veal Run"), "reveal", "Ctrl+Shift+R")
        menu.addSeparator()
        self._item(menu, tr("&Close Window"), "close", _KEYS.Close)
        quit_role, settings_role = QAction.MenuRole.QuitRole, QAction.MenuRole.PreferencesRole
        self._item(menu, tr("Settin&gs…"), "settings", "Ctrl+,", settings_role)
        self._item(menu, tr("&Quit Nestling"), "quit", _KEYS.Quit, quit_role)

    def show_recent(self, recent: Sequence[tuple[str, Path]], open_path: Callable[[Path], None],
                    clear: Handler) -> None:  # fmt: skip
        """Show the recently opened datasets, models and runs."""
        self.recent.clear()
        for name, path in recent:
            made = self.recent.addAction(name.replace("&", "&&"))
            set_tip(made, str(path))
            made.triggered.connect(lambda _=False, path=path: open_path(path))
        self.recent.addSeparator()
        self.recent.addAction(tr("Clear Menu"), clear).setEnabled(bool(recent))

    def allow_taking(self, why_not_reveal: str, why_not_export: str) -> None:
        """Disable Reveal and Export if there is a reason, and show it as a tool tip."""
        for action, why_not in ((self.reveal, why_not_reveal), (self.export, why_not_export)):
            action.setEnabled(not why_not)
            set_tip(action, why_not)

    def _edit(self) -> None:
        menu = self.edit = self._menu(tr("&Edit"))
        self.edits: dict[str, QAction] = {}
        for text, verb, key in _EDITS:
            if verb in ("cut", "find"):
                menu.addSeparator()
            self._handlers[verb] = partial(self._edit_commands.do, verb)
            self.edits[verb] = self._item(menu, text, verb, key)
        menu.aboutToShow.connect(self.allow_edits)
        menu.aboutToHide.connect(self._allow_all_edits)

    def allow_edits(self) -> None:
        """Disable the items that do nothing now, and name the action that Undo would undo."""
        for verb, action in self.edits.items():
            action.setEnabled(self._edit_commands.can(verb))
        name = self._edit_commands.undo_name()
        self.edits["undo"].setText(tr("&Undo {name}", name=name) if name else tr("&Undo"))

    def _allow_all_edits(self) -> None:
        """Enable all items while the menu is closed: Qt would not deliver a disabled item's
        shortcut.
        """
        for action in self.edits.values():
            action.setEnabled(True)

    def _run(self, actions: RunActions) -> None:
        menu = self.run = self._menu(tr("&Run"))
        for action in (actions.start, actions.queue, actions.pause, actions.save, actions.stop):
            menu.addAction(action)
        menu.addSeparator()
        self.start_queue = self._item(menu, tr("Start &Queue"), "start_queue")
        self.pause_queue = self._item(menu, tr("Pause Q&ueue"), "pause_queue")
        menu.addSeparator()
        self._item(menu, tr("Restore &Default Settings"), "restore_defaults")

    def allow_queue(self, *, why_not_start: str, is_going: bool) -> None:
        self.start_queue.setEnabled(not why_not_start)
        set_tip(self.start_queue, why_not_start)
        self.pause_queue.setEnabled(is_going)

    def _view(self) -> None:
        menu = self.view = self._menu(tr("&View"))
        # Shortcuts check by themselves.
        menu.aboutToHide.connect(lambda: self.allow_turning(True, True))
        self.places = {
            place: self._item(menu, place.title, place.name, place.shortcut) for place in Place
        }
        for action in self.places.values():
            action.setCheckable(True)
        menu.addSeparator()
        self.turns = (
            self._item(menu, tr("&Back"), "back", _KEYS.Back),
            self._item(menu, tr("For&ward"), "forward", _KEYS.Forward),
        )
        menu.addSeparator()
        self._item(menu, tr("Enter &Full Screen"), "full_screen", _KEYS.FullScreen)

    def allow_turning(self, *are_allowed: bool) -> None:
        """Enable Back and Forward."""
        for action, is_allowed in zip(self.turns, are_allowed, strict=True):
            action.setEnabled(is_allowed)

    def mark_place(self, shown: Place) -> None:
        for place, action in self.places.items():
            action.setChecked(place is shown)

    def _window_menu(self) -> None:
        menu = self._menu(tr("&Window"))
        self._item(menu, tr("&Minimize"), "minimize", "Ctrl+M")
        self._item(menu, tr("&Zoom"), "zoom")
        menu.addSeparator()
        self._item(menu, "&Nestling", "show_window", "Ctrl+0")

    def _help(self) -> None:
        menu = self._menu(tr("&Help"))
        self._item(menu, tr("Nestling &Guide"), "guide", _KEYS.HelpContents)
        menu.addSeparator()
        # Other installations have the licenses beside their packages.
        if bundled(LICENSES_FILE) is not None:
            self._item(menu, tr("Acknowledgements"), "licenses")
        self._item(menu, tr("Show &Log Folder"), "logs")
        self._item(menu, tr("&Report a Problem…"), "report")
        menu.addSeparator()
        self._item(menu, tr("About Nestling"), "about", role=QAction.MenuRole.AboutRole)

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
            made.setShortcuts(_all_keys(shortcut))
        made.triggered.connect(lambda: self._handlers[key]())
        menu.addAction(made)
        return made


def _all_keys(shortcut: QKeySequence.StandardKey | str) -> list[QKeySequence]:
    """All shortcuts of the platform; the menu shows the first."""
    if isinstance(shortcut, str):
        return [QKeySequence(shortcut)]
    # Backspace alone belongs to the focused widget. Ctrl+W comes first because it is better known
    # than Ctrl+F4.
    keys = [key for key in QKeySequence.keyBindings(shortcut) if "Backspace" not in key.toString()]
    return sorted(keys, key=lambda key: key.toString() != "Ctrl+W")
