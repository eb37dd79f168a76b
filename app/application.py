"""The composition root of the window: builds and connects all parts once, and shuts them down in
order.
"""

from collections.abc import Iterator
from pathlib import Path

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import QApplication

from app.core.config.training_config import TrainingConfig
from app.core.files.paths import runs_dir
from app.core.text.translation import tr
from app.ui.data.data_page import DataPage
from app.ui.desktop.desktop_status import DesktopStatus
from app.ui.desktop.dock import Dock
from app.ui.desktop.notifications import Notifications
from app.ui.desktop.sleep_guard import SleepGuard
from app.ui.guide.guide_window import Guide
from app.ui.look import icons
from app.ui.models.models_commands import ModelMenu, ModelsCommands
from app.ui.models.models_page import ModelsPage
from app.ui.new_run.new_run_page import NewRunPage
from app.ui.playground.playground_page import PlaygroundPage
from app.ui.plots.background_import import import_plotting, make_qt_types
from app.ui.run.run_actions import RunActions
from app.ui.runs.runs_page import RunsPage
from app.ui.state.plan_memory import RetentionDefault
from app.ui.state.window_pages import Place
from app.ui.system import file_manager
from app.ui.system.error_dialog import ErrorDialog
from app.ui.system.stored_preferences import Preferences
from app.ui.system.theme_controller import ThemeController
from app.ui.window.commands import Commands
from app.ui.window.edit_commands import EditCommands
from app.ui.window.library_commands import LibraryCommands
from app.ui.window.main_window import MainWindow
from app.ui.window.menu_commands import MenuCommands
from app.ui.window.menus import Menus
from app.ui.window.open_paths import Opening
from app.ui.window.place_history import PlaceHistory
from app.ui.window.plan_commands import PlanCommands
from app.ui.window.playground_commands import PlaygroundCommands
from app.ui.window.quit_guard import QuitGuard
from app.ui.window.resume_commands import ResumeCommands
from app.ui.window.settings_window import SettingsWindow
from app.window_services import Services


