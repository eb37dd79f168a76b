"""The details of the selected model, and the actions on it."""

from datetime import datetime
from typing import TYPE_CHECKING

from PySide6.QtCore import QDateTime, QLocale, Qt, Signal
from PySide6.QtWidgets import QBoxLayout, QGridLayout, QLabel, QScrollArea, QWidget

from app.core.text.sanitize import single_line
from app.core.text.sentences import localized
from app.core.text.translation import decimal, tr, trn
from app.models.model_formatting import (
    HOW_RATED,
    UNKNOWN,
    context_text,
    memory_text,
    parameters_text,
)
from app.ui.look import formatting
from app.ui.look.plain_text import ElidedLabel
from app.ui.system.file_manager import REVEAL_LABEL
from app.ui.widgets.basic_widgets import (
    MIN_WRAPPED_PX,
    CardFrame,
    allow,
    button,
    label,
    message,
    restyle,
    say,
    selectable,
)
from app.ui.widgets.layouts import GRID_PX, fill, grows, lay_out, row, scroll_down

if TYPE_CHECKING:
    from app.models.model_description import ModelDescription

_MAX_CHARACTERS = 400
FACTS = {
    "architecture": tr("Architecture"),
    "parameters": tr("Parameters"),
    "weights": tr("Weights"),
    "size": tr("Size"),
    "context": tr("Context"),
    "license": tr("License"),
    "source": tr("Source"),
    "used": tr("Last used"),
    "folder": tr("Folder"),
}


class ModelDetails(CardFrame):
    use_requested = Signal()
    reveal_requested = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.name = label("", "heading", wraps=True)
        self.name.setMinimumWidth(MIN_WRAPPED_PX)
        self.state = label("", "pill")
        self.problem, self.hint = message("problem"), message("details")
        self.memory, self.note = message("note"), message("note")
        self.facts = {name: _value(name) for name in FACTS}
        self._titles = [selectable(label(title, "secondary")) for title in FACTS.values()]
        self._how_rated = label(tr(HOW_RATED), "caption", wraps=True)
        self._columns = 0
        self._grid = QGridLayout()
        self._grid.setHorizontalSpacing(2 * GRID_PX)
        self._grid.setVerticalSpacing(6)
        self.use = button(tr("Use in New Run"), self.use_requested.emit, "primary")
        self.reveal = button(REVEAL_LABEL, self.reveal_requested.emit)
        self.inside.setContentsMargins(0, 0, 0, 12)
        fill(self.inside, grows(self._scrolling()), self._make_buttons())
        self.arrange(columns=1)

    def _scrolling(self) -> QScrollArea:
        content = QWidget()
        content.setObjectName("clear")
        heading = row(grows(self.name), self.state)
        heading.setAlignment(self.state, Qt.AlignmentFlag.AlignTop)
        texts = (self.problem, self.hint, self.memory, self.note)
        margins_px = (2 * GRID_PX, 14, 2 * GRID_PX, GRID_PX)
        parts = (heading, *texts, 4, self._grid, self._how_rated, None)
        lay_out(content, *parts, margins_px=margins_px)
        area = QScrollArea()
        area.setObjectName("clear")
        scroll_down(area)
        area.setFocusPolicy(Qt.FocusPolicy.TabFocus)  # in a low window, the arrow keys scroll it
        area.setAccessibleName(tr("Model details"))
        area.setWidget(content)
        return area

    def arrange(self, columns: int) -> None:
        """Arrange the facts in columns, which are filled one after the other."""
        if columns == self._columns:
            return
        self._columns = columns
        rows = -(-len(self.facts) // columns)
        pairs = zip(self._titles, self.facts.values(), strict=True)
        for number, (title, value) in enumerate(pairs):
            at, place = number % rows, 2 * (number // rows)
            self._grid.addWidget(title, at, place, Qt.AlignmentFlag.AlignTop)
            self._grid.addWidget(value, at, place + 1, Qt.AlignmentFlag.AlignTop)
        direction = QBoxLayout.Direction
        self._buttons.setDirection(direction.TopToBottom if columns == 1 else direction.LeftToRight)
        self._grid.setColumnStretch(1, 1)
        self._grid.setColumnStretch(3, columns - 1)

    def _make_buttons(self) -> QBoxLayout:
        """The buttons, in a column if the details are beside the table: both have long labels on a
        Mac.
        """
        self._buttons = buttons = QBoxLayout(QBoxLayout.Direction.TopToBottom)
        buttons.setContentsMargins(2 * GRID_PX, 0, 2 * GRID_PX, 0)
        buttons.setSpacing(GRID_PX)
        fill(buttons, self.use, self.reveal, None)
        return buttons

    def show_model(
        self, model: "ModelDescription", state: str, tone: str, available_bytes: int
    ) -> None:
        self.name.setText(single_line(model.name))
        self.state.setText(state)
        restyle(self.state, "tone", tone)
        problem = localized(model.problem)
        say(self.problem, problem)
        say(self.hint, localized(model.hint))
        is_rated = bool(model.verdict(available_bytes)) and model.memory is not None
        rated = memory_text(model.memory, available_bytes) if is_rated and model.memory else ""
        say(self.memory, rated)
        self._how_rated.setVisible(bool(rated))
        say(self.note, localized(model.note))
        for fact, text in _facts(model).items():
            self.facts[fact].setText(single_line(text, _MAX_CHARACTERS) or UNKNOWN)
        unread = "" if model.is_read else tr("The model is being read.")
        allow(self.use, problem or unread, tr("Train on this base model next"))


def _facts(model: "ModelDescription") -> dict[str, str]:
    parameters, context = model.parameters, model.context_tokens
    exact = decimal(f" ({parameters:,})") if parameters else ""
    brief, tokens = context_text(context), trn("{n:,} token", "{n:,} tokens", context or 0)
    if brief.endswith("K"):
        tokens = f"{brief} ({tokens})"
    return {
        "architecture": model.architecture,
        "parameters": f"{parameters_text(parameters)}{exact}",
        "weights": model.quantization,
        "size": formatting.size(model.size_bytes) if model.size_bytes else UNKNOWN,
        "context": tokens if context else UNKNOWN,
        "license": model.license or tr("Not stated in the folder"),
        "source": tr(model.source),
        "used": _day(model.used),
        "folder": str(model.folder),
    }


def _day(moment: float | None) -> str:
    if moment is None:
        return tr("Never in Nestling")
    try:
        seconds = round(datetime.fromtimestamp(moment).timestamp())
    except (OverflowError, ValueError, OSError):
        return UNKNOWN
    return QLocale().toString(QDateTime.fromSecsSinceEpoch(seconds), tr("d MMM yyyy, HH:mm"))


def _value(name: str) -> QLabel:
    """A label for a value. A path is elided, because a long folder name can't wrap and would be
    clipped.
    """
    if name == "folder":
        return selectable(ElidedLabel("", "", Qt.TextElideMode.ElideMiddle))
    made = label("", "", wraps=True)
    made.setMinimumWidth(MIN_WRAPPED_PX)
    return selectable(made)
