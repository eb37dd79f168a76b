"""The run's log in plain words, folded away until it is wanted."""

from datetime import datetime

from PySide6.QtWidgets import QPlainTextEdit, QVBoxLayout, QWidget

from app.core.events import (
    CheckpointSaved,
    EvaluationFinished,
    LogMessage,
    MemoryEstimated,
    RetentionMeasured,
    RunFinished,
    RunStarted,
    ScoreMeasured,
    StageChanged,
)
from app.core.memory_words import memory_sentence
from app.ui import phrases
from app.ui.app_state import AppState
from app.ui.remembered import Remembered
from app.ui.theme import Theme
from app.ui.widgets.building import card
from app.ui.widgets.disclosure import Disclosure

MAX_LINES = 5000
HEIGHT_PX = 128


class LogView(QWidget):
    def __init__(self, state: AppState, settings: Remembered) -> None:
        super().__init__()
        self._last_stage = ""
        self.text = QPlainTextEdit()
        self.text.setReadOnly(True)
        self.text.setAcceptDrops(False)
        self.text.setMaximumBlockCount(MAX_LINES)
        self.text.setFixedHeight(HEIGHT_PX)
        self.text.setAccessibleName("Log of the run")
        self.text.setTabChangesFocus(True)
        self.disclosure = Disclosure("Log", self.text, settings, "log")
        frame, inside = card()
        inside.setContentsMargins(10, 3, 16, 3)
        inside.addWidget(self.disclosure)
        outside = QVBoxLayout(self)
        outside.setContentsMargins(0, 0, 0, 0)
        outside.addWidget(frame)
        state.run_event_received.connect(self._take)
        state.run_cleared.connect(self._clear)

    def set_theme(self, theme: Theme) -> None:
        self.disclosure.set_theme(theme)

    def _clear(self) -> None:
        self._last_stage = ""
        self.text.clear()

    def _take(self, event: object) -> None:
        if isinstance(event, StageChanged):
            if event.stage == self._last_stage:
                return
            self._last_stage = event.stage
        if line := _line(event):
            self.text.appendPlainText(f"{datetime.now():%H:%M:%S}  {line}")


def _line(event: object) -> str:
    match event:
        case MemoryEstimated():
            return memory_sentence(event)
        case LogMessage(text=text) | StageChanged(stage=text):
            return text
        case RunStarted():
            return (
                f"Started {event.name} on {event.device}: {event.trainable_parameters:,} of "
                f"{event.base_parameters:,} parameters train, {event.train_examples:,} examples, "
                f"{event.valid_examples:,} for validation, {event.steps:,} steps."
            )
        case EvaluationFinished():
            best = ", the best so far" if event.is_best else ""
            loss = f"{phrases.loss(event.val_loss)}{event.of_each}"
            return f"Step {event.step}: validation loss{event.over} {loss}{best}."
        case RetentionMeasured():
            return f"{event.text[0].upper()}{event.text[1:]}."
        case CheckpointSaved():
            return f"Step {event.step}: checkpoint saved, {phrases.size(event.size_bytes)}."
        case ScoreMeasured():
            return f"{event.name}, {event.when}: {event.correct} of {event.total} right."
        case RunFinished():
            return event.message
    return ""
