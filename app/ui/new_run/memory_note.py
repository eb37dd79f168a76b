"""What a run would need of memory, near Start; where it won't fit, changes with which it would."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QPushButton, QVBoxLayout, QWidget

from app.core.events import MemoryAdvice, MemoryEstimated
from app.core.text.sentences import localized
from app.core.text.translation import tr
from app.core.wording.memory import gigabytes, memory_parts
from app.ui.look.plain_text import set_tip
from app.ui.state.app_state import AppState
from app.ui.widgets.building_blocks import button, label, restyle

MOST_ADVICE = 3
_TONES = {"fits": "", "tight": "warning", "won't fit": "danger"}


class MemoryNote(QWidget):
    """There only before a run, once the estimate is known or there can be none."""

    def __init__(self, state: AppState) -> None:
        super().__init__()
        self._state = state
        self._shown: tuple[str, MemoryEstimated | None] = ("", None)
        self.text = label("", "note", wraps=True)
        self.lead = label(tr("It would fit with:"), "caption")
        self._ways = QVBoxLayout()
        self._ways.setSpacing(0)
        self.ways: list[QPushButton] = []
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.text)
        layout.addWidget(self.lead)
        layout.addLayout(self._ways)
        state.preview_changed.connect(self.refresh)
        state.phase_changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        asked = self._state.memory_text, self._state.memory
        self.setVisible(bool(asked[0]) and not self._state.phase.is_active)
        if asked[0] and asked != self._shown:
            self._shown = asked
            self._show(*asked)

    def _show(self, text: str, estimate: MemoryEstimated | None) -> None:
        self.text.setText(text)
        set_tip(self.text, memory_parts(estimate) if estimate else "", is_wrapped=True)
        tone = _TONES[estimate.verdict] if estimate else ""
        is_bound = estimate is not None and estimate.is_bound
        restyle(self.text, "tone", "warning" if tone and is_bound else tone)
        advice = estimate.advice if estimate else ()
        self.lead.setVisible(bool(advice))
        for way in self.ways:
            self._ways.removeWidget(way)
            way.hide()
            way.deleteLater()
        self.ways = [self._way(one) for one in advice[:MOST_ADVICE]]
        for way in self.ways:
            self._ways.addWidget(way, 0, Qt.AlignmentFlag.AlignLeft)

    def _way(self, advice: MemoryAdvice) -> QPushButton:
        text = f"{localized(advice.text.removesuffix('.'))}: {gigabytes(advice.peak_bytes)}"
        way = button(text, lambda: self._state.change_config(**dict(advice.settings)), "link")
        way.setEnabled(bool(advice.settings))
        set_tip(
            way, tr("Change these settings") if advice.settings else tr("Choose it as base model")
        )
        return way
