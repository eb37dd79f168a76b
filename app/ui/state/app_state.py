"""What the window shows, in one place: the next run's plan, and the run in progress or the last.

The plan (settings, dataset) can be edited at any time; the run has settings of its own.

Whoever changes something calls a method here; whoever shows it listens. Starts no work itself.
"""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal

from app.core.base_model import ModelLimits
from app.core.config.training_config import TrainingConfig
from app.core.errors import Failure
from app.core.events import MemoryEstimated, TierFacts
from app.core.text.sentences import localized
from app.core.text.translation import tr
from app.core.wording.memory import NO_ESTIMATE, memory_sentence
from app.ui.look import formatting
from app.ui.state.run_state import RunState

if TYPE_CHECKING:
    from app.data.inspection.inspection import DatasetFacts

UNMAPPED = tr("These columns aren't recognized. Map them first.")


class AppState(RunState):
    """The run's state and the plan's. Signals tell what has happened, after it did."""

    config_changed = Signal()
    """The settings, or what this model makes of them."""
    dataset_changed = Signal()
    preview_changed = Signal()

    def __init__(self, config: TrainingConfig, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.config = config
        """Of the next run."""
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
            return UNMAPPED if self.is_unmapped else self.why_not_train_on_rows()
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
