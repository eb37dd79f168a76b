"""The Runs page: a stack with the list of runs, a single run, a comparison, and a study."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, Signal
from PySide6.QtWidgets import QStackedWidget, QWidget

from app.ui.look.theme import Theme
from app.ui.run.run_actions import RunActions
from app.ui.run.run_view import RunView
from app.ui.runs.compare_view import CompareView
from app.ui.runs.compared_losses import Compared
from app.ui.runs.runs_view import RunsView
from app.ui.runs.study_view import StudyView
from app.ui.state.app_state import AppState
from app.ui.state.run_loading import ReadRun
from app.ui.state.run_pace import RunPace
from app.ui.state.run_queue import RunQueue
from app.ui.state.study_control import StudyControl
from app.ui.system.stored_preferences import Preferences
from app.ui.tables.row_table import HasVerbs
from app.ui.widgets.basic_widgets import leave_focus
from app.ui.widgets.layouts import lay_out

if TYPE_CHECKING:
    from app.library.reading.run_summary import RunSummary


class RunsPage(QWidget):
    came_into_sight = Signal()
    """The page or its window was shown or activated, so files on disk may have changed since."""

    def __init__(
        self,
        state: AppState,
        pace: RunPace,
        actions: RunActions,
        queue: RunQueue,
        settings: Preferences,
        study: StudyControl,
    ) -> None:
        super().__init__()
        self.setObjectName("page")
        self.list = RunsView(state, queue, settings)
        self.opened = RunView(state, pace, actions)
        self.compared = CompareView()
        self.study = StudyView(study)
        self.views = QStackedWidget()
        for view in (self.list, self.opened, self.compared, self.study):
            self.views.addWidget(view)
        lay_out(self, self.views)
        self.opened.back_requested.connect(self.show_list)
        self.compared.back_requested.connect(self.show_list)
        self.study.back_requested.connect(self.show_list)
        study.opened.connect(self.show_study)
        study.changed.connect(lambda: self.list.back_to_study.show_study(study.study))
        self.list.back_to_study.open_requested.connect(self.show_study)

    @property
    def opened_run_dir(self) -> Path | None:
        """The folder of the run whose page is shown, or None."""
        is_shown = self.views.currentWidget() is self.opened and self.opened.run is not None
        run = self.opened.run
        return run.details.summary.run_dir if is_shown and run is not None else None

    def show_view(self, view: QWidget) -> None:
        if view is not self.views.currentWidget():
            leave_focus(self.views)
            self.views.setCurrentWidget(view)

    def verbs(self) -> dict[str, Callable[[], None]]:
        """The Edit menu's actions for the current view."""
        shown = self.views.currentWidget()
        return shown.verbs() if isinstance(shown, HasVerbs) else {}

    def show_list(self) -> None:
        self.show_view(self.list)

    def show_attempt(self) -> None:
        """Show this window's run while it has no folder."""
        self.opened.show_attempt()
        self.show_view(self.opened)

    @property
    def is_attempt_shown(self) -> bool:
        return self.views.currentWidget() is self.opened and self.opened.is_attempt

    def show_run(self, run: ReadRun, *, is_live: bool) -> None:
        self.opened.show_run(run, is_live=is_live)
        self.show_view(self.opened)

    def show_compared(self, runs: tuple[Compared, ...]) -> None:
        self.compared.show_runs(runs)
        self.show_view(self.compared)

    def show_study(self) -> None:
        """Show the open study."""
        self.study.refresh()
        self.show_view(self.study)

    def event(self, event: QEvent) -> bool:
        is_new_look = event.type() in (QEvent.Type.Show, QEvent.Type.WindowActivate)
        if is_new_look and self.isVisible():
            self.came_into_sight.emit()
        return super().event(event)

    def set_busy(self, why_not: str) -> None:
        """`why_not`: why no run can be resumed now; empty if runs can be."""
        self.list.set_busy(why_not)
        self.opened.set_busy(why_not)

    def set_theme(self, theme: Theme) -> None:
        self.list.set_theme(theme)
        self.opened.set_theme(theme)
        self.compared.set_theme(theme)
        self.study.set_theme(theme)

    @property
    def run_in_hand(self) -> "RunSummary | None":
        """The opened run, or the only selected run if the list is shown."""
        if self.views.currentWidget() is self.list:
            return self.list.selection.run()
        run = self.opened.run
        return run.details.summary if self.opened_run_dir is not None and run is not None else None
