"""The head of an opened run: its name, how it stands, and what can be done with it."""

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QStyle, QStyleOptionFrame, QStylePainter, QVBoxLayout, QWidget

from app.core.base_model import BaseModelCheck
from app.ui import phrases
from app.ui.desktop import REVEAL_LABEL
from app.ui.library.repeat_button import RepeatButton
from app.ui.widgets.building import (
    GRID_PX,
    ElidedLabel,
    allow,
    button,
    label,
    message,
    restyle,
    row,
    say,
)
from app.ui.widgets.fields import TextField

if TYPE_CHECKING:
    from app.library.run_summary import RunSummary

MOST_NAME = 200
NAME_ROOM_PX, LEAST_NAME_PX = 24, 80


class NameField(TextField):
    """A name that is edited in place; where it is longer than its field, it ends in "…"."""

    def paintEvent(self, event: QPaintEvent) -> None:
        room = self.width() - NAME_ROOM_PX // 2
        if self.hasFocus() or self.fontMetrics().horizontalAdvance(self.text()) <= room:
            super().paintEvent(event)
            return
        painter, option = QStylePainter(self), QStyleOptionFrame()
        self.initStyleOption(option)
        painter.drawPrimitive(QStyle.PrimitiveElement.PE_PanelLineEdit, option)
        shown = self.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideRight, room)
        at = self.rect().adjusted(NAME_ROOM_PX // 4 + 1, 0, 0, 0)
        painter.drawText(at, Qt.AlignmentFlag.AlignVCenter, shown)


class RunHead(QWidget):
    """Its buttons ask for nothing by themselves; the run's view connects them."""

    def __init__(self) -> None:
        super().__init__()
        self._failure = ""
        self.back = button("‹ Library", lambda: None, "link")
        self.back.setAccessibleName("Back to the library")
        self.name = NameField()
        self.name.setObjectName("title_field")
        self.name.setAccessibleName("Name of the run")
        self.name.setMaxLength(MOST_NAME)
        self.name.textChanged.connect(self.fit_name)
        self.pill = label("", "pill")
        self.subtitle = ElidedLabel("", "secondary")
        self.problem = message("problem")
        self.warning = message("note")
        self.warning.setProperty("tone", "warning")
        self.resume = button("Resume", lambda: None, "primary")
        self.repeat = RepeatButton()
        self.reveal = button(REVEAL_LABEL, lambda: None)
        self.delete = button("Move to Trash", lambda: None)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(12)
        layout.addLayout(row(self.back, self.name, self.pill, None, self.resume, self.repeat,
                             self.reveal, self.delete))  # fmt: skip
        layout.addWidget(self.subtitle)
        layout.addWidget(self.problem)
        layout.addWidget(self.warning)

    def show_standing(self, summary: "RunSummary", ending: str) -> None:
        """How the run stands; `ending` says how it ended, if it did. What it failed of is shown
        whole, in `problem`."""
        self._failure = ending if summary.outcome == "failed" else ""
        ending = "" if self._failure else ending
        self.pill.setText(phrases.outcome(summary.outcome))
        restyle(self.pill, "tone", phrases.tone(summary.outcome))
        self.subtitle.setText(_sentence(summary, ending))
        is_going = phrases.is_in_progress(summary.outcome)
        allow(self.delete, "A run in progress can't be deleted." if is_going else "")

    def show_problem(self, problem: str) -> None:
        """Why the run failed, and what is wrong with its files."""
        say(self.problem, " ".join(filter(None, (self._failure, problem))))

    def show_base_model(self, check: BaseModelCheck) -> None:
        """That the base model is no longer what the run was trained with, where that is so."""
        say(self.warning, check.message if check.state in ("changed", "missing") else "")

    def show_name(self, name: str) -> None:
        if self.name.text() != name:
            self.name.setText(name)
            self.name.setCursorPosition(0)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.fit_name()

    def fit_name(self) -> None:
        """The name's field is as wide as the name, so that the state stands right behind it."""
        wanted = self.name.fontMetrics().horizontalAdvance(self.name.text()) + NAME_ROOM_PX
        others = (self.back, self.pill, self.resume, self.repeat, self.reveal, self.delete)
        for one in others:
            one.ensurePolished()  # before that it tells less than it takes
        taken = sum(one.sizeHint().width() + GRID_PX for one in others if not one.isHidden())
        room = self.width() - taken - 2 * GRID_PX
        self.name.setFixedWidth(max(LEAST_NAME_PX, min(wanted, room)))
        if (layout := self.layout()) is not None:
            layout.activate()  # else the state stands where the last name ended for a moment


def _sentence(summary: "RunSummary", ending: str) -> str:
    done = f"{summary.steps:,} of {summary.planned_steps:,} steps"
    parts = [done if summary.planned_steps else "", phrases.size(summary.size_bytes)]
    return " · ".join(part for part in (*parts, ending) if part)


def interruption(summary: "RunSummary") -> str:
    """What can be done with a run that was interrupted."""
    if summary.adapter_dir is None and summary.problem:
        return ""  # the problem says why it can't be resumed
    if summary.adapter_dir is None:
        return "It has no checkpoint, so it can't be resumed."
    kept = summary.adapter_dir.name.removeprefix("step-").lstrip("0") or "0"
    return f"You can resume from step {kept}."
