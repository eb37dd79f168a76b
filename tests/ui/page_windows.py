"""One page in a window of its own, with the commands behind it, wired as the app wires them."""

from dataclasses import dataclass
from pathlib import Path

from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from app.core.files.paths import runs_dir
from app.ui.playground.playground_page import PlaygroundPage
from app.ui.playground.playground_session import PlaygroundSession
from app.ui.run.run_actions import RunActions
from app.ui.runs.runs_page import RunsPage
from app.ui.state.window_pages import Place
from app.ui.window.library_commands import LibraryCommands
from app.ui.window.main_window import MainWindow
from app.ui.window.playground_commands import PlaygroundCommands
from app.ui.window.resume_commands import ResumeCommands
from app.window_services import Services


@dataclass(frozen=True)
class Library:
    """The Runs page; the other places are empty."""

    services: Services
    runs: RunsPage
    window: MainWindow
    commands: LibraryCommands

    def open_run(self, run_dir: Path, qtbot: QtBot) -> None:
        self.commands.open_run(run_dir)
        qtbot.waitUntil(lambda: self.runs.opened_run_dir == run_dir)


@dataclass(frozen=True)
class Playground:
    """Its page; the other places are empty."""

    services: Services
    page: PlaygroundPage
    window: MainWindow
    commands: PlaygroundCommands

    @property
    def trial(self) -> PlaygroundSession:
        return self.services.trial


def library_window(services: Services, actions: RunActions) -> Library:
    """Not yet shown."""
    state, control, queue = services.state, services.control, services.queue
    runs = RunsPage(state, services.pace, actions, queue, services.settings, services.study)
    window = _window(Place.RUNS, runs, services)
    resuming = ResumeCommands(state, window, runs, control, queue, services.background, runs_dir())
    commands = LibraryCommands(
        state, services.live_series, window, runs, control, resuming, services.undo, queue,
        services.background, services.settings, runs_dir(),
    )  # fmt: skip
    control.run_ended.connect(commands.refresh)
    return Library(services, runs, window, commands)


def playground_window(services: Services) -> Playground:
    """Not yet shown."""
    page = PlaygroundPage(services.trial, services.settings)
    window = _window(Place.PLAYGROUND, page, services)
    commands = PlaygroundCommands(window, page, services.background, runs_dir())
    return Playground(services, page, window, commands)


def _window(place: Place, page: QWidget, services: Services) -> MainWindow:
    window = MainWindow(
        {one: page if one is place else QWidget() for one in Place}, services.settings
    )
    window.show_place(place)
    return window
