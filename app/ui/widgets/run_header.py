"""The run at a glance: its name, how it stands, its progress and figures, and what can be done."""

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QFrame, QProgressBar, QSizePolicy, QVBoxLayout, QWidget

from app.ui import phrases
from app.ui.app_state import AppState, Phase
from app.ui.desktop import REVEAL_LABEL
from app.ui.plain_text import set_tip
from app.ui.run_actions import ActionButton, RunActions
from app.ui.widgets.building import ElidedLabel, button, card, label, message, restyle, row, say
from app.ui.widgets.memory_note import MemoryNote
from app.ui.widgets.metrics import Metrics

PROGRESS_PARTS = 1000
REFRESH_MS = 50
NARROW_PX = 560
RESULTS_BESIDE_FROM_PX = 680
"""Narrower, the results' buttons would leave the status no room."""
_PHASES = {
    Phase.EMPTY: ("No dataset", ""),
    Phase.READY: ("Ready", ""),
    Phase.RUNNING: ("Running", "accent"),
    Phase.PAUSING: ("Pausing…", "warning"),
    Phase.PAUSED: ("Paused", "warning"),
    Phase.STOPPING: ("Stopping…", "warning"),
    Phase.FINISHED: ("Finished", "success"),
    Phase.FAILED: ("Failed", "danger"),
}


class RunHeader(QWidget):
    reveal_requested = Signal()
    export_requested = Signal()
    try_requested = Signal()

    def __init__(self, state: AppState, actions: RunActions) -> None:
        super().__init__()
        self._state = state
        self.name = ElidedLabel("", "title")
        self.pill = label("", "pill")
        self.pill.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.status = ElidedLabel("", "secondary")
        self.problem = message("problem")
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setAccessibleName("Progress of the run")
        self.metrics = Metrics(state)
        self.memory = MemoryNote(state)
        self.attempt = button("Try", self.try_requested.emit)
        self.reveal = button(REVEAL_LABEL, self.reveal_requested.emit)
        self.export = button("Export Checkpoint…", self.export_requested.emit)
        self.queue = ActionButton(actions.queue)
        self.start = ActionButton(actions.start, "primary")
        self.pause = ActionButton(actions.pause)
        self.save = ActionButton(actions.save)
        self.stop = ActionButton(actions.stop)
        self._lay_out()
        self._timer = QTimer(self, interval=REFRESH_MS, singleShot=True)
        self._timer.timeout.connect(self.refresh)
        state.run_event_received.connect(self._schedule)
        for changed in (
            state.phase_changed, state.config_changed, state.dataset_changed,
            state.preview_changed, state.run_cleared,
        ):  # fmt: skip
            changed.connect(self.refresh)
        self.refresh()

    def _lay_out(self) -> None:
        frame, inside = card()
        inside.setSpacing(10)
        self._title = row(self.name, self.queue, self.start, self.pause, self.stop)
        inside.addLayout(self._title)
        self.results = QFrame()
        self.results.setLayout(row(self.attempt, self.reveal, self.export))
        self._status_row = row(self.pill, self.status, self.save, self.results)
        self._results_row = row()
        inside.addLayout(self._status_row)
        inside.addLayout(self._results_row)
        inside.addWidget(self.problem)
        inside.addWidget(self.memory)
        inside.addWidget(self.bar)
        inside.addWidget(self.metrics)
        outside = QVBoxLayout(self)
        outside.setContentsMargins(0, 0, 0, 0)
        outside.addWidget(frame)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.queue.setVisible(self.width() >= NARROW_PX)
        self._place_results()

    def _place_results(self) -> None:
        """Where it is narrow, what can be done with the results has a row of its own."""
        needed = RESULTS_BESIDE_FROM_PX if self.status.text() else NARROW_PX
        wanted = self._results_row if self.width() < needed else self._status_row
        if wanted.indexOf(self.results) < 0:
            wanted.addWidget(self.results, 0, Qt.AlignmentFlag.AlignLeft)

    def _schedule(self, _event: object) -> None:
        if not self._timer.isActive():
            self._timer.start()

    def refresh(self) -> None:
        state = self._state
        text, tone = _PHASES[state.phase]
        if state.finished and state.finished.outcome == "stopped" and not state.phase.is_active:
            text, tone = "Stopped", "warning"
        elif state.phase is Phase.READY and state.why_not_start():
            text, tone = "Not ready", "warning"
        self.pill.setText(text)
        restyle(self.pill, "tone", tone)
        self.name.setText(self._name())
        self.status.setText(self._status())
        self._place_results()
        say(self.problem, self._problem())
        self._show_progress()
        finished = state.finished
        has_folder = finished is not None and state.started is not None
        self.results.setVisible(has_folder and not state.phase.is_active)
        self.save.setVisible(state.phase.is_active and state.step is not None)
        self.export.setEnabled(finished is not None and finished.adapter_dir is not None)
        self.attempt.setEnabled(self.export.isEnabled())
        set_tip(self.attempt, "" if self.export.isEnabled() else "This run kept no checkpoint.")
        set_tip(self.export, "" if self.export.isEnabled() else "This run kept no checkpoint.")

    def _name(self) -> str:
        state = self._state
        if state.started is not None:
            return state.started.name
        return state.config.name or phrases.dataset_name(state.config.data) or "New run"

    def _status(self) -> str:
        state = self._state
        if state.phase is Phase.STOPPING:
            if state.step is None:
                return "Canceling the run."
            is_in_step = state.stage is None
            return (
                "Finishing the current step…" if is_in_step else "Skipping the rest of this stage…"
            )
        kept = f" Last checkpoint: step {c.step:,}." if (c := state.checkpoint) else ""
        if state.phase is Phase.PAUSED:
            after = f"Paused at step {state.step.step:,}." if state.step else "Paused."
            return f"{after}{kept}"
        if state.phase is Phase.PAUSING and state.stage is None:
            return f"Finishing the current step…{kept}"
        if state.phase.is_active:
            if state.stage is not None:
                return f"{state.stage.text}…"
            return f"Training…{kept}" if state.step else "Starting…"
        if state.finished is not None:
            return "" if state.phase is Phase.FAILED else state.finished.message
        return "" if state.phase is Phase.FAILED else state.why_not_start()

    def _problem(self) -> str:
        state = self._state
        if state.phase is not Phase.FAILED:
            return ""
        if state.run_failure is not None:
            return f"{state.run_failure.message} {state.run_failure.hint}".strip()
        return state.finished.message if state.finished else ""

    def _show_progress(self) -> None:
        """Steps once there are some; before that what the stage says of itself, or just motion."""
        state = self._state
        if state.step is not None and state.started is not None:
            self.bar.setRange(0, PROGRESS_PARTS)
            self.bar.setValue(round(PROGRESS_PARTS * state.step.step / state.started.steps))
        elif state.phase.is_active and state.stage and state.stage.fraction is not None:
            self.bar.setRange(0, PROGRESS_PARTS)
            self.bar.setValue(round(PROGRESS_PARTS * state.stage.fraction))
        elif state.phase.is_active:
            self.bar.setRange(0, 0)
        else:
            self.bar.setRange(0, PROGRESS_PARTS)
            self.bar.setValue(0)
