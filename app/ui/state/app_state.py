"""What the window shows, in one place: the next run's plan, and the run in progress or the last.

The plan (settings, dataset) can be edited at any time; the run has settings of its own.

Whoever changes something calls a method here; whoever shows it listens. Starts no work itself.
"""

from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
    TierFacts,
)
from app.core.model_limits import ModelLimits
from app.core.text.sentences import localized
from app.core.text.translation import tr
from app.core.wording.display_names import dataset_title
from app.core.wording.memory import NO_ESTIMATE, memory_sentence
from app.ui.look import formatting

if TYPE_CHECKING:
    from app.data.inspection.inspection import DatasetFacts
    from app.ui.state.run_loading import RunToResume


class Phase(Enum):
    """Where the run of this window stands."""

    IDLE = "idle"
    RUNNING = "running"
    PAUSING = "pausing"
    """A pause was asked for, and the run is still at work."""
    PAUSED = "paused"
    """The run's thread rests."""
    STOPPING = "stopping"
    FINISHED = "finished"
    FAILED = "failed"

    @property
    def is_active(self) -> bool:
        return self.may_be_stopped or self is Phase.STOPPING

    @property
    def may_be_stopped(self) -> bool:
        """A run is in progress that nobody has stopped."""
        return self in (Phase.RUNNING, Phase.PAUSING, Phase.PAUSED)


