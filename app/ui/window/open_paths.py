"""Routes files that are dropped on the window or the Dock icon, or opened in Finder."""

from pathlib import Path

from PySide6.QtCore import QObject, Slot

from app.core.config.study import study_file
from app.library.run.layout import OpenedAdapter, OpenedRun, opened_run
from app.ui.state.study_control import StudyControl
from app.ui.state.window_pages import Place
from app.ui.window.commands import Commands
from app.ui.window.library_commands import LibraryCommands
from app.ui.window.main_window import MainWindow
from app.ui.window.plan_commands import PlanCommands
from app.ui.window.playground_commands import PlaygroundCommands


class Opening(QObject):
    """Runs and studies open on the Runs page, checkpoints in the Playground, a separate adapter in
    the plan; the rest goes to the file opener.
    """

    def __init__(
        self,
        window: MainWindow,
        commands: Commands,
        library: LibraryCommands,
        trying: PlaygroundCommands,
        study: StudyControl,
        plan: PlanCommands,
    ) -> None:
        super().__init__(window)
        self._window, self._commands = window, commands
        self._library, self._trying, self._study, self._plan = library, trying, study, plan

    @Slot(object)
    def open_paths(self, paths: tuple[Path, ...]) -> None:
        """Open paths that were opened together; several datasets are mixed."""
        others = []
        for path in paths:
            found = opened_run(path)
            if (file := study_file(path)) is not None:
                self._study.open(file)
            elif found is None:
                others.append(path)
            else:
                self._show(found)
        if others:
            self._commands.open_paths(tuple(others))

    def _show(self, found: OpenedRun | OpenedAdapter) -> None:
        if isinstance(found, OpenedAdapter):
            self._plan.continue_adapter(found.folder)
        elif found.checkpoint is not None:
            self._trying.open_checkpoint(found.run_dir, found.checkpoint)
        else:
            self._library.open_run(found.run_dir)
            self._window.show_place(Place.RUNS)
