"""The New Run page without a dataset: a drop target, and a button that loads the sample data."""

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QWidget

from app.core.text.sentences import localized
from app.core.text.translation import tr
from app.ui.look import icons
from app.ui.look.plain_text import PlainLabel
from app.ui.look.theme import Theme
from app.ui.state.app_state import AppState
from app.ui.widgets.basic_widgets import CardFrame, button, label, message, restyle, say
from app.ui.widgets.layouts import GRID_PX, column, fill, grows, row

WORDS_PX = 400


class Hero(CardFrame):
    choose_requested = Signal()
    sample_requested = Signal()

    def __init__(self, state: AppState) -> None:
        super().__init__(role="hero")
        self._state = state
        self.inside.setContentsMargins(4 * GRID_PX, 4 * GRID_PX, 4 * GRID_PX, 4 * GRID_PX)
        self.inside.setSpacing(2 * GRID_PX)
        self._glyph = PlainLabel()
        self._title = label(tr("Drop a Dataset Here"), "title")
        self._hint = label(
            tr(
                "Chats, questions and answers, or text: as JSON, CSV, Parquet, plain text or a "
                "folder of train and valid files. An MLX model folder becomes the base model."
            ),
            "secondary",
            wraps=True,
        )
        self.problem = message("problem")
        self.choose = button(tr("Choose…"), self.choose_requested.emit)
        self.sample = button(tr("Use the Sample Data"), self.sample_requested.emit, "primary")
        self._privacy = label(tr("Everything stays on this computer."), "caption")
        self.inside.addStretch(2)
        words = QWidget()
        words.setMaximumWidth(WORDS_PX)
        words.setLayout(
            column(self._glyph, self._title, self._hint, self.problem, spacing=2 * GRID_PX)
        )
        for text in (self._glyph, self._title, self._hint, self.problem, self._privacy):
            text.setAlignment(Qt.AlignmentFlag.AlignCenter)
        centred = row(None, grows(words, 100), None)
        fill(self.inside, centred, GRID_PX, row(None, self.choose, self.sample, None, spacing=12))
        self.inside.addStretch(2)
        self.inside.addWidget(self._privacy)
        state.dataset_changed.connect(self.refresh)

    def highlight(self, is_on: bool) -> None:
        restyle(self, "drop", "true" if is_on else "false")

    def refresh(self) -> None:
        failure = self._state.dataset_failure
        self._title.setText(
            tr("Reading…") if self._state.is_inspecting else tr("Drop a Dataset Here")
        )
        say(self.problem, localized(str(failure)) if failure else "")

    def set_theme(self, theme: Theme) -> None:
        self._glyph.setPixmap(icons.glyph("drop", theme.accent, 56, 3.0))
