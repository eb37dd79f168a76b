"""The composition root of the window: builds and wires every part once, and ends them in order."""

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QEvent, QObject, QTimer, Signal, Slot
from PySide6.QtGui import QFileOpenEvent, QFontDatabase
from PySide6.QtWidgets import QApplication

from app.core.config import TrainingConfig
from app.core.errors import InputError
from app.core.paths import home_dir, runs_dir
from app.library.queue_file import QUEUE_FILE
from app.ui import icons
from app.ui.app_state import AppState
from app.ui.appearance import Appearance
from app.ui.collecting import Collecting
from app.ui.commands import Commands
from app.ui.data.data_work import DataWork
from app.ui.errors_shown import ErrorSink
from app.ui.export import CheckpointExport
from app.ui.idle_work import IdleWork
from app.ui.interrupts import Interrupts
from app.ui.keeping_default import KeepingDefault, default_config
from app.ui.library.library_commands import LibraryCommands
from app.ui.live_run import LiveRunWatch
from app.ui.live_series import LiveSeries
from app.ui.main_window import DATA, MODELS, MainWindow
from app.ui.menus import Menus
from app.ui.models.model_menu import ModelMenu
from app.ui.models.models_commands import ModelsCommands
from app.ui.models.models_page import ModelsPage
from app.ui.one_window import OneWindow
from app.ui.opening import Opening
from app.ui.pages.data_page import DataPage
from app.ui.pages.library_page import LibraryPage
from app.ui.pages.queue_page import QueuePage
from app.ui.pages.train_page import TrainPage
from app.ui.pages.try_page import TryPage
from app.ui.plots.making import import_plotting
from app.ui.quitting import Quitting
from app.ui.remembered import Remembered
from app.ui.run_actions import RunActions
from app.ui.run_control import RunControl
from app.ui.run_queue import RunQueue
from app.ui.tier_preview import TierPreview
from app.ui.trying.trial import Trial
from app.ui.trying.try_commands import TryCommands
from app.workers.background import BackgroundTasks
from app.workers.compute import ComputeThread

BODY_PX = 13
"""The body size of macOS, used everywhere so that layouts agree."""