class Nestling(Services):
    """The window's parts, connected to the services behind it.

    Call `shut_down` before the QApplication is destroyed.
    """

    def __init__(self, application: QApplication, config: TrainingConfig | None = None) -> None:
        super().__init__(config)
        self._application = application
        self.appearance = ThemeController(application, self.settings, self)
        self.actions = RunActions(self.state, self.control, self.queue)
        self.desktop_status = DesktopStatus(
            self.state, self.settings, SleepGuard(self), Notifications(self, icons.app_icon()),
            Dock(application, icons.app_icon()) if file_manager.HAS_DOCK else None,
        )  # fmt: skip
        self._make_window(self.settings)
        self._wire_pages()
        self._wire_playground()
        self._wire_models()
        self._wire_window()
        if config is None:
            self.window.restore_place()

    def _make_window(self, settings: Preferences) -> None:
        """Create the pages and the objects that carry out their requests."""
        state, actions = self.state, self.actions
        self.new_run = NewRunPage(state, self.data_work, actions, settings)
        self.data = DataPage(state, self.data_work)
        self.runs = RunsPage(state, self.pace, actions, self.queue, settings, self.study)
        self.models = ModelsPage()
        self.playground = PlaygroundPage(self.trial, settings)
        self.window = MainWindow(
            {
                Place.NEW_RUN: self.new_run,
                Place.RUNS: self.runs,
                Place.DATA: self.data,
                Place.MODELS: self.models,
                Place.PLAYGROUND: self.playground,
            },
            settings,
        )
        self.errors = ErrorDialog(self.window)
        self.quitting = QuitGuard(state, self.control, self.window)
        self.commands = Commands(
            state, self.window, self.file_opener, self.datasets, self.export, self.runs,
            self.new_run.form.files,
        )  # fmt: skip
        self.resume_commands = ResumeCommands(
            state, self.window, self.runs, self.control, self.queue, self.background, runs_dir()
        )
        self.plan_commands = PlanCommands(
            state, self.window, self.runs, self.queue, self.datasets, self.commands
        )
        self.library_commands = LibraryCommands(
            state, self.live_series, self.window, self.runs, self.control, self.resume_commands,
            self.undo, self.queue, self.background, settings, runs_dir(),
        )  # fmt: skip
        self.models_commands = ModelsCommands(
            state, self.models, self.background, self.window.notice, self.window
        )
        self.try_commands = PlaygroundCommands(
            self.window, self.playground, self.background, runs_dir()
        )
        self.opening = Opening(
            self.window, self.commands, self.library_commands, self.try_commands, self.study,
            self.plan_commands,
        )  # fmt: skip
        self.retention = RetentionDefault(state, settings)
        self.settings_window = SettingsWindow(
            self.window, settings, self.appearance, self.retention, self.desktop_status
        )
        self.guide = Guide(self.window, self.appearance)
        self.history = PlaceHistory(self.window, self.runs, self.library_commands)
        self.menu_commands = MenuCommands(
            state, settings, self.window, self.undo, self.history, self.commands,
            self.library_commands, self.queue, self.quitting, self.settings_window, self.guide,
            self.study,
        )  # fmt: skip
        self.menus = Menus(
            self.window, actions, EditCommands(self.undo), self.menu_commands.handlers()
        )

    def _wire_pages(self) -> None:
        page, runs, commands = self.new_run, self.runs, self.commands
        for choose in (page.data.choose_requested, page.hero.choose_requested):
            choose.connect(commands.choose_dataset)
        page.data.mixed.add_requested.connect(commands.add_dataset)
        page.model.starter_requested.connect(self.file_opener.use_starter_model)
        page.hero.sample_requested.connect(commands.use_sample)
        page.form.defaults_requested.connect(self.menu_commands.restore_defaults)
        page.form.files_requested.connect(commands.choose_setting_files)
        for look in (page.data.look_closer_requested, page.header.data_requested,
                     page.rows.data_requested):  # fmt: skip
            look.connect(self.data.look_closer)
            look.connect(self._show_data)
        self.data.dataset_choice_requested.connect(commands.choose_dataset)
        self.data.further_requested.connect(commands.add_dataset)
        self.data.sample_requested.connect(commands.use_sample)
        for reveals in (self.data, self.datasets):
            reveals.reveal_requested.connect(commands.reveal)
        self.data.file_requested.connect(commands.open_text)
        self.data.use_requested.connect(lambda: self.window.show_place(Place.NEW_RUN))
        self.datasets.attention_wanted.connect(self._show_data)
        self.datasets.removed.connect(self.menu_commands.offer_removed)
        self.live_run.changed.connect(runs.list.show_live)
        self.live_run.changed.connect(runs.opened.show_live)
        self.live_run.changed.connect(runs.study.show_live)
        self.live_run.changed.connect(self.window.show_progress)
        for view in (runs.list, runs.opened):
            view.reveal_requested.connect(commands.reveal)
            view.export_requested.connect(commands.export_run)
        runs.opened.checkpoints.export_requested.connect(commands.export_checkpoint)
        runs.list.sample_requested.connect(commands.use_sample)
        self.actions.start.triggered.connect(self.library_commands.show_started)
        self.library_commands.listed.connect(page.start_from.show_runs)
        page.start_from.run_requested.connect(self._show_run)

    def _wire_playground(self) -> None:
        runs, commands = self.runs, self.try_commands
        runs.list.try_requested.connect(commands.try_run)
        runs.opened.try_requested.connect(commands.try_run)
        runs.opened.question_requested.connect(commands.try_question)
        runs.opened.checkpoints.try_requested.connect(commands.try_checkpoint)
        self.playground.sample_requested.connect(self.commands.use_sample)
        self.trial.asked.connect(self.preview.make_way)
        self.trial.ended.connect(self.preview.refresh)
        self.trial.defect_met.connect(self.errors.show_failure)

    def _wire_models(self) -> None:
        card = self.new_run.model
        menu = self.model_menu = ModelMenu(self.state, self.models, card.choose)
        card.choose_requested.connect(menu.open)
        menu.use_requested.connect(self.commands.open_path)
        menu.page_requested.connect(self._show_models)
        menu.folder_requested.connect(self.commands.choose_model)
        self.models.list.use_requested.connect(self.commands.open_path)
        self.models.list.reveal_requested.connect(self.commands.reveal)
        self.file_opener.model_taken.connect(self.models_commands.note_used)
        self.models_commands.facts_changed.connect(card.show_facts)

    def _wire_window(self) -> None:
        window, commands = self.window, self.commands
        self.state.phase_changed.connect(self._follow_phase)
        self.menus.file.aboutToShow.connect(self._prepare_file_menu)
        window.pages.currentChanged.connect(lambda _: self.menus.mark_place(window.place))
        self.menus.view.aboutToShow.connect(
            lambda: self.menus.allow_turning(*map(self.history.can_turn, (-1, 1)))
        )
        self.menus.run.aboutToShow.connect(
            lambda: self.menus.allow_queue(
                why_not_start=self.queue.why_not_start(), is_going=self.queue.is_going
            )
        )
        self.menus.mark_place(window.place)
        window.sidebar.shown_place_clicked.connect(self._show_root)
        window.paths_dropped.connect(self.opening.open_paths)
        window.dragged_over.connect(self.new_run.highlight_drop)
        window.first_painted.connect(self._load_deferred)
        window.closed.connect(self._remember)
        self.quitting.ready.connect(self._leave)
        self.live_run.changed.connect(self.desktop_status.show_progress)
        self.desktop_status.run_requested.connect(self._show_run)
        self.control.run_ended.connect(self.library_commands.refresh)
        self.queue.failed.connect(window.notice.tell_failure)
        self.study.failed.connect(window.notice.tell_failure)
        self.study.opened.connect(lambda: window.show_place(Place.RUNS))
        self.queue.went_on.connect(commands.tell_queue_went_on)
        self.queue.added.connect(commands.tell_queued)
        self.queue.updated.connect(commands.tell_queue_updated)
        self.quitting.decided.connect(self.queue.note_quitting)
        self.runs.opened.head.more.queue_requested.connect(self.queue.add)
        self.control.run_ended.connect(window.notice.leave)
        self.control.defect_met.connect(self.errors.show_failure)
        self.file_opener.refused.connect(window.notice.tell_failure)
        self.datasets.refused.connect(window.notice.tell_failure)
        for taken in (self.datasets.accepted, self.file_opener.model_taken):
            taken.connect(window.notice.leave)
        self.datasets.opened.connect(lambda path: self.recent.add(path.name, path))
        self.file_opener.model_chosen.connect(
            lambda path: self.recent.add(tr("{name} (model)", name=path.name), path)
        )
        self.library_commands.run_opened.connect(
            lambda name, path: self.recent.add(tr("{name} (run)", name=name), path)
        )
        self.study.opened.connect(
            lambda path: self.recent.add(tr("{name} (study)", name=path.stem), path)
        )
        # Queued, so that this notice comes after others of the same change, which it would replace.
        self.plan.sample_left.connect(commands.tell_sample_left, Qt.ConnectionType.QueuedConnection)
        self.data_work.watch.read_again.connect(commands.tell_changed)
        self.file_opener.model_taken.connect(self.preview.ask_again)
        self.file_opener.model_taken.connect(self.data_work.tokenizer.ask_again)
        self.state.run_cleared.connect(window.notice.leave)
        self.state.run_event_received.connect(commands.tell_warning)
        self.export.failed.connect(window.notice.tell_failure)
        self.export.exported.connect(commands.tell_exported)
        self.export.progressed.connect(commands.tell_exporting)
        self.export.cancelled.connect(commands.tell_not_exported)
        self.appearance.theme_changed.connect(window.set_theme)
        self.appearance.begin()

    @Slot()
    def _follow_phase(self) -> None:
        self.runs.set_busy(self.state.run_blocker())

    @Slot()
    def _prepare_file_menu(self) -> None:
        commands = self.commands
        self.menus.allow_taking(commands.why_not_reveal(), commands.why_not_export())
        self.menus.show_recent(
            self.recent.items(), lambda path: self.opening.open_paths((path,)), self.recent.clear
        )

    @Slot(object)
    def _show_root(self, place: Place) -> None:
        """A click on the current page's button: Runs returns to the list of all runs."""
        if place is Place.RUNS:
            self.runs.show_list()

    @Slot(object)
    def _show_run(self, run_dir: Path | None) -> None:
        self.window.come_forward()
        if run_dir is not None:
            self.library_commands.open_run(run_dir)
            self.window.show_place(Place.RUNS)

    @Slot()
    def _leave(self) -> None:
        self.window.close()
        self._application.quit()

    @Slot()
    def _remember(self) -> None:
        self.plan.write()
        self.runs.list.remember(self.runs.opened_run_dir)
        self.runs.opened.keep_label()

    @Slot()
    def _show_models(self) -> None:
        self.window.show_place(Place.MODELS)

    @Slot()
    def _show_data(self) -> None:
        self.window.show_place(Place.DATA)

    @Slot()
    def _load_deferred(self) -> None:
        """Start everything that the first paint didn't need."""
        self.data_work.begin()
        if self.state.dataset is None and not self.state.is_inspecting:
            self.datasets.read_again()
        self.preview.refresh()
        self.library_commands.list_runs()
        self.queue.load()
        self.models_commands.refresh()
        self.idle_work.add(self._load_plotting())

    def _load_plotting(self) -> Iterator[None]:
        yield from make_qt_types()
        self.background.run(import_plotting, self._make_plots, self.window.notice.tell_failure)

    def _make_plots(self, _: None) -> None:
        self.idle_work.add(self.runs.opened.plots_place.steps())
        self.idle_work.add(self.data.loading())

    @Slot()
    def start(self) -> None:
        """Start the plan at once and show the run's page."""
        self.control.start()
        self.library_commands.show_started()

    def own_the_process(self) -> None:
        """Declare this the only window of the process, so that objects from the start can be
        excluded from garbage collection.
        """
        self.state.preview_changed.connect(self._freeze_start_objects)

    @Slot()
    def _freeze_start_objects(self) -> None:
        """Once the engine has counted the tiers' parameters, all slow imports are done."""
        if self.state.preview is not None:
            self.state.preview_changed.disconnect(self._freeze_start_objects)
            self.collecting.pass_over_what_is_there()

    def shut_down(self) -> None:
        self.errors.uninstall()
        self.desktop_status.shut_down()
        super().shut_down()
