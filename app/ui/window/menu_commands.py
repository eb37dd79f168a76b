"""Menu commands that involve several pages: back, defaults, settings, the guide. Builds no
menus.
"""

from pathlib import Path

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QFileDialog

from app.core.config.training_config import MixedDataset
from app.core.files.paths import logs_dir, studies_dir
from app.core.text.translation import tr
from app.ui.guide.guide_window import Guide
from app.ui.state.app_state import AppState
from app.ui.state.plan_memory import restored_defaults
from app.ui.state.run_queue import RunQueue
from app.ui.state.study_control import StudyControl
from app.ui.state.undo import UndoHistory
from app.ui.state.window_pages import Place
from app.ui.system.error_dialog import show_report
from app.ui.system.stored_preferences import Preferences
from app.ui.window.commands import Commands
from app.ui.window.library_commands import LibraryCommands
from app.ui.window.main_window import MainWindow
from app.ui.window.menus import Handler
from app.ui.window.place_history import PlaceHistory
from app.ui.window.quit_guard import QuitGuard
from app.ui.window.settings_window import SettingsWindow


class MenuCommands(QObject):
    def __init__(
        self,
        state: AppState,
        settings: Preferences,
        window: MainWindow,
        undo: UndoHistory,
        history: PlaceHistory,
        commands: Commands,
        library: LibraryCommands,
        queue: RunQueue,
        quitting: QuitGuard,
        settings_window: SettingsWindow,
        guide: Guide,
        study: StudyControl,
    ) -> None:
        super().__init__(window)
        self._state, self._settings, self._window, self._undo = state, settings, window, undo
        self._history, self._commands, self._library = history, commands, library
        self._queue, self._quitting = queue, quitting
        self._settings_window, self._guide, self._study = settings_window, guide, study

    def handlers(self) -> dict[str, Handler]:
        """The handler of each menu item, by its key."""
        window = self._window
        places = {place.name: lambda place=place: window.turn_to(place) for place in Place}
        return {
            **self._commands.handlers(),
            **places,
            "settings": self._settings_window.show,
            "close": self._quitting.close_front,
            "quit": self._quitting.quit,
            "guide": self._guide.show,
            "show_window": window.come_forward,
            "open_study": self.choose_study,
            "save_settings": lambda: self._library.exports.ask_plan(self._state.config),
            "start_queue": self._queue.start,
            "pause_queue": self._queue.hold,
            "restore_defaults": self.restore_defaults,
            "back": lambda: self._history.turn(-1),
            "forward": lambda: self._history.turn(1),
            "logs": lambda: self._commands.reveal(logs_dir()),
            "report": lambda: show_report(window),
        }

    def choose_study(self) -> None:
        """Ask for a study file, starting in the folder of the studies that come with Nestling."""
        dialog = QFileDialog(self._window, tr("Open a study"), str(studies_dir()))
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.setNameFilters([tr("Studies (*.toml)")])
        dialog.fileSelected.connect(lambda chosen: self._study.open(Path(chosen)))
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def offer_removed(self, dataset: str, mix: tuple[MixedDataset, ...]) -> None:
        """Show a notice that a dataset was removed from the mix, with Undo."""
        undo = self._undo.push(tr("Remove from Mix"), lambda: self._state.change_config(mix=mix))
        words = tr("Removed {dataset} from the mix.", dataset=dataset)
        self._window.notice.tell(words, tr("Undo"), undo)

    def restore_defaults(self) -> None:
        before = self._state.config
        self._state.replace_config(restored_defaults(before, self._settings))
        if self._state.config != before:
            undo = self._undo.push(
                tr("Restore Default Settings"), lambda: self._state.replace_config(before)
            )
            self._window.notice.tell(tr("Restored the default settings."), tr("Undo"), undo)