class Nestling(QObject):
    """The app's parts, wired. `shut_down` must be called before the QApplication goes."""

    def __init__(self, application: QApplication, config: TrainingConfig | None = None) -> None:
        super().__init__()
        self.collecting = Collecting(self)
        self.compute = ComputeThread(self)
        self.background = BackgroundTasks(self)
        self.idle_work = IdleWork(self)
        self.settings = settings = Remembered(home_dir() / "settings.ini", self.background)
        self.state = AppState(config or default_config(settings), self)
        self.control = RunControl(self.state, self.compute, runs_dir())
        self.data_work = DataWork(self.state, self.background, runs_dir())
        tokenisation = self.data_work.tokenisation
        self.preview = TierPreview(self.state, self.compute, tokenisation, runs_dir())
        self.control.make_way = tokenisation.make_way
        self.intake, self.mix = self.data_work.intake, self.data_work.mix
        self.export = CheckpointExport(self.background, self)
        self.appearance = Appearance(application, settings, self)
        self.actions = RunActions(self.state, self.control)
        self.live_series = LiveSeries(self.state)
        self.train = TrainPage(self.state, self.mix, self.live_series, self.actions, settings)
        self.data = DataPage(self.state, self.data_work)
        self.library = LibraryPage(settings)
        self.live_run = LiveRunWatch(self.state)
        self.queue = RunQueue(
            self.state, self.control, self.intake, self.background, home_dir() / QUEUE_FILE
        )
        self.queue_page = QueuePage(self.queue)
        self.trial = Trial(self.state, self.compute)
        self.trying = TryPage(self.trial, settings)
        self.models = ModelsPage()
        self.window = MainWindow(
            self.train, self.data, self.library, self.queue_page, self.trying, self.models, settings
        )
        self.errors = ErrorSink(self.window)
        self.quitting = Quitting(self.state, self.control, self.window)
        self.commands = Commands(self.state, self.window, self.intake, self.mix, self.export)
        self.library_commands = LibraryCommands(
            self.state, self.live_series, self.window, self.control, self.intake,
            self.background, settings, runs_dir(),
        )  # fmt: skip
        self.try_commands = TryCommands(self.state, self.window, self.background, runs_dir())
        self.models_commands = ModelsCommands(
            self.state, self.models, self.background, self.window.notice, self.window
        )
        self.opening = Opening(self.window, self.commands, self.library_commands, self.try_commands)
        handlers = self.commands.handlers() | {"undo": self.library_commands.deleting.undo}
        self.keeping = KeepingDefault(self.state, settings)
        self.menus = Menus(self.window, self.actions, self.appearance, handlers)
        self.menus.run.addAction(self.keeping.action)
        self._wire_pages()
        self._wire_trying()
        self._wire_models()
        self._wire_window()
        if config is None:
            self.window.restore_page()

    def _wire_pages(self) -> None:
        train, library, commands = self.train, self.library, self.commands
        train.dataset_choice_requested.connect(commands.choose_dataset)
        train.data.mixed.add_requested.connect(commands.add_dataset)
        train.starter_requested.connect(self.intake.use_starter_model)
        train.sample_requested.connect(commands.use_sample)
        train.reveal_requested.connect(commands.reveal_shown)
        train.export_requested.connect(commands.export_shown)
        train.data.look_closer_requested.connect(self.data.look_closer)
        train.data.look_closer_requested.connect(self._show_data)
        self.data.dataset_choice_requested.connect(commands.choose_dataset)
        self.data.further_requested.connect(commands.add_dataset)
        self.data.sample_requested.connect(commands.use_sample)
        self.data.reveal_requested.connect(commands.reveal)
        for given in (self.intake, self.mix):
            given.attention_wanted.connect(self._show_data)
        self.live_run.changed.connect(library.list.show_live)
        self.live_run.changed.connect(library.opened.show_live)
        for view in (library.list, library.opened):
            view.reveal_requested.connect(commands.reveal)
        library.list.export_requested.connect(commands.export_run)
        library.opened.checkpoints.export_requested.connect(commands.export_checkpoint)
        library.list.sample_requested.connect(commands.use_sample)

    def _wire_trying(self) -> None:
        library, commands = self.library, self.try_commands
        library.list.try_requested.connect(commands.try_run)
        library.opened.checkpoints.try_requested.connect(commands.try_checkpoint)
        self.train.header.try_requested.connect(commands.try_finished)
        self.trying.sample_requested.connect(self.commands.use_sample)
        self.trial.asked.connect(self.preview.make_way)
        self.trial.ended.connect(self.preview.refresh)
        self.trial.defect_met.connect(self.errors.show_failure)

    def _wire_models(self) -> None:
        menu = self.model_menu = ModelMenu(self.state, self.models, self.train.model.choose)
        self.train.model_choice_requested.connect(menu.open)
        menu.use_requested.connect(self.commands.open_path)
        menu.page_requested.connect(self._show_models)
        menu.folder_requested.connect(self.commands.choose_model)
        self.models.list.use_requested.connect(self.commands.open_path)
        self.models.list.reveal_requested.connect(self.commands.reveal)
        self.intake.model_taken.connect(self.models_commands.note_used)
        self.models_commands.facts_changed.connect(self.train.model.show_facts)

    def _wire_window(self) -> None:
        window, commands = self.window, self.commands
        window.may_close = self.quitting.may_close
        window.why_not_open = self.state.why_not_open
        self.state.phase_changed.connect(self._allow_opening)
        self.menus.file.aboutToShow.connect(self._allow_taking)
        window.paths_dropped.connect(self.opening.open_paths)
        window.first_painted.connect(self._load_the_rest)
        self.quitting.ready.connect(window.close)
        self.control.run_ended.connect(self.library_commands.refresh)
        self.queue.failed.connect(commands.tell_failure)
        self.queue.went_on.connect(commands.tell_queue_went_on)
        self.queue.resume = self.library_commands.resume_named
        self.quitting.decided.connect(self.queue.note_quitting)
        self.actions.queue_requested.connect(self.queue.add)
        self.actions.queue_requested.connect(commands.tell_queued)
        self.library.opened.head.repeat.queue_requested.connect(self.queue.add)
        self.library.opened.head.repeat.queue_requested.connect(commands.tell_queued)
        self.control.run_ended.connect(window.notice.leave)
        self.control.defect_met.connect(self.errors.show_failure)
        self.intake.refused.connect(commands.tell_failure)
        self.mix.refused.connect(commands.tell_failure)
        self.intake.accepted.connect(window.notice.leave)
        self.data_work.watch.read_again.connect(commands.tell_changed)
        self.intake.model_taken.connect(self.preview.ask_again)
        self.intake.model_taken.connect(self.data_work.tokenizer.ask_again)
        self.state.run_cleared.connect(window.notice.leave)
        self.state.run_event_received.connect(commands.tell_warning)
        self.export.failed.connect(commands.tell_failure)
        self.export.exported.connect(commands.tell_exported)
        self.export.progressed.connect(commands.tell_exporting)
        self.export.cancelled.connect(commands.tell_not_exported)
        self.appearance.theme_changed.connect(window.set_theme)
        self.appearance.begin()

    @Slot()
    def _allow_opening(self) -> None:
        why_not = self.state.why_not_open()
        self.menus.allow_opening(why_not)
        self.library.set_busy(why_not)

    @Slot()
    def _allow_taking(self) -> None:
        commands = self.commands
        self.menus.allow_taking(commands.why_not_reveal(), commands.why_not_export())

    @Slot()
    def _show_data(self) -> None:
        self.window.show_page(DATA)

    @Slot()
    def _show_models(self) -> None:
        self.window.show_page(MODELS)

    @Slot()
    def _load_the_rest(self) -> None:
        """What the first sight of the window did not need."""
        self.data_work.begin()
        if self.state.dataset is None and not self.state.is_inspecting:
            self.intake.inspect_current()
        self.preview.refresh()
        self.library_commands.list_runs()
        self.queue.load()
        self.models_commands.refresh()
        self.background.run(import_plotting, self._make_plots, self.commands.tell_failure)

    def _make_plots(self, _: None) -> None:
        """Those that are seen first, then those that a run in the library is opened with."""
        self.idle_work.add(self.train.plots_place.loading())
        self.idle_work.add(self.data.loading())
        self.idle_work.add(self.library.opened.plots_place.making())

    def own_the_process(self) -> None:
        """No other window is made after this one: what the start brings stays to the end."""
        self.state.preview_changed.connect(self._pass_over_the_start)

    @Slot()
    def _pass_over_the_start(self) -> None:
        """Once the engine tells what the tiers hold, all is imported that takes long."""
        if self.state.preview is not None:
            self.state.preview_changed.disconnect(self._pass_over_the_start)
            self.collecting.pass_over_what_is_there()

    def shut_down(self) -> None:
        """End both threads; a run that is still going keeps a checkpoint."""
        self.errors.uninstall()
        self.idle_work.shut_down()
        self.preview.shut_down()
        self.data_work.shut_down()
        self.settings.close()
        self.background.shut_down()
        self.compute.shut_down()
        self.collecting.shut_down()


