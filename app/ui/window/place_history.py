"""Back and Forward through the pages and the views of the Runs page, as in a browser."""

from pathlib import Path
from typing import NamedTuple

from PySide6.QtCore import QObject, Slot
from PySide6.QtWidgets import QWidget

from app.ui.runs.runs_page import RunsPage
from app.ui.state.window_pages import Place
from app.ui.window.library_commands import LibraryCommands
from app.ui.window.main_window import MainWindow

MOST = 100


class Entry(NamedTuple):
    place: Place
    view: QWidget | None = None
    """The view of the Runs page, if that page was shown."""
    run_dir: Path | None = None
    """The folder of the opened run, if one was open."""


class PlaceHistory(QObject):
    def __init__(self, window: MainWindow, runs: RunsPage, commands: LibraryCommands) -> None:
        """`commands` opens runs asynchronously."""
        super().__init__(window)
        self._window, self._runs, self._commands = window, runs, commands
        self._entries = [self._shown()]
        self._at = 0
        self._passed: Entry | None = None
        """The view that stays visible until the run has been read; not recorded as a step."""
        self._is_turning = False
        window.pages.currentChanged.connect(self.note)
        runs.views.currentChanged.connect(self.note)
        commands.run_opened.connect(self.note)
        # The state that is restored at launch is not a step.
        window.first_painted.connect(self.begin)
        commands.run_restored.connect(self.begin)

    @Slot()
    def begin(self) -> None:
        """Clear the history; the current view is the only entry."""
        self._entries, self._at, self._passed = [self._shown()], 0, None

    @Slot()
    def note(self) -> None:
        """Record the current view if it has changed."""
        shown = self._shown()
        if self._is_turning or shown == self._passed:
            return
        self._passed = None
        last = self._entries[self._at]
        if shown != last:
            # The same run, which now has a folder: replace the entry.
            is_same = last.run_dir is None and shown == last._replace(run_dir=shown.run_dir)
            self._entries = [*self._entries[: self._at + (not is_same)], shown][-MOST:]
            self._at = len(self._entries) - 1

    def can_turn(self, by: int) -> bool:
        return 0 <= self._at + by < len(self._entries)

    def turn(self, by: int) -> None:
        """Go back (-1) or forward (1)."""
        if not self.can_turn(by):
            return
        self._at += by
        wanted = self._entries[self._at]
        self._commands.stop_opening()
        self._is_turning = True
        self._window.show_place(wanted.place)
        if wanted.run_dir is not None:
            self._commands.open_run(wanted.run_dir)
        elif wanted.view is not None:
            self._runs.show_view(wanted.view)
        self._is_turning = False
        shown = self._shown()
        self._passed = shown if shown != wanted else None

    def _shown(self) -> Entry:
        place = self._window.place
        if place is not Place.RUNS:
            return Entry(place)
        return Entry(place, self._runs.views.currentWidget(), self._runs.opened_run_dir)
