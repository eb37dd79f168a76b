"""Where a question is written: Return sends it, Shift+Return breaks the line, Escape stops."""

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QFocusEvent, QKeyEvent
from PySide6.QtWidgets import QFrame, QPlainTextEdit, QVBoxLayout, QWidget

from app.core.text.translation import tr
from app.ui.look.plain_text import set_tip
from app.ui.playground.chat_session import ChatSession
from app.ui.widgets.basic_widgets import GRID_PX, button, message, restyle, row, say

LEAST_LINES, MOST_LINES = 1, 7
MARGIN_PX = 6
SENDS = tr("Return sends, Shift+Return breaks the line.")


class QuestionField(QPlainTextEdit):
    """Grows with its text up to some lines, then scrolls."""

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
        shown = min(max(lines, LEAST_LINES), MOST_LINES)
        self.setFixedHeight(shown * self.fontMetrics().lineSpacing() + 2 * MARGIN_PX + 2)
        wants_bar = lines > MOST_LINES
        policy = Qt.ScrollBarPolicy
        self.setVerticalScrollBarPolicy(
            policy.ScrollBarAsNeeded if wants_bar else policy.ScrollBarAlwaysOff
        )


class Composer(QFrame):
    send_requested = Signal(str)
    stop_requested = Signal()

    def __init__(self, trial: ChatSession, settings: QWidget) -> None:
        """`settings` stands below the question."""
        super().__init__()
        self._trial = trial
        self.setObjectName("card")
        self.field = QuestionField()
        self.send = button(tr("Send"), self._send, "primary")
        self.stop = button(tr("Stop"), self.stop_requested.emit)
        self.reason = message("note")
        self.reason.setIndent(MARGIN_PX)
        inside = QVBoxLayout(self)
        inside.setContentsMargins(GRID_PX, GRID_PX, GRID_PX, 6)
        inside.setSpacing(4)
        line = row(self.field, self.send, self.stop)
        line.setStretch(0, 1)
        line.setAlignment(self.send, Qt.AlignmentFlag.AlignBottom)
        line.setAlignment(self.stop, Qt.AlignmentFlag.AlignBottom)
        inside.addLayout(line)
        inside.addWidget(self.reason)
        inside.addWidget(settings)
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

    def _send(self) -> None:
        if self.send.isEnabled() and not self._trial.is_answering:
            question = self.field.toPlainText().strip()
            self.field.clear()
            self.send_requested.emit(question)
