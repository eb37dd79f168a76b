"""Recommended base models, each with the command that downloads it."""

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QFontDatabase, QGuiApplication
from PySide6.QtWidgets import QPushButton, QScrollArea, QWidget

from app.core.events import MemoryVerdict
from app.core.text.translation import tr
from app.core.wording.memory import gigabytes
from app.models.model_formatting import VERDICTS, parameters_text
from app.models.recommended import RecommendedModel, install_command, missing, recommended
from app.ui.look import formatting
from app.ui.widgets.basic_widgets import CardFrame, button, label, restyle, rule
from app.ui.widgets.layouts import GRID_PX, clear, column, grows, lay_out, row, scroll_down

if TYPE_CHECKING:
    from collections.abc import Collection

WHERE_MODELS_COME_FROM = tr(
    "Nestling finds models in the Hugging Face cache and LM Studio's folder automatically. Choose "
    "or drop any other folder with an MLX model. To get one, run its command in a terminal; the "
    "model appears here when the download is complete."
)
WIDEST_PX = 880
_TONES = {"fits": "success", "tight": "warning"}
_COPY = tr("Copy Command")


class RecommendedView(QScrollArea):
    choose_requested = Signal()
    back_requested = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("column")
        self.setAccessibleName(tr("Recommended models"))
        scroll_down(self)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.copy_buttons: list[QPushButton] = []
        self._shown: object = None
        self.back = button(tr("‹ Models"), self.back_requested.emit, "link")
        self.choose = button(tr("Choose Folder…"), self.choose_requested.emit)
        self.title = label(tr("No Models Yet"), "heading")
        self._words = label(WHERE_MODELS_COME_FROM, "secondary", wraps=True)
        self._words.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._list = CardFrame()
        content = QWidget()
        content.setObjectName("column")
        content.setMaximumWidth(WIDEST_PX)
        head = (row(self.back, None), row(self.title, None, self.choose))
        parts = (*head, self._words, self._list, None)
        lay_out(content, *parts, spacing=12, margins_px=(0, 0, GRID_PX, 0))
        self.setWidget(content)

    def show_for(self, available_bytes: int, names: "Collection[str]", *, is_empty: bool) -> None:
        """Show the models that can be trained with this much memory, without those in `names`."""
        self.back.setVisible(not is_empty)
        self.title.setText(tr("No Models Yet") if is_empty else tr("Get More Models"))
        rated = missing(recommended(available_bytes), names)
        if (rated, available_bytes) != self._shown:
            self._shown = (rated, available_bytes)
            self._fill(rated, available_bytes)

    def _fill(
        self, rated: tuple[tuple[RecommendedModel, MemoryVerdict], ...], available_bytes: int
    ) -> None:
        clear(self._list.inside)
        self.copy_buttons = []
        for number, (model, verdict) in enumerate(rated):
            if number:
                self._list.inside.addWidget(rule())
            self._list.inside.addWidget(self._row(model, verdict))
        available = gigabytes(available_bytes)
        words = (
            tr(
                "Rated for the {available} of memory that training can use. To install the "
                "hf command, run {command}.",
                available=available,
                command=install_command(),
            )
            if rated
            else tr(
                "You already have all models recommended for {available} of memory.",
                available=available,
            )
        )
        self._list.inside.addSpacing(GRID_PX)
        last = label(words, "caption", wraps=True)
        last.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._list.inside.addWidget(last)

    def _row(self, model: RecommendedModel, verdict: MemoryVerdict) -> QWidget:
        facts = " · ".join(
            (parameters_text(model.parameters), formatting.size(model.size_bytes), model.license)
        )
        pill = label(tr(VERDICTS[verdict]), "pill")
        restyle(pill, "tone", _TONES[verdict])
        command = label(model.command, "details")
        command.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        command.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        command.setMinimumWidth(GRID_PX)
        copy = button(_COPY, lambda: self._copy(model, copy))
        copy.setAccessibleName(tr("Copy the command for {model}", model=model.repository))
        self.copy_buttons.append(copy)
        name = label(model.repository.rpartition("/")[2], "strong")
        words = column(row(name, label(facts, "secondary"), None), command, spacing=4)
        made = QWidget()
        whole = row(grows(words), spacing=2 * GRID_PX)
        whole.addWidget(pill, 0, Qt.AlignmentFlag.AlignVCenter)
        whole.addWidget(copy, 0, Qt.AlignmentFlag.AlignVCenter)
        made.setLayout(whole)
        return made

    def _copy(self, model: RecommendedModel, copied: QPushButton) -> None:
        QGuiApplication.clipboard().setText(model.command)
        for other in self.copy_buttons:
            other.setText(tr("Copied") if other is copied else _COPY)
