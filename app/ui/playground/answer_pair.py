"""A question with both models' answers side by side, and the measurements of them."""

import math

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication, QResizeEvent, QTextCursor, QWheelEvent
from PySide6.QtWidgets import QFrame, QTextEdit, QWidget

from app.core.chat_messages import SIDES, Side
from app.core.errors import Failure
from app.core.events import StageChanged
from app.core.generation_events import (
    AnswerEnded,
    AnswerEvent,
    AnswersCompared,
    CheckpointLoaded,
    GenerationNotice,
    LogitsCompared,
    TextAdded,
)
from app.core.text.sentences import localized
from app.core.text.translation import tr
from app.core.wording.generation import answer_figures, answers_sentence, logits_sentence
from app.ui.look.plain_text import ElidedLabel
from app.ui.widgets.basic_widgets import CardFrame, button, label, message, say, selectable
from app.ui.widgets.layouts import fill, grows, lay_out, row

BUBBLE_SHARE = 0.7
"""The maximum width of a question, as a fraction of the page's."""
NO_ANSWER = tr("No answer.")
NO_TEMPLATE = tr("This model has no chat template: it continues your text.")

_WORDS: dict[Side, tuple[str, str, str]] = {
    "base": (tr("Base"), tr("Answer of the base model"), tr("Copy the base model's answer")),
    "tuned": (tr("Tuned"), tr("Answer of the tuned model"), tr("Copy the tuned model's answer")),
}
"""For each side: the heading, and the accessible names of the answer and of its Copy button."""


class AnswerView(CardFrame):
    """The answer of one side; added text becomes visible with `flush`."""

    def __init__(self, side: Side, name: str) -> None:
        heading, what, copying = _WORDS[side]
        super().__init__()
        self._waiting: list[str] = []
        self.has_text, self._is_over = False, False
        self.text = AnswerText(what)
        self.status = ElidedLabel("", "caption")
        self.copy = button(tr("Copy"), self._copy, "link")
        self.copy.setAccessibleName(copying)
        self.copy.setEnabled(False)
        self.inside.addLayout(row(label(heading, "heading"), ElidedLabel(name, "caption")))
        fill(self.inside, self.text, None, row(self.status, self.copy))

    def add(self, text: str) -> None:
        self._waiting.append(text)

    def flush(self) -> None:
        """Show the text that was added since the last call."""
        if not self._waiting:
            return
        if not self.has_text:
            self.has_text = True
            self.status.setText("")
            self.copy.setEnabled(True)
        self.text.add("".join(self._waiting))
        self._waiting.clear()

    def end(self, event: AnswerEnded) -> None:
        self.flush()
        self._is_over = True
        is_empty = event.tokens == 0 and event.ending == "end"
        self.status.setText(NO_ANSWER if is_empty else answer_figures(event))

    def tell(self, status: str) -> None:
        """Show the status before the answer begins."""
        if not (self.has_text or self._is_over):
            self.status.setText(status)

    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(self.text.toPlainText())


class TurnView(QWidget):
    def __init__(self, question: str, base_name: str, tuned_name: str, expected: str = "") -> None:
        """`expected` is the correct answer if the run was asked this question."""
        super().__init__()
        self.expected = label("", "secondary", wraps=True)
        self.expected.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        say(self.expected, tr("Expected: {answer}", answer=expected) if expected else "")
        self.question = Bubble(question)
        self.answers: dict[Side, AnswerView] = {
            "base": AnswerView("base", base_name),
            "tuned": AnswerView("tuned", tuned_name),
        }
        self.remark = message("note")
        self.remark.setProperty("tone", "warning")
        self.compared, self.logits = selectable(label("", "note")), message("note")
        self.compared.hide()
        self.details = button(tr("Details"), self._show_details, "link")
        self.details.hide()
        self.problem = message("problem")
        self._pair = QWidget()
        self._pair.setLayout(row(*(grows(self.answers[side]) for side in SIDES), spacing=12))
        compared = row(self.compared, self.details, None)
        texts = (self.remark, compared, self.logits, self.problem)
        lay_out(self, row(None, self.question), self.expected, self._pair, *texts)
        self._tell(tr("Waiting…"))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.question.fit(round(BUBBLE_SHARE * event.size().width()))

    def take(self, event: AnswerEvent) -> None:
        match event:
            case TextAdded():
                self.answers[event.side].add(event.text)
            case StageChanged():
                self._tell(tr("{stage}…", stage=localized(tr(event.stage))))
            case CheckpointLoaded():
                self._tell(tr("Reading the question…"))
                if event.base_model.message:
                    self._remark(localized(event.base_model.message))
                if not event.has_template:
                    self._remark(NO_TEMPLATE)
            case GenerationNotice():
                self._remark(localized(event.text))
            case AnswerEnded():
                self.answers[event.side].end(event)
            case LogitsCompared():
                self.logits.setText(logits_sentence(event))
                self.details.show()
            case AnswersCompared():
                say(self.compared, answers_sentence(event))

    def flush(self) -> None:
        for answer in self.answers.values():
            answer.flush()

    def end(self, failure: Failure | None) -> None:
        """The answers have ended, with a failure or not."""
        self.flush()
        if failure is None:
            self._tell(tr("Stopped before the first word."))
        else:
            say(self.problem, localized(str(failure)))
            self._pair.setVisible(any(answer.has_text for answer in self.answers.values()))

    def _tell(self, status: str) -> None:
        for answer in self.answers.values():
            answer.tell(status)

    def _remark(self, sentence: str) -> None:
        say(self.remark, " ".join(filter(None, (self.remark.text(), sentence))))

    def _show_details(self) -> None:
        is_open = self.logits.isHidden()
        self.logits.setVisible(is_open)
        self.details.setText(tr("Hide Details") if is_open else tr("Details"))


class Bubble(QFrame):
    """The question in a bubble at the right, as wide as its text if possible."""

    def __init__(self, question: str) -> None:
        super().__init__()
        self.setObjectName("bubble")
        self._text = label(question, wraps=True)
        self._text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._text.setAccessibleName(tr("You: {question}", question=question))
        lay_out(self, self._text, margins_px=(12, 8, 12, 8))

    def fit(self, room_px: int) -> None:
        """Set the maximum width."""
        lines = self._text.text().splitlines() or [""]
        longest = max(self._text.fontMetrics().horizontalAdvance(line) for line in lines)
        self._text.setFixedWidth(max(1, min(longest + 2, room_px)))


class AnswerText(QTextEdit):
    """A model's answer as plain text; nothing in it is rendered.

    Not a QPlainTextEdit, because that aligns right-to-left paragraphs to the left.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setObjectName("answer")
        self.setAccessibleName(name)
        self.setReadOnly(True)
        self.setAcceptRichText(False)
        self.setUndoRedoEnabled(False)
        self.setAcceptDrops(False)
        self.setTabChangesFocus(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.document().setDocumentMargin(0)
        self._fit()

    def add(self, text: str) -> None:
        """Append text; the user's selection is kept."""
        end = QTextCursor(self.document())
        end.movePosition(QTextCursor.MoveOperation.End)
        end.insertText(text)
        self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self._fit()

    def wheelEvent(self, event: QWheelEvent) -> None:
        event.ignore()  # the conversation scrolls instead

    def _fit(self) -> None:
        self.setFixedHeight(math.ceil(self.document().size().height()) + 2)
