"""The Playground page: a checkpoint answers beside its base model. Only emits signals for the
user's requests.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QHideEvent, QKeySequence, QShortcut, QShowEvent
from PySide6.QtWidgets import QPushButton, QStackedWidget, QWidget

from app.core.text.translation import tr
from app.ui.look.plain_text import set_tip
from app.ui.look.stylesheet import SCROLL_BAR_PX
from app.ui.look.theme import Theme
from app.ui.playground.checkpoint_picker import Chooser
from app.ui.playground.conversation_view import Conversation
from app.ui.playground.playground_session import PlaygroundSession
from app.ui.playground.prompt_input import Composer, shortened_question
from app.ui.playground.sampling_form import SamplingForm
from app.ui.system.stored_preferences import Preferences
from app.ui.widgets.basic_widgets import button, empty_page, label, message, say
from app.ui.widgets.layouts import GRID_PX, clear, column, grows, lay_out, row

if TYPE_CHECKING:
    from app.library.reading.run_summary import RunSummary

IDLE_MS = 60_000
"""The delay after which the model is unloaded when the page is hidden."""
WORDS_PX = 460
LOOKING, EMPTY, READY, TALK = range(4)


class PlaygroundPage(QWidget):
    refresh_requested = Signal()
    sample_requested = Signal()
    model_choice_requested = Signal()
    """The user wants to choose the base model's folder."""

    def __init__(self, trial: PlaygroundSession, settings: Preferences) -> None:
        super().__init__()
        self.setObjectName("page")
        self.trial = trial
        self._last_question = ""
        self.starters: tuple[QPushButton, ...] = ()
        self.chooser = Chooser()
        self.clear = button(tr("Clear"), trial.clear)
        self.problem = message("problem")
        self.find_model = button(tr("Choose Its Folder…"), self.model_choice_requested.emit)
        self.find_model.hide()
        self.conversation = Conversation(trial)
        self.form = SamplingForm(settings)
        self.composer = Composer(trial, self.form)
        self.sample = button(tr("Train on the Sample Data"), self.sample_requested.emit, "primary")
        self.body = QStackedWidget()
        for part in (_looking(), self._make_empty(), self._make_ready(), self.conversation):
            self.body.addWidget(part)
        self._is_listed = False
        self._lay_out()
        self._wire()
        self.chooser.hide()
        self._show_body()

    def _lay_out(self) -> None:
        beside_bar_px = GRID_PX + SCROLL_BAR_PX
        title = label(tr("Playground"), "title")
        # The combo boxes grow up to their maximum widths.
        choosers = grows(self.chooser, 100)
        head = row(title, GRID_PX, choosers, None, self.clear, beside_bar_px)
        problem = row(grows(self.problem), self.find_model, beside_bar_px)
        composer = row(self.composer, beside_bar_px, spacing=0)
        margins_px = (3 * GRID_PX, 2 * GRID_PX, 3 * GRID_PX - beside_bar_px, 2 * GRID_PX)
        lay_out(self, head, problem, grows(self.body), composer, spacing=12, margins_px=margins_px)

    def _make_empty(self) -> QWidget:
        words = tr("Train a model, then chat with it here.")
        return empty_page(tr("Nothing to Try Yet"), words, self.sample)

    def _make_ready(self) -> QWidget:
        """The page before the first question: an explanation, and suggested questions."""
        ready = QWidget()
        title = label(tr("Compare Answers"), "title")
        words = label(
            tr("Ask a question to compare the base model with your checkpoint. Both use "
            "the same seed, and their difference is measured."), "secondary", wraps=True,
        )  # fmt: skip
        words.setFixedWidth(WORDS_PX)
        for text in (title, words):
            text.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._starters = QWidget()
        self._starters_column = column(spacing=4)
        self._starters.setLayout(self._starters_column)
        starters = row(None, self._starters, None)
        whole = column(None, title, row(None, words, None), GRID_PX, starters)
        whole.addStretch(2)
        ready.setLayout(whole)
        return ready

    def _wire(self) -> None:
        trial = self.trial
        self._idle = QTimer(self, interval=IDLE_MS, singleShot=True)
        self._idle.timeout.connect(trial.free)
        self.chooser.subject_chosen.connect(trial.choose)
        self.composer.send_requested.connect(self._ask)
        self.composer.question_chosen.connect(self._ask)
        self.composer.stop_requested.connect(trial.stop)
        self._escape = QShortcut(QKeySequence(Qt.Key.Key_Escape), self)
        self._escape.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        self._escape.activated.connect(trial.stop)
        trial.subject_changed.connect(self._show_subject)
        trial.readiness_changed.connect(self._allow)
        trial.asked.connect(lambda _: self._show_body())
        trial.cleared.connect(self._show_body)

    # -- content ------------------------------------------------------------------------------
    def show_runs(self, runs: "list[RunSummary]") -> None:
        """List the runs that have a checkpoint, the newest first."""
        self._is_listed = True
        self.chooser.show_runs(runs)
        self.chooser.setVisible(bool(runs))
        self._show_body()

    def show_starters(self, questions: tuple[str, ...]) -> None:
        """Show suggested questions as buttons."""
        clear(self._starters_column)
        self.starters = tuple(self._starter(question) for question in questions)
        before: QWidget = self.clear
        for made in self.starters:
            self._starters_column.addWidget(made)
            self.setTabOrder(before, made)  # tab order: above the prompt field
            before = made
        self._allow()

    def _starter(self, question: str) -> QPushButton:
        made = button(shortened_question(question), lambda: self._ask(question), "starter")
        set_tip(made, question, is_wrapped=True)
        return made

    def show_questions(self, questions: Mapping[str, Mapping[str, str]]) -> None:
        """Show the chosen run's questions with their expected answers, by question set."""
        self.conversation.show_expected(questions.values())
        self.composer.show_questions(questions)

    def show_problem(self, sentence: str, *, is_model_missing: bool = False) -> None:
        """Show a problem of the chosen run; empty for none."""
        say(self.problem, sentence)
        self.find_model.setVisible(is_model_missing)

    def set_theme(self, theme: Theme) -> None:
        self.form.set_theme(theme)

    def _show_body(self) -> None:
        has_runs = self.chooser.run.count() > 0
        has_turns = bool(self.conversation.turns)
        can_ask = has_runs or has_turns
        comes_up = can_ask and self.composer.isHidden() and self.isVisible()
        self.composer.setVisible(can_ask)
        if comes_up:
            self.composer.field.setFocus()
        without_turns = READY if has_runs else EMPTY if self._is_listed else LOOKING
        self.body.setCurrentIndex(TALK if has_turns else without_turns)
        self.clear.setVisible(has_turns)

    def _show_subject(self) -> None:
        """Suggest the last question again, because users often ask several checkpoints the same
        one.
        """
        if self._last_question and not self.composer.field.toPlainText():
            self.composer.field.setPlainText(self._last_question)
            self.composer.field.selectAll()

    def _allow(self) -> None:
        # While the shortcut is disabled, the focused field gets the Escape key.
        self._escape.setEnabled(self.trial.is_answering)
        why_not = self.trial.why_not_ask()
        for starter in self.starters:
            starter.setEnabled(not why_not)

    def _ask(self, question: str) -> None:
        sampling = self.form.sampling()
        if sampling.problem() or self.trial.why_not_ask():
            self.composer.field.replace_text(question)
            return
        self._last_question = question
        self.trial.ask(question, self.form.system.text().strip(), sampling)
        self.composer.field.setFocus()  # the clicked button was removed

    # -- Qt's events --------------------------------------------------------------------------
    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._idle.stop()
        self.refresh_requested.emit()
        self.composer.field.setFocus()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._idle.start()


def _looking() -> QWidget:
    """The page until the runs are listed."""
    looking = QWidget()
    words = label(tr("Looking for runs…"), "secondary")
    words.setAlignment(Qt.AlignmentFlag.AlignCenter)
    looking.setLayout(column(None, words, None))
    return looking
