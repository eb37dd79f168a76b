"""The prompt input: Return sends the question, Shift-Return inserts a line break, Escape stops the
answers.
"""

from collections.abc import Iterable, Mapping
from itertools import islice

from PySide6.QtCore import QPoint, QSize, Qt, Signal
from PySide6.QtGui import QFocusEvent, QKeyEvent, QTextCursor
from PySide6.QtWidgets import QFrame, QMenu, QPlainTextEdit, QWidget

from app.core.text.translation import tr
from app.ui.look.plain_text import set_tip
from app.ui.playground.playground_session import PlaygroundSession
from app.ui.widgets.basic_widgets import button, message, restyle, say
from app.ui.widgets.layouts import GRID_PX, column, grows, row

MIN_LINES, MAX_LINES = 1, 7
MARGIN_PX = 6
MAX_CHOICES = 60
"""The maximum number of questions per set in the menu."""
MAX_LETTERS = 72
SENDS = tr("Return sends, Shift+Return breaks the line.")


def shortened_question(question: str) -> str:
    """The question on one line of limited length."""
    line = " ".join(question.split())
    return line if len(line) <= MAX_LETTERS else f"{line[: MAX_LETTERS - 1].rstrip()}…"


class QuestionField(QPlainTextEdit):
    """A text field that grows with its text up to some lines, then scrolls."""

    return_pressed = Signal()
    escape_pressed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("question")
        self.setAccessibleName(tr("Question"))
        self.setPlaceholderText(tr("Ask both models something"))
        self.setAcceptDrops(False)
        self.setTabChangesFocus(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.document().setDocumentMargin(MARGIN_PX)
        self.document().documentLayout().documentSizeChanged.connect(lambda _: self._fit())
        self._fit()

    def replace_text(self, text: str) -> None:
        """Replace the text as if the user had typed it, so that Undo restores it."""
        cursor = self.textCursor()
        cursor.select(QTextCursor.SelectionType.Document)
        cursor.insertText(text)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        is_return = event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter)
        if is_return and not event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            self.return_pressed.emit()
        elif event.key() == Qt.Key.Key_Escape:
            self.escape_pressed.emit()
        else:
            super().keyPressEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self._mark(True)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self._mark(False)

    def minimumSizeHint(self) -> QSize:
        return QSize(120, 0)

    def _mark(self, is_on: bool) -> None:
        if (frame := self.parentWidget()) is not None:
            restyle(frame, "focused", "true" if is_on else "false")

    def _fit(self) -> None:
        lines = round(self.document().documentLayout().documentSize().height())
        shown = min(max(lines, MIN_LINES), MAX_LINES)
        self.setFixedHeight(shown * self.fontMetrics().lineSpacing() + 2 * MARGIN_PX + 2)
        wants_bar = lines > MAX_LINES
        policy = Qt.ScrollBarPolicy
        self.setVerticalScrollBarPolicy(
            policy.ScrollBarAsNeeded if wants_bar else policy.ScrollBarAlwaysOff
        )


class Composer(QFrame):
    send_requested = Signal(str)
    stop_requested = Signal()
    question_chosen = Signal(str)
    """Argument: the question that was chosen from the run's question sets."""

    def __init__(self, trial: PlaygroundSession, settings: QWidget) -> None:
        """`settings`: a widget that is placed below the prompt."""
        super().__init__()
        self._trial = trial
        self.setObjectName("card")
        self.field = QuestionField()
        self.send = button(tr("Send"), self._send, "primary")
        self.stop = button(tr("Stop"), self.stop_requested.emit)
        self.reason = message("note")
        self.reason.setIndent(MARGIN_PX)
        inside = column(spacing=4, margins_px=(GRID_PX, GRID_PX, GRID_PX, 6))
        self.setLayout(inside)
        line = row(grows(self.field), self.send, self.stop)
        line.setAlignment(self.send, Qt.AlignmentFlag.AlignBottom)
        line.setAlignment(self.stop, Qt.AlignmentFlag.AlignBottom)
        inside.addLayout(line)
        inside.addWidget(self.reason)
        self.questions = button(tr("Run's Questions"), self._open_menu, "link")
        self.questions.hide()
        self.menu = QMenu(self)
        below = row(grows(settings), self.questions)
        below.setAlignment(self.questions, Qt.AlignmentFlag.AlignTop)
        inside.addLayout(below)
        self.field.return_pressed.connect(self._send)
        self.field.escape_pressed.connect(self.stop_requested)
        self.field.textChanged.connect(self.refresh)
        trial.readiness_changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        why_not = self._trial.why_not_ask()
        is_answering = self._trial.is_answering
        self.stop.setVisible(is_answering)
        self.send.setVisible(not is_answering)
        is_written = bool(self.field.toPlainText().strip())
        self.send.setEnabled(is_written and not why_not)
        set_tip(self.send, why_not or (SENDS if is_written else tr("Write something first.")))
        say(self.reason, "" if is_answering else why_not)

    def show_questions(self, questions: Mapping[str, Iterable[str]]) -> None:
        """Fill the menu with the run's questions, by question set."""
        self.menu.clear()
        for name, some in questions.items():
            under = self.menu.addMenu(name.replace("&", "&&"))
            for question in islice(some, MAX_CHOICES):
                text = shortened_question(question).replace("&", "&&")
                chosen = under.addAction(text)
                chosen.triggered.connect(
                    lambda _=False, question=question: self.question_chosen.emit(question)
                )
        self.questions.setVisible(not self.menu.isEmpty())

    def _open_menu(self) -> None:
        place = self.questions.mapToGlobal(self.questions.rect().topLeft())
        self.menu.popup(place - QPoint(0, self.menu.sizeHint().height()))

    def _send(self) -> None:
        if self.send.isEnabled() and not self._trial.is_answering:
            question = self.field.toPlainText().strip()
            self.field.clear()
            self.send_requested.emit(question)