def run_app(
    argv: Sequence[str], *, config: TrainingConfig | None = None, autostart: bool = False
) -> int:
    """Show the window until it is closed; with `autostart` the run begins by itself."""
    application = make_application(argv)
    one_window = OneWindow(home_dir(), application)
    if not one_window.is_first:
        return _leave_to_the_first(one_window, config)
    nestling = Nestling(application, config)
    nestling.own_the_process()
    one_window.shown_again.connect(nestling.window.come_forward)
    interrupts = Interrupts(nestling)
    interrupts.interrupted.connect(nestling.quitting.stop_and_quit)
    application.paths_opened.connect(nestling.opening.open_paths)
    nestling.window.first_painted.connect(application.hand_over)
    nestling.errors.install()
    interrupts.install()
    nestling.window.show()
    if autostart:
        QTimer.singleShot(0, nestling.control.start)
    try:
        return application.exec()
    finally:
        interrupts.uninstall()
        nestling.shut_down()
        one_window.close()


def _leave_to_the_first(one_window: OneWindow, config: TrainingConfig | None) -> int:
    """The library has a window already: that one comes forward. Raises InputError if there is
    something that it is not told."""
    if not one_window.bring_first_forward():
        raise InputError("Nestling is open already, but it does not answer.", "Quit it first.")
    if config is not None:
        raise InputError(
            "Nestling's window is open already.", "Start the run there, or add --terminal."
        )
    return 0


class NestlingApplication(QApplication):
    paths_opened = Signal(object)
    """Files and folders, as a tuple of paths, that were dropped on the Dock icon or opened from
    Finder together. macOS sends the first ones before there is a window: they wait for it."""

    def __init__(self, argv: list[str]) -> None:
        super().__init__(argv)
        self._waiting: list[Path] = []
        self._is_window_there = False

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QFileOpenEvent) and event.file():
            self._waiting.append(Path(event.file()))
            if self._is_window_there and len(self._waiting) == 1:
                QTimer.singleShot(0, self.hand_over)  # once all events of this moment are in
            return True
        return super().event(event)

    @Slot()
    def hand_over(self) -> None:
        """The window takes what was opened, now and from now on."""
        self._is_window_there = True
        paths, self._waiting = tuple(self._waiting), []
        if paths:
            self.paths_opened.emit(paths)


def make_application(argv: Sequence[str]) -> NestlingApplication:
    """The QApplication with its names, icon and one widget style on every platform."""
    application = NestlingApplication(list(argv))
    application.setApplicationName("Nestling")
    application.setApplicationDisplayName("Nestling")
    application.setOrganizationName("Nestling")
    application.setWindowIcon(icons.app_icon())
    # The style sheet decides every control's look; Fusion draws it alike on macOS and Linux.
    application.setStyle("Fusion")
    font = QFontDatabase.systemFont(QFontDatabase.SystemFont.GeneralFont)
    font.setPixelSize(BODY_PX)
    application.setFont(font)
    return application
