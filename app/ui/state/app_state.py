"""The state behind the window: the plan of the next run, and the current or last run.

The plan (settings, dataset) can be edited at any time; the run has its own settings. Widgets change
the state with methods and listen to its signals. Starts no work itself.
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
    """The state of the run and of the plan. Signals are emitted after a change."""

    config_changed = Signal()
    """The settings or the base model's limits have changed."""
    dataset_changed = Signal()
    preview_changed = Signal()

    def __init__(self, config: TrainingConfig, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.config = config
        """The settings of the next run."""
        self.dataset: DatasetFacts | None = None
        self.dataset_failure: Failure | None = None
        self.is_inspecting = False
        self.mix_problem = ""
        """Why a run can't start with the datasets that are mixed in."""
        self.rows_problem = ""
        """Why a run can't start with the rows that remain for this model and row limit."""
        self.preview: tuple[TierFacts, ...] | None = None
        self.model_limits = ModelLimits()
        """The known limits of the base model."""
        self.memory: MemoryEstimated | None = None
        """The memory estimate for the current settings."""
        self.is_memory_unknown = False
        """Whether the memory can't be estimated."""
        self.model_failure: Failure | None = None
        """Why the base model can't be loaded."""
        self.plan_failure: Failure | None = None
        """Why the tiers don't fit this base model."""

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
        """The settings with the row limit that a run on this model would use."""
        limit = self.model_limits.row_limit(self.config.max_seq_length)
        return replace(self.config, max_seq_length=limit)

    def begin_inspection(self) -> None:
        """A dataset is being read. The current dataset stays until the new one has been read."""
        self.is_inspecting = True
        self.dataset_failure = None
        self.dataset_changed.emit()

    def keep_dataset(self) -> None:
        """The file is not a dataset: keep the current one."""
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
        """Set the tiers' parameter counts, or the reason why there are none. All are None while
        they are being computed.
        """
        self.preview = tiers
        if tiers is None:
            self.memory, self.is_memory_unknown = None, False
        self.model_failure, self.plan_failure = model_failure, plan_failure
        self.preview_changed.emit()

    def set_memory(self, estimate: MemoryEstimated | None) -> None:
        """Set the memory estimate; None if it can't be estimated."""
        self.memory, self.is_memory_unknown = estimate, estimate is None
        self.preview_changed.emit()

    def forget_memory(self) -> None:
        """Discard the estimate, because the settings have changed and a new one can't be made
        during a run.
        """
        if self.memory is not None or self.is_memory_unknown:
            self.memory, self.is_memory_unknown = None, False
            self.preview_changed.emit()

    @property
    def memory_text(self) -> str:
        """The memory estimate as a sentence, or that there is none; empty while it is being
        computed.
        """
        if self.memory is not None:
            return memory_sentence(self.memory)
        return tr(NO_ESTIMATE) if self.is_memory_unknown else ""

    def start_blocker(self) -> str:
        """Why the plan can't be started now, in one sentence; empty if it can."""
        return self.run_blocker() or self.queue_blocker()

    @property
    def is_data_wrong(self) -> bool:
        """Whether the dataset's rows or columns must be fixed before a run can start."""
        facts = self.dataset
        if facts is None or self.is_inspecting:
            return False
        return not facts.examples or (facts.problem_count > 0 and self.config.bad_rows == "stop")

    @property
    def is_unmapped(self) -> bool:
        """Whether no row has a known schema, so that the columns must be mapped."""
        facts = self.dataset
        return facts is not None and not facts.examples and "unknown shape" in facts.counts

    def queue_blocker(self) -> str:
        """Why the plan can't be trained, now or later; empty if it can."""
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
        """Why too few rows remain to train on, as far as known; empty if there are enough."""
        if self.dataset is not None and not self.dataset.examples:
            return tr("The dataset has no example that can be trained on.")
        return self.rows_problem
