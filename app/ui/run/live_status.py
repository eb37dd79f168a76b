"""The status of the run in progress: phase, activity, progress bar, metrics and errors."""

from PySide6.QtWidgets import QProgressBar

from app.core.events import StageChanged
from app.core.text.sentences import localized
from app.core.text.translation import tr
from app.ui.look import formatting
from app.ui.look.plain_text import ElidedLabel
from app.ui.run.run_metrics import Metrics
from app.ui.state.app_state import AppState
from app.ui.state.run_pace import RunPace
from app.ui.state.run_state import Phase
from app.ui.system.deferred_calls import Throttle
from app.ui.widgets.basic_widgets import CardFrame, message, say
from app.ui.widgets.layouts import fill

PHASES = {
    Phase.IDLE: (tr("Stopped"), "warning"),
    Phase.RUNNING: (tr("Running"), "accent"),
    Phase.PAUSING: (tr("Pausing…"), "warning"),
    Phase.PAUSED: (tr("Paused"), "warning"),
    Phase.STOPPING: (tr("Stopping…"), "warning"),
    Phase.FINISHED: (tr("Finished"), "success"),
    Phase.FAILED: (tr("Failed"), "danger"),
}
"""The name of each phase, and the theme color for it."""


def phase_words(state: AppState) -> tuple[str, str]:
    is_stopped = state.finished is not None and state.finished.outcome == "stopped"
    if is_stopped and not state.phase.is_active:
        return PHASES[Phase.IDLE]
    return PHASES[state.phase]


def status(state: AppState) -> str:
    """One sentence on the current activity, or on how the run ended. `problem` gives the reason for
    a failure.
    """
    if state.phase is Phase.STOPPING:
        return _stopping(state)
    if state.phase.is_active:
        return _working(state)
    if state.phase is Phase.FAILED or state.finished is None:
        return ""
    return localized(state.finished.message)


def problem(state: AppState) -> str:
    if state.phase is not Phase.FAILED:
        return ""
    if state.run_failure is not None:
        return localized(str(state.run_failure))
    return localized(state.finished.message) if state.finished else ""


def fraction(state: AppState) -> float | None:
    """The completed fraction of the steps, or of the current stage before the first step; None if
    unknown.
    """
    if state.step is not None and state.started is not None:
        return state.step.step / state.started.steps
    if not state.phase.is_active:
        return 0.0
    return state.stage.fraction if state.stage is not None else None


def _stopping(state: AppState) -> str:
    if state.step is None:
        return tr("Canceling the run.")
    if state.stage is None:
        return tr("Finishing the current step…")
    return tr("Skipping the rest of this stage…")


def _working(state: AppState) -> str:
    if state.stage is not None and state.phase is not Phase.PAUSED:
        return tr("{stage}…", stage=_stage_text(state.stage))
    kept = tr("Last checkpoint: step {step:,}.", step=c.step) if (c := state.checkpoint) else ""
    return f"{_activity(state)} {kept}".rstrip()


def _activity(state: AppState) -> str:
    step = state.step.step if state.step else None
    if state.phase is Phase.PAUSED:
        return tr("Paused.") if step is None else tr("Paused at step {step:,}.", step=step)
    if state.phase is Phase.PAUSING:
        return tr("Finishing the current step…")
    return tr("Starting…") if step is None else tr("Training…")


def _stage_text(stage: StageChanged) -> str:
    """The stage with its progress, as in "Validating, 40 %", or the stage alone at 0 %."""
    name = localized(tr(stage.stage))
    return f"{name}, {formatting.percent(stage.fraction)}" if stage.fraction else name


PROGRESS_PARTS = 1000
REFRESH_MS = 50


class ProgressView(CardFrame):
    def __init__(self, state: AppState, pace: RunPace) -> None:
        super().__init__()
        self._state = state
        self.status = ElidedLabel("", "secondary")
        self.problem = message("problem")
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setAccessibleName(tr("Progress of the run"))
        self.metrics = Metrics(state, pace)
        self.inside.setSpacing(10)
        fill(self.inside, self.status, self.problem, self.bar, self.metrics)
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
            self.bar.setRange(0, 0)  # an indeterminate progress bar
        else:
            self.bar.setRange(0, PROGRESS_PARTS)
            self.bar.setValue(round(PROGRESS_PARTS * share))
