"""The current or last run of this window: its phase and its latest events. Starts no work
itself.
"""

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from app.core.config.training_config import TrainingConfig
from app.core.errors import Failure
from app.core.events import (
    CheckpointSaved,
    EvaluationFinished,
    Event,
    MemoryEstimated,
    RunFinished,
    RunStarted,
    ScoreMeasured,
    StageChanged,
    StepFinished,
)
from app.core.text.translation import tr
from app.core.wording.display_names import dataset_title

if TYPE_CHECKING:
    from app.ui.state.run_loading import RunToResume


class Phase(Enum):
    """The phase of this window's run."""

    IDLE = "idle"
    RUNNING = "running"
    PAUSING = "pausing"
    """The user has requested a pause; the current step is still running."""
    PAUSED = "paused"
    """The run's thread is paused."""
    STOPPING = "stopping"
    FINISHED = "finished"
    FAILED = "failed"

    @property
    def is_active(self) -> bool:
        return self.may_be_stopped or self is Phase.STOPPING

    @property
    def may_be_stopped(self) -> bool:
        """Whether a run is in progress that is not being stopped."""
        return self in (Phase.RUNNING, Phase.PAUSING, Phase.PAUSED)


class RunState(QObject):
    phase_changed = Signal()
    run_event_received = Signal(object)
    """Argument: an Event of app.core.events. The state already reflects it."""
    run_cleared = Signal()
    """The last run's events were discarded, because a new run starts."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.phase = Phase.IDLE
        self.run_failure: Failure | None = None
        self.is_followed = False
        """Whether the study starts another run after this one."""
        self._forget_run()

    def _forget_run(self) -> None:
        self.run_config: TrainingConfig | None = None
        """The settings of the current or last run; None before the first."""
        self._resumed_dir: Path | None = None
        self.run_memory: MemoryEstimated | None = None
        """The run's memory estimate before its first step."""
        self.stage: StageChanged | None = None
        self.started: RunStarted | None = None
        self.earlier: RunToResume | None = None
        self.step: StepFinished | None = None
        self.evaluation: EvaluationFinished | None = None
        self.best_val_loss: float | None = None
        self.checkpoint: CheckpointSaved | None = None
        """The run's last checkpoint."""
        self.scores: dict[tuple[str, str], ScoreMeasured] = {}
        self.finished: RunFinished | None = None

    def begin_run(
        self,
        config: TrainingConfig,
        earlier: "RunToResume | None" = None,
        run_dir: Path | None = None,
    ) -> None:
        """Start a run, or resume the one in `run_dir` after its measurements in `earlier`."""
        self._clear_run()
        self.run_config, self._resumed_dir = config, run_dir
        self.earlier = earlier
        if earlier is not None and earlier.evaluations:
            self.evaluation = earlier.evaluations[-1]
        self.set_phase(Phase.RUNNING)

    def take_earlier(self) -> "RunToResume | None":
        """The earlier measurements of a resumed run. Returned only once, because they may
        be large.
        """
        earlier, self.earlier = self.earlier, None
        return earlier

    def _clear_run(self) -> None:
        self._forget_run()
        self.run_failure = None
        self.run_cleared.emit()

    def set_phase(self, phase: Phase) -> None:
        if phase is not self.phase:
            self.phase = phase
            self.phase_changed.emit()

    def fail_run(self, failure: Failure) -> None:
        self.run_failure = failure
        self.set_phase(Phase.FAILED)

    def take_event(self, event: Event) -> None:
        """Update the state from an event, then emit it."""
        if isinstance(event, StepFinished):
            self.step, self.stage = event, None
        elif isinstance(event, StageChanged):
            self.stage = event
        elif isinstance(event, MemoryEstimated):
            self.run_memory = event
        elif isinstance(event, RunStarted):
            self.started = event
        elif isinstance(event, EvaluationFinished):
            self.evaluation = self.evaluation if event.is_last else event
            self.stage = None
            self.best_val_loss = event.val_loss if event.is_best else self.best_val_loss
        elif isinstance(event, CheckpointSaved):
            self.checkpoint = event
        elif isinstance(event, ScoreMeasured):
            self.scores[event.name, event.when] = event
        elif isinstance(event, RunFinished):
            self.finished, self.stage = event, None
            if event.outcome == "stopped" and not event.steps:
                self.started = None  # the run has left no folder
        self.run_event_received.emit(event)

    @property
    def run_dir(self) -> Path | None:
        """The folder of the current or last run; None until it has one."""
        return self.started.run_dir if self.started is not None else self._resumed_dir

    @property
    def is_resumed(self) -> bool:
        """Whether the current or last run was resumed from one of its own checkpoints."""
        return self._resumed_dir is not None

    def is_training(self, run_dir: Path) -> bool:
        """Whether this is the run in progress in this window."""
        return self.phase.is_active and self.run_dir == run_dir

    @property
    def run_name(self) -> str:
        """The name of the current or last run."""
        if self.started is not None:
            return self.started.name
        config = self.run_config
        return (config.name or dataset_title(config.data) or tr("Run")) if config else ""

    def run_blocker(self) -> str:
        """Why no other run can be started or resumed now, in one sentence; empty if one can."""
        if not self.phase.is_active:
            return ""
        return tr("A run is in progress. Stop it or wait until it finishes.")