class AppState(QObject):
    """Signals tell what has happened, after it did."""

    config_changed = Signal()
    """The settings, or what this model makes of them."""
    dataset_changed = Signal()
    phase_changed = Signal()
    preview_changed = Signal()
    run_event_received = Signal(object)
    """One of app.core.events, already taken in here."""
    run_cleared = Signal()
    """The last run's events are gone: a new run or dataset takes its place."""

    def __init__(self, config: TrainingConfig, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.config = config
        """Of the next run."""
        self.phase = Phase.IDLE
        self.dataset: DatasetFacts | None = None
        self.dataset_failure: Failure | None = None
        self.is_inspecting = False
        self.mix_problem = ""
        """Why a run can't start with the datasets that are mixed in."""
        self.rows_problem = ""
        """Why a run can't start with what the model and the limit leave of the rows."""
        self.preview: tuple[TierFacts, ...] | None = None
        self.model_limits = ModelLimits()
        """Of the base model, as far as it is known."""
        self.memory: MemoryEstimated | None = None
        """What a run would need with the settings as they are."""
        self.is_memory_unknown = False
        """There can be no estimate of it."""
        self.model_failure: Failure | None = None
        """Why the base model can't be loaded."""
        self.plan_failure: Failure | None = None
        """Why the tiers can't be laid over this base model."""
        self.run_failure: Failure | None = None
        self._forget_run()

    def _forget_run(self) -> None:
        self.run_config: TrainingConfig | None = None
        """Of the run in progress, or the last one; None before the first."""
        self._resumed_dir: Path | None = None
        self.run_memory: MemoryEstimated | None = None
        """What it estimated before its first step."""
        self.stage: StageChanged | None = None
        self.started: RunStarted | None = None
        self.earlier: RunToResume | None = None
        self.step: StepFinished | None = None
        self.evaluation: EvaluationFinished | None = None
        self.best_val_loss: float | None = None
        self.checkpoint: CheckpointSaved | None = None
        """The last one that this run made."""
        self.scores: dict[tuple[str, str], ScoreMeasured] = {}
        self.finished: RunFinished | None = None

    # -- settings and dataset ----------------------------------------------------------------
    def change_config(self, **settings: Any) -> None:
        self.replace_config(replace(self.config, **settings))

    def replace_config(self, config: TrainingConfig) -> None:
        if config != self.config:
            self.config = config
            self.config_changed.emit()

    def set_model_limits(self, limits: ModelLimits) -> None:
        if limits != self.model_limits:
            self.model_limits = limits
            self.config_changed.emit()

    @property
    def config_as_cut(self) -> TrainingConfig:
        """The settings, with the limit at which a run on this model would cut rows."""
        limit = self.model_limits.row_limit(self.config.max_seq_length)
        return replace(self.config, max_seq_length=limit)

    def begin_inspection(self) -> None:
        """A dataset is being read; what was there stays until it is known to be one."""
        self.is_inspecting = True
        self.dataset_failure = None
        self.dataset_changed.emit()

    def keep_dataset(self) -> None:
        """What was read is no dataset: the one that was there stays."""
        self.is_inspecting = False
        self.dataset_changed.emit()

    def set_dataset(self, facts: "DatasetFacts | None", failure: Failure | None = None) -> None:
        self.is_inspecting = False
        self.dataset, self.dataset_failure = facts, failure
        self.dataset_changed.emit()

    def set_mix_problem(self, problem: str) -> None:
        if problem != self.mix_problem:
            self.mix_problem = problem
            self.dataset_changed.emit()

    def set_rows_problem(self, problem: str) -> None:
        if problem != self.rows_problem:
            self.rows_problem = problem
            self.dataset_changed.emit()

    def set_preview(
        self,
        tiers: tuple[TierFacts, ...] | None,
        *,
        model_failure: Failure | None = None,
        plan_failure: Failure | None = None,
    ) -> None:
        """What the tiers hold, or why that can't be said; nothing at all while it is asked."""
        self.preview = tiers
        if tiers is None:
            self.memory, self.is_memory_unknown = None, False
        self.model_failure, self.plan_failure = model_failure, plan_failure
        self.preview_changed.emit()

    def set_memory(self, estimate: MemoryEstimated | None) -> None:
        """None where there can be no estimate."""
        self.memory, self.is_memory_unknown = estimate, estimate is None
        self.preview_changed.emit()

    def forget_memory(self) -> None:
        """The settings have changed, and nobody can estimate it now."""
        if self.memory is not None or self.is_memory_unknown:
            self.memory, self.is_memory_unknown = None, False
            self.preview_changed.emit()

    @property
    def memory_text(self) -> str:
        """The estimate, or that there can be none; empty while it is asked for."""
        if self.memory is not None:
            return memory_sentence(self.memory)
        return tr(NO_ESTIMATE) if self.is_memory_unknown else ""

    # -- the run -----------------------------------------------------------------------------
    def begin_run(
        self,
        config: TrainingConfig,
        earlier: "RunToResume | None" = None,
        run_dir: Path | None = None,
    ) -> None:
        """A run starts, or the one in `run_dir` resumes after what it had measured `earlier`."""
        self._clear_run()
        self.run_config, self._resumed_dir = config, run_dir
        self.earlier = earlier
        if earlier is not None and earlier.evaluations:
            self.evaluation = earlier.evaluations[-1]
        self.set_phase(Phase.RUNNING)

    def take_earlier(self) -> "RunToResume | None":
        """What a run that goes on had measured before; only once, since it may be large."""
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
        """Keep what the window shows of an event, then pass it on."""
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
                self.started = None  # nothing is left of it
        self.run_event_received.emit(event)

    @property
    def run_dir(self) -> Path | None:
        """Of the run in progress, or the last one; None until it has a folder."""
        return self.started.run_dir if self.started is not None else self._resumed_dir

    @property
    def is_resumed(self) -> bool:
        """The run in progress, or the last one, began with a checkpoint of its own."""
        return self._resumed_dir is not None

    def is_training(self, run_dir: Path) -> bool:
        """Whether this is the run in progress here."""
        return self.phase.is_active and self.run_dir == run_dir

    @property
    def run_name(self) -> str:
        """Of the run in progress, or the last one."""
        if self.started is not None:
            return self.started.name
        config = self.run_config
        return (config.name or dataset_title(config.data) or tr("Run")) if config else ""

    def run_blocker(self) -> str:
        """Why no other run can be started or resumed now, in one sentence; empty when one can."""
        if not self.phase.is_active:
            return ""
        return tr("A run is in progress. Stop it or wait until it finishes.")

    def start_blocker(self) -> str:
        """Why the plan can't be started now, in one sentence; empty when it can."""
        return self.run_blocker() or self.queue_blocker()

    @property
    def is_data_wrong(self) -> bool:
        """The rows or columns of the dataset are what must be put right before a run."""
        facts = self.dataset
        if facts is None or self.is_inspecting:
            return False
        return not facts.examples or (facts.problem_count > 0 and self.config.bad_rows == "stop")

    @property
    def is_unmapped(self) -> bool:
        """Not one row of the dataset has a known shape: its columns need roles."""
        facts = self.dataset
        return facts is not None and not facts.examples and "unknown shape" in facts.counts

    def queue_blocker(self) -> str:
        """Why the plan can't be trained, now or later; empty when it can."""
        if self.is_inspecting:
            return tr("The dataset is being read.")
        if self.config.data is None or self.dataset is None:
            return tr("Choose a dataset first.")
        if wrong := formatting.file_problems(self.dataset):
            return wrong[0]
        if not self.dataset.examples:
            return self.why_not_train_on_rows()
        if self.dataset.problem_count and self.config.bad_rows == "stop":
            return tr("The dataset has rows that can't be used.")
        if problems := self.config.problems():
            return localized(problems[0].message)
        if self.mix_problem or self.rows_problem:
            return self.mix_problem or self.rows_problem
        failure = self.model_failure or self.plan_failure
        return localized(failure.message) if failure else ""

    def why_not_train_on_rows(self) -> str:
        """Why a run has too few rows, as far as that is known; empty where it has enough."""
        if self.dataset is not None and not self.dataset.examples:
            return tr("The dataset has no example that can be trained on.")
        return self.rows_problem
