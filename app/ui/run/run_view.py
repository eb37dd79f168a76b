"""A run's page: its progress or result, then plots, questions, checkpoints, data, settings, log and
notes. Only emits signals for the user's requests.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import QStackedWidget, QWidget

from app.core.text.sentences import localized
from app.core.text.translation import tr
from app.ui.look.stylesheet import SCROLL_BAR_PX
from app.ui.look.theme import Theme
from app.ui.run.checkpoints_view import CheckpointsView
from app.ui.run.label_fields import LabelFields
from app.ui.run.live_status import ProgressView, phase_words
from app.ui.run.property_list import FactsView
from app.ui.run.questions_view import QuestionsView
from app.ui.run.result_card import ResultCard
from app.ui.run.run_actions import RunActions
from app.ui.run.run_description import base_model_facts, data_facts, setting_facts
from app.ui.run.run_head import RunHead, interruption
from app.ui.run.run_plots_opening import LazyPlots
from app.ui.run.searchable_text import SearchableText
from app.ui.state.app_state import AppState
from app.ui.state.live_run import LiveRun
from app.ui.state.run_loading import ReadRun
from app.ui.state.run_pace import RunPace
from app.ui.widgets.basic_widgets import TabRow
from app.ui.widgets.layouts import GRID_PX, column, grows, lay_out, row, scrolling

if TYPE_CHECKING:
    from app.library.reading.run_summary import RunSummary
    from app.ui.plots.run_plots import RunPlots

PARTS = (
    tr("Plots"), tr("Questions"), tr("Checkpoints"), tr("Data"), tr("Settings"), tr("Log"),
    tr("Notes"),
)  # fmt: skip
PLOTS, QUESTIONS, *_, LOG, NOTES = range(len(PARTS))


class RunView(QWidget):
    back_requested = Signal()
    label_changed = Signal(object, str, str)
    """Arguments: the path of the run's folder, its new name and notes."""
    resume_requested = Signal(object)
    """Argument: RunSummary."""
    try_requested = Signal(object)
    """Argument: RunSummary."""
    question_requested = Signal(object, str)
    """Arguments: RunSummary, and the question to ask again."""
    export_requested = Signal(object)
    """Argument: RunSummary."""
    reveal_requested = Signal(object)
    """Argument: Path."""
    delete_requested = Signal(object)
    """Argument: a tuple of RunSummary."""
    shown = Signal()
    """The page has become visible."""

    def __init__(self, state: AppState, pace: RunPace, actions: RunActions) -> None:
        super().__init__()
        self.setObjectName("page")
        self._state = state
        self.run: ReadRun | None = None
        self.is_attempt = False
        """Whether the page shows this window's run that has no folder, because it has just started
        or failed early.
        """
        self._busy = ""
        self.progress = ProgressView(state, pace)
        self.result = ResultCard()
        self.head = self._make_head(actions)
        self._make_parts()
        self.label = LabelFields(self.head.name, self.notes)
        self._tabs_row = QWidget()
        self._tabs_row.setLayout(row(self.tabs, None))
        # The plots' scroll bar lies in the page margin, so that all cards are equally wide.
        top = column(self.head, self.progress, self.result, self._tabs_row, spacing=12)
        top.setContentsMargins(0, 0, SCROLL_BAR_PX, 0)
        margins_px = (3 * GRID_PX, 2 * GRID_PX, 3 * GRID_PX - SCROLL_BAR_PX, 2 * GRID_PX)
        lay_out(self, top, grows(self.parts), spacing=12, margins_px=margins_px)
        state.phase_changed.connect(self._show_attempt)
        state.run_event_received.connect(lambda _: self._show_attempt())
        self._show_kind(is_live=False)

    # -- layout -------------------------------------------------------------------------------
    def _make_head(self, actions: RunActions) -> RunHead:
        head = RunHead(actions)
        head.back.clicked.connect(self.back_requested)
        head.name.editingFinished.connect(self.keep_label)
        head.resume.clicked.connect(lambda: self._ask(self.resume_requested))
        head.attempt.clicked.connect(lambda: self._ask(self.try_requested))
        head.export.clicked.connect(lambda: self._ask(self.export_requested))
        head.more.reveal_requested.connect(lambda _: self._ask_reveal())
        head.more.delete_requested.connect(lambda _: self._ask_delete())
        self.result.reveal_requested.connect(self.reveal_requested)
        self.result.questions_requested.connect(lambda: self.show_part(QUESTIONS))
        return head

    def _make_parts(self) -> None:
        self.plots_place = LazyPlots()
        self.questions = QuestionsView()
        self.questions.question_requested.connect(self._ask_question)
        self.checkpoints = CheckpointsView()
        self.settings = FactsView(tr("Settings of the run"))
        self.data = FactsView(tr("Data of the run"))
        self._log = SearchableText(tr("Log of the run"), is_editable=False)
        notes = SearchableText(tr("Notes"), is_editable=True)
        notes.text.setPlaceholderText(tr("Add notes"))
        self.log, self.notes = self._log.text, notes.text
        self.finders = {LOG: self._log.finder, NOTES: notes.finder}
        self.parts = QStackedWidget()
        views = (
            scrolling(self.plots_place), _beside_a_bar(self.questions),
            _beside_a_bar(self.checkpoints), self.data, self.settings, _beside_a_bar(self._log),
            _beside_a_bar(notes),
        )  # fmt: skip
        for part in views:
            self.parts.addWidget(part)
        self.tabs = TabRow(PARTS, tr("Parts of the run"))
        self.tabs.currentChanged.connect(self.parts.setCurrentIndex)
        self.tabs.currentChanged.connect(lambda _: self.keep_label())

    # -- content ------------------------------------------------------------------------------
    def show_run(self, run: ReadRun, *, is_live: bool = False) -> None:
        """Show another run, or update the same one. While it is live, its series grows."""
        before = self.run.details.summary if self.run is not None else None
        details, summary = run.details, run.details.summary
        is_same = before is not None and before.run_dir == summary.run_dir
        self.label.show_read(summary, keeps_edits=is_same)
        self.run = run
        self.is_attempt = False
        self._show_kind(is_live=is_live)
        self.result.show_run(run)
        is_in_result = is_live or summary.outcome in ("finished", "stopped")
        self._show_standing(summary, "" if is_in_result else localized(details.message))
        self.head.show_problem(localized(details.problem))
        self.head.show_base_model(run.base_model)
        self.head.chain.show_runs(run.chain)
        self.head.more.show_run(details, has_steps=run.series.has_steps)
        self.questions.show_run(details, is_live=is_live)
        self.checkpoints.show_run(details)
        self.settings.show_facts(setting_facts(details))
        self.data.show_facts(
            {
                tr("Data and results"): data_facts(details),
                tr("Base model"): base_model_facts(details, run.base_model),
            }
        )
        self._log.show_grown(details.log)
        self.plots_place.show_series(run.series, is_same=is_same, is_live=is_live)
        if not is_same:
            self.show_part(0)

    def show_attempt(self) -> None:
        """Show this window's run while it has no folder."""
        self.keep_label()
        self.run, self.is_attempt = None, True
        self.plots_place.show_nothing()
        self.show_part(PLOTS)
        self.head.show_problem("")
        self.head.warning.hide()
        self.head.chain.hide()
        self.head.subtitle.hide()
        self._show_attempt()

    def _show_attempt(self) -> None:
        if not self.is_attempt:
            return
        self.label.show_name(self._state.run_name)
        self.head.show_pill(*phase_words(self._state))
        self._show_kind(is_live=self._state.phase.is_active)

    def _show_kind(self, *, is_live: bool) -> None:
        """Show the progress while the run trains here, else its result."""
        has_folder = self.run is not None
        self.progress.setVisible(is_live or self.is_attempt)
        self.result.setVisible(has_folder and not is_live)
        self._tabs_row.setVisible(has_folder)
        self.head.show_kind(is_live=is_live, has_folder=has_folder)
        if not has_folder:
            self.head.show_resume(is_resumable=False, why_not="")

    def show_live(self, live: LiveRun | None) -> None:
        """Update the head with the state of the run in progress, if this page shows it."""
        if self.run is None or live is None or live.run_dir != self.run.details.summary.run_dir:
            return
        summary = live.over(self.run.details.summary)
        self._take(self.run, summary)
        self._show_standing(summary, "")

    def show_part(self, index: int) -> None:
        self.tabs.setCurrentIndex(index)

    def set_busy(self, why_not: str) -> None:
        """`why_not`: why no run can be resumed or repeated now; empty if runs can be."""
        self._busy = why_not
        self._show_resume()
        self.checkpoints.set_busy(why_not)

    def verbs(self) -> dict[str, Callable[[], None]]:
        """The Edit menu's actions for the shown text."""
        finder = self.finders.get(self.tabs.currentIndex()) if self.run is not None else None
        return finder.verbs() if finder is not None else {}

    def set_theme(self, theme: Theme) -> None:
        self.questions.set_theme(theme)
        self.checkpoints.set_theme(theme)
        self.plots_place.set_theme(theme)
        for finder in self.finders.values():
            finder.set_theme(theme)

    @property
    def plots(self) -> "RunPlots | None":
        return self.plots_place.plots

    def _show_standing(self, summary: "RunSummary", ending: str) -> None:
        if summary.outcome == "interrupted":
            ending = self._interruption(summary)
        self.head.show_standing(summary, ending)
        self._show_resume()

    def _interruption(self, summary: "RunSummary") -> str:
        why_not = self.run.details.resume_blocker if self.run is not None else ""
        is_damaged = summary.can_resume and bool(why_not)
        return localized(why_not) if is_damaged else interruption(summary)

    def _show_resume(self) -> None:
        if self.run is None:
            return
        details = self.run.details
        why_not = localized(details.resume_blocker) or self._busy
        self.head.show_resume(is_resumable=details.summary.can_resume, why_not=why_not)

    def _take(self, run: ReadRun, summary: "RunSummary") -> None:
        self.run = replace(run, details=replace(run.details, summary=summary))

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.shown.emit()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self.keep_label()

    # -- requests -----------------------------------------------------------------------------
    def keep_label(self) -> None:
        """Save name and notes if they were edited."""
        if self.run is None or not self.label.is_edited:
            return
        before = self.run.details.summary
        summary = self.label.edited(before)
        if summary != before:
            self._take(self.run, summary)
            self.label_changed.emit(summary.run_dir, summary.name, summary.notes)

    def note_label_refused(self, run_dir: Path) -> None:
        """Saving the label failed: keep it in the fields as an unsaved edit."""
        if self.run is None or self.run.details.summary.run_dir != run_dir:
            return
        self._take(self.run, self.label.refused(self.run.details.summary))

    def _ask(self, signal: object) -> None:
        if self.run is not None:
            signal.emit(self.run.details.summary)  # type: ignore[attr-defined]

    def _ask_question(self, question: str) -> None:
        if self.run is not None:
            self.question_requested.emit(self.run.details.summary, question)

    def _ask_reveal(self) -> None:
        if self.run is not None:
            self.reveal_requested.emit(self.run.details.summary.run_dir)

    def _ask_delete(self) -> None:
        if self.run is not None:
            self.delete_requested.emit((self.run.details.summary,))


def _beside_a_bar(part: QWidget) -> QWidget:
    """Indents a part without a scroll bar to the width of the scrolling parts."""
    made = QWidget()
    lay_out(made, part, spacing=0, margins_px=(0, 0, SCROLL_BAR_PX, 0))
    return made
