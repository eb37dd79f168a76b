"""What the run taught and what it cost: the question sets' scores before and after."""

from PySide6.QtWidgets import QVBoxLayout, QWidget

from app.core.events import ScoreMeasured
from app.ui.app_state import AppState
from app.ui.widgets.building import card, label


class ScoreCard(QWidget):
    """Only there once something was scored after training."""

    def __init__(self, state: AppState) -> None:
        super().__init__()
        self._state = state
        frame, inside = card()
        inside.setContentsMargins(16, 7, 16, 7)
        self.text = label("", "", wraps=True)
        inside.addWidget(self.text)
        outside = QVBoxLayout(self)
        outside.setContentsMargins(0, 0, 0, 0)
        outside.addWidget(frame)
        state.run_event_received.connect(self._take)
        state.run_cleared.connect(self.refresh)
        self.refresh()

    def _take(self, event: object) -> None:
        if isinstance(event, ScoreMeasured):
            self.refresh()

    def refresh(self) -> None:
        scores = self._state.scores
        names = list(dict.fromkeys(name for name, _ in scores))
        self.text.setText(" · ".join(_sentence(name, self._state) for name in names))
        self.setVisible(any(when == "after" for _, when in scores))


def _sentence(name: str, state: AppState) -> str:
    before, after = state.scores.get((name, "before")), state.scores.get((name, "after"))
    shown = " → ".join(f"{s.correct} of {s.total}" for s in (before, after) if s)
    return f"{name.replace('_', ' ').capitalize()}: {shown}"
