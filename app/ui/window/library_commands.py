"""The commands of the Runs page: lists, opens, renames, compares and exports runs."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot

from app.core.errors import Failure
from app.core.events import RunStarted
from app.core.text.sanitize import single_line
from app.core.text.translation import tr
from app.ui.run.live_refresh import LiveRefresh
from app.ui.run.run_export import RunExport
from app.ui.run.run_head import interruption
from app.ui.runs.compared_losses import comparing
from app.ui.runs.runs_page import RunsPage
from app.ui.runs.trash_actions import TrashActions
from app.ui.state.app_state import AppState
from app.ui.state.live_run import LiveRun, LiveSeries
from app.ui.state.run_control import RunControl
from app.ui.state.run_loading import ReadRun, reading
from app.ui.state.run_queue import RunQueue
from app.ui.state.undo import UndoHistory
from app.ui.state.window_pages import Place
from app.ui.system.stored_preferences import Preferences
from app.ui.window.main_window import MainWindow
from app.ui.window.resume_commands import ResumeCommands
from app.workers.background_thread import BackgroundThread
from app.workers.tasks import library

if TYPE_CHECKING:
    from app.library.reading.run_details import RunDetails
    from app.library.reading.run_summary import RunSummary

_INTERRUPTED_KEY = "library/interrupted"


class LibraryCommands(QObject):
    run_opened = Signal(str, object)
    """Arguments: the name of the opened run, and the path of its folder."""
    run_restored = Signal()
    """The run that was open when the window closed is open again."""
    listed = Signal(object)
    """Argument: the library's runs as a list of RunSummary."""

    def __init__(
        self,
        state: AppState,
        live: LiveSeries,
        window: MainWindow,
        page: RunsPage,
        control: RunControl,
        resuming: ResumeCommands,
        undo: UndoHistory,
        queue: RunQueue,
        background: BackgroundThread,
        settings: Preferences,
        runs_dir: Path,
    ) -> None:
        super().__init__(window)
        self._state, self._window, self._resuming = state, window, resuming
        self._background, self._tell_failure = background, window.notice.tell_failure
        self._settings, self._runs_dir = settings, runs_dir
        self._page = page
        self._live = live
        self._wanted: Path | None = None
        self._restored: Path | None = None
        """The run to restore from the last session, until it is open."""
        self._opened: Path | None = None
        self._is_first_listing = True
        self._following = LiveRefresh(page.opened)
        self.deleting = TrashActions(background, window.notice, undo, queue, self)
        self.exports = RunExport(background, window.notice, window)
        self._wire(control)

    def _wire(self, control: RunControl) -> None:
        runs, opened = self._page.list, self._page.opened
        self._page.came_into_sight.connect(self._check_opened_folder)
        runs.refresh_requested.connect(self.list_runs)
        runs.open_requested.connect(self.open_run)
        runs.compare_requested.connect(self.compare)
        runs.delete_requested.connect(self.deleting.delete_runs)
        runs.attempt_requested.connect(self._page.show_attempt)
        opened.back_requested.connect(self.stop_opening)
        opened.head.chain.run_requested.connect(self.open_run)
        self._state.run_event_received.connect(self._follow_event)
        control.run_resumed.connect(self._show_resumed)
        opened.label_changed.connect(self.relabel)
        opened.delete_requested.connect(self.deleting.delete_runs)
        opened.head.more.settings_export_requested.connect(self.exports.ask_settings)
        opened.head.more.data_export_requested.connect(
            lambda details: self.exports.ask_data([details.summary.run_dir])
        )
        opened.head.more.plots_export_requested.connect(self._export_plots)
        self._following.due.connect(self.open_run)
        self._live.grown.connect(self._note_news)
        checkpoints = opened.checkpoints
        checkpoints.delete_requested.connect(self.deleting.delete_checkpoints)
        checkpoints.thin_out_requested.connect(self._thin_out)
        self.deleting.changed.connect(self.refresh)
        compared = self._page.compared
        compared.plots_export_requested.connect(
            lambda shown: self.exports.ask_picture(shown, "Compared runs")
        )
        compared.data_export_requested.connect(self.exports.ask_data)
        study = self._page.study
        study.report_export_requested.connect(self.exports.ask_study)
        study.picture_export_requested.connect(self.exports.ask_picture)

    # -- the list and the opened run ----------------------------------------------------------
    @Slot()
    def list_runs(self) -> None:
        self._background.run(
            partial(library.list_runs, self._runs_dir), self._take_runs, self._tell_failure
        )

    @Slot()
    def refresh(self) -> None:
        """Read the list and the opened run again."""
        self.list_runs()
        if (run_dir := self._page.opened_run_dir) is not None:
            self.open_run(run_dir)

    @Slot(object)
    def open_run(self, run_dir: Path) -> None:
        """Open a run. If another one is requested before it is read, only that one opens."""
        self._wanted = run_dir
        self._background.run(
            reading(run_dir), lambda run: self._take_run(run_dir, run), self._tell_failure
        )

    @Slot()
    def stop_opening(self) -> None:
        """Don't open the run that is still being read."""
        self._wanted = None

    @Slot(object)
    def compare(self, runs: "tuple[RunSummary, ...]") -> None:
        """Compare up to eight runs."""
        run_dirs = [run.run_dir for run in runs]
        self._background.run(comparing(run_dirs), self._page.show_compared, self._tell_failure)

    def _take_runs(self, runs: "list[RunSummary]") -> None:
        self._page.list.show_runs(runs)
        self.listed.emit(runs)
        if self._is_first_listing:
            self._is_first_listing = False
            self._report_interrupted(runs)
            self._open_remembered()

    def show_started(self) -> None:
        """Show the page of the run that has just started and has no folder yet."""
        if self._state.phase.is_active:
            self._wanted = None
            self._page.show_attempt()
            self._window.show_place(Place.RUNS)

    @Slot(object)
    def _show_resumed(self, run_dir: Path) -> None:
        self.open_run(run_dir)
        self._window.show_place(Place.RUNS)

    @Slot(object)
    def _follow_event(self, event: object) -> None:
        """Once the shown run has a folder, open it from there."""
        if isinstance(event, RunStarted) and self._page.is_attempt_shown:
            self.open_run(event.run_dir)

    def _open_remembered(self) -> None:
        """Open the run that was open in the last session, unless another one is."""
        run_dir = self._page.list.selection.remembered_opened()
        if run_dir is not None and self._wanted is None and self._window.place is Place.RUNS:
            self._restored = run_dir
            self.open_run(run_dir)

    def _take_run(self, run_dir: Path, run: ReadRun | None) -> None:
        if run_dir != self._wanted:
            return
        if run is None:
            finished = self._state.finished
            was_kept = self._state.started is not None
            if finished is not None and finished.run_dir == run_dir and not was_kept:
                self._page.show_attempt()
            else:
                self._page.show_list()
            return
        is_live = self._state.is_training(run_dir)
        self._page.show_run(self._as_known(run) if is_live else run, is_live=is_live)
        self._following.note_read(run)
        if self._opened != run_dir:
            self._opened = run_dir
            self.run_opened.emit(single_line(run.details.summary.name), run_dir)
        if self._restored == run_dir and self._window.place is Place.RUNS:
            self._restored = None
            self.run_restored.emit()

    @Slot()
    def _check_opened_folder(self) -> None:
        """Show the list if the folder of the opened run no longer exists."""
        if (run_dir := self._page.opened_run_dir) is not None:
            self._background.run(
                run_dir.is_dir, lambda is_there: self._take_folder_check(run_dir, is_there),
                self._tell_failure,
            )  # fmt: skip

    def _take_folder_check(self, run_dir: Path, is_there: bool) -> None:
        if not is_there and self._page.opened_run_dir == run_dir:
            self._page.show_list()
            problem = tr("The run's folder is no longer at {path}.", path=run_dir)
            self._window.notice.tell_problem(problem)

    def _as_known(self, run: ReadRun) -> ReadRun:
        """The run in progress, with the newer values from this window."""
        live = LiveRun.of(self._state)
        if live is None:
            return run
        details = replace(run.details, summary=live.over(run.details.summary))
        return replace(run, details=details, series=self._live.series or run.series)

    def _note_news(self) -> None:
        """Update the plots if they show the run in progress."""
        plots = self._page.opened.plots
        if plots is not None and plots.series is self._live.series:
            plots.note_news()

    def _report_interrupted(self, runs: "list[RunSummary]") -> None:
        """Tell the user once about each interrupted run, and offer to resume it."""
        notified = self._settings.text(_INTERRUPTED_KEY).split("/")
        found = [run for run in runs if run.outcome == "interrupted"]
        new = [run for run in found if run.run_dir.name not in notified]
        self._settings.set(_INTERRUPTED_KEY, "/".join(run.run_dir.name for run in found))
        if len(new) > 1:
            sentence = tr(
                "{n:,} runs were interrupted. You can resume them from their last checkpoints.",
                n=len(new),
            )
            show = lambda: self._window.show_place(Place.RUNS)  # noqa: E731
            self._window.notice.tell(sentence, tr("Show Runs"), show, is_lasting=True)
        elif new:
            self._offer_resume(new[0])

    def _offer_resume(self, run: "RunSummary") -> None:
        can_resume_now = run.can_resume and not self._state.phase.is_active
        interrupted = tr("“{name}” was interrupted.", name=single_line(run.name))
        sentence = f"{interrupted} {interruption(run)}".rstrip()
        resume = (lambda: self._resuming.resume(run)) if can_resume_now else None
        self._window.notice.tell(
            sentence, tr("Resume") if can_resume_now else "", resume, is_lasting=True
        )

    # -- commands for a run -------------------------------------------------------------------
    @Slot(object, str, str)
    def relabel(self, run_dir: Path, name: str, notes: str) -> None:
        def fail(failure: Failure) -> None:
            self._page.opened.note_label_refused(run_dir)
            self._tell_failure(failure)

        work = partial(library.label_run, run_dir, name, notes)
        self._background.run(work, lambda _: self.refresh(), fail, run_on_quit=True)

    def _thin_out(self) -> None:
        if (run_dir := self._page.opened_run_dir) is not None:
            self.deleting.keep_best_and_last(run_dir)

    def _export_plots(self, details: "RunDetails") -> None:
        if (plots := self._page.opened.plots) is not None:
            self._page.opened.show_part(0)
            self.exports.ask_picture(plots, details.summary.name)
