"""Decides when a run is over, and writes its final message."""

from collections.abc import Callable

from app.core.config.training_config import TrainingConfig
from app.core.events import Outcome
from app.engine.training.measurements import Measurements
from app.engine.training.run_counters import RunCounters


class RunEnding:
    def __init__(
        self, config: TrainingConfig, counters: RunCounters, measurements: Measurements
    ) -> None:
        self._config, self._counters, self._measured = config, counters, measurements

    @property
    def is_complete(self) -> bool:
        """Whether no step is left."""
        return self._counters.step == self._config.steps or self.is_over

    @property
    def is_over(self) -> bool:
        """Whether the run ends early: no improvement, a threshold reached, or interpolated."""
        is_at_threshold = self._measured.reached_score is not None or self._measured.is_too_far
        return self._is_stale or is_at_threshold or self._counters.interpolated is not None

    @property
    def _is_stale(self) -> bool:
        return self._counters.best.is_stale(self._config.early_stopping_patience)

    def outcome(self, idle_parts: Callable[[], str]) -> tuple[Outcome, str]:
        """The outcome and message of a run that did not fail.

        `idle_parts` returns sentences about tiers, modules and lessons without effect.
        """
        measured, step = self._measured, self._counters.step
        remarks = self._counters.non_finite.summary() + measured.remark()
        is_left = measured.is_validation_due or measured.is_last_left or measured.are_questions_left
        if is_left or not self.is_complete:
            return "stopped", f"{self.where_stopped()}{remarks}"
        remarks += idle_parts()
        if step == self._config.steps:
            done = f"All {step} steps" if step > 1 else "The one step is"
            return "finished", f"{done} done.{remarks}"
        reason = self._why_early()
        return "finished", f"Ended early at step {step}: {reason}{remarks}"

    def _why_early(self) -> str:
        if score := self._measured.reached_score:
            return f"{score.correct:,} of {score.total:,} questions of “{score.name}” are answered."
        if self._measured.is_too_far:
            return self._measured.distance_summary()
        if self._is_stale:
            return self._counters.best.summary()
        return "it was complete."  # resumed after an interruption of its last measurements

    def where_stopped(self) -> str:
        """A sentence that names the last step and the measurement that is missing."""
        measured, step = self._measured, self._counters.step
        if step == 0:
            return "Stopped before the first step."
        if measured.is_validation_due:
            return f"Stopped after step {step}, before its validation was done."
        if measured.is_last_left:
            return f"Stopped after step {step}, before the last validation was done."
        if step == self._config.steps and measured.are_questions_left:
            return f"Stopped after step {step}, before all questions were asked."
        return f"Stopped after step {step}."
