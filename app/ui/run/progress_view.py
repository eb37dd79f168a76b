"""The run in progress at a glance: what it does, its progress and its figures."""

from PySide6.QtWidgets import QProgressBar, QVBoxLayout, QWidget

from app.core.text.translation import tr
from app.ui.run.live_status import fraction, problem, status
from app.ui.run.run_metrics import Metrics
from app.ui.state.app_state import AppState
from app.ui.state.run_pace import RunPace
from app.ui.system.deferred_calls import Throttle
from app.ui.widgets.basic_widgets import ElidedLabel, card, message, say

PROGRESS_PARTS = 1000
REFRESH_MS = 50


class ProgressView(QWidget):
    def __init__(self, state: AppState, pace: RunPace) -> None:
        super().__init__()
        self._state = state
        self.status = ElidedLabel("", "secondary")
        self.problem = message("problem")
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setAccessibleName(tr("Progress of the run"))
        self.metrics = Metrics(state, pace)
        frame, inside = card()
        inside.setSpacing(10)
        for part in (self.status, self.problem, self.bar, self.metrics):
            inside.addWidget(part)
        outside = QVBoxLayout(self)
        outside.setContentsMargins(0, 0, 0, 0)
        outside.addWidget(frame)
        self._refreshing = Throttle(REFRESH_MS, self.refresh, self)
        state.run_event_received.connect(self._refreshing.request)
        state.phase_changed.connect(self.refresh)
        state.run_cleared.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        state = self._state
        say(self.problem, problem(state))
        self.status.setText(status(state))
        self.status.setVisible(not self.problem.text())
        share = fraction(state)
        if share is None:
            self.bar.setRange(0, 0)  # moves, and promises nothing
        else:
            self.bar.setRange(0, PROGRESS_PARTS)
            self.bar.setValue(round(PROGRESS_PARTS * share))
