"""Updates the tiers' parameter counts and the memory estimate a short delay after each change."""

from pathlib import Path

from PySide6.QtCore import QObject, QTimer, Slot

from app.core.errors import Failure
from app.core.events import MemoryEstimated
from app.ui.data.tokenization import Tokenization
from app.ui.state.app_state import AppState
from app.workers.background_job import Job, JobEnded, JobNotice, JobYielded
from app.workers.compute_thread import ComputeThread
from app.workers.jobs.training import (
    MemoryUnknown,
    PlanRejected,
    PreviewResult,
    TokenizedRows,
    tier_preview,
)

DELAY_MS = 350


class TierPreview(QObject):
    """There are no counts while the settings are invalid. If they change during a run, the counts
    are unknown until it ends.
    """

    def __init__(
        self, state: AppState, compute: ComputeThread, tokenization: Tokenization, runs_dir: Path
    ) -> None:
        super().__init__(state)
        self._state, self._compute = state, compute
        self._tokenization, self._runs_dir = tokenization, runs_dir
        self._job: Job[PreviewResult] | None = None
        self._asked: tuple[tuple[object, ...], tuple[object, ...]] | None = None
        self._is_over = False
        self._timer = QTimer(self, interval=DELAY_MS, singleShot=True)
        self._timer.timeout.connect(self._ask)
        state.config_changed.connect(self.refresh)
        state.phase_changed.connect(self.refresh)
        tokenization.changed.connect(self._follow_rows)

    @Slot()
    def refresh(self) -> None:
        """Restart the debounce timer if a setting has changed that affects the counts or the
        memory.
        """
        if self._state.phase.is_active:
            self._wait_for_run()
            return
        asked, now = self._asked, self._deciding()
        if asked is None or asked[0] != now[0]:
            self.ask_again()
        elif asked != now:  # the counts are still valid
            self._drop_question()
            self._timer.start()

    @Slot()
    def _follow_rows(self) -> None:
        """The tokenized rows have changed: refresh. Before the first request there is nothing to
        refresh.
        """
        if self._asked is not None and self._asked != self._deciding():
            self.refresh()

    @Slot()
    def ask_again(self) -> None:
        """Discard all answers and ask soon, because the model's folder may have changed."""
        if self._state.phase.is_active:
            self._wait_for_run()
            return
        self._drop_question()
        self._asked = None
        self._state.set_preview(None)
        self._timer.start()

    @Slot()
    def make_way(self) -> None:
        """Free the compute thread for another job; `refresh` asks again later."""
        self._drop_question()

    def shut_down(self) -> None:
        """Cancel the request; later ones are ignored."""
        self._drop_question()
        self._is_over = True

    def _wait_for_run(self) -> None:
        """Keep only valid answers while the run in progress uses the compute thread."""
        self._drop_question()
        asked, now = self._asked, self._deciding()
        if asked is None or asked[0] != now[0]:
            self._asked = None
            self._state.set_preview(None)
        elif asked != now:
            self._state.forget_memory()

    def _drop_question(self) -> None:
        self._timer.stop()
        if self._job is not None:
            self._job.cancel()
            self._job = None
            has_counts = self._state.preview is not None  # the counts arrived before the estimate
            self._asked = (self._asked[0], ()) if self._asked and has_counts else None

    @Slot()
    def _ask(self) -> None:
        config = self._state.config
        if self._is_over or config.problems():
            return
        self._asked = self._deciding()
        done = self._tokenization.done
        known = TokenizedRows(done.sets, self._runs_dir) if done else None
        work = tier_preview(config, known)
        self._job = self._compute.submit("Counting parameters", work, self._follow)

    def _follow(self, notice: JobNotice) -> None:
        if self._job is None or notice.job_id != self._job.id:
            return  # a canceled request
        if isinstance(notice, JobYielded):
            self._take(notice.value)
        elif isinstance(notice, JobEnded):
            self._job = None
            if notice.failure is not None:
                self._state.set_preview(None, model_failure=notice.failure)

    def _take(self, value: PreviewResult) -> None:
        if isinstance(value, PlanRejected):
            self._state.set_preview(None, plan_failure=Failure(value.message, value.hint))
        elif isinstance(value, MemoryEstimated):
            self._state.set_memory(value)
        elif isinstance(value, MemoryUnknown):
            self._state.set_memory(None)
        else:
            self._state.set_preview(value)

    def _deciding(self) -> tuple[tuple[object, ...], tuple[object, ...]]:
        """The values that determine the tiers' parameter counts, and those that determine only the
        memory.
        """
        config, done = self._state.config, self._tokenization.done
        counts = (
            config.model,
            tuple(tier.period for tier in config.tiers),
            config.assign,
            config.fastest_first,
            config.tier_patterns,
            config.rank,
            config.num_layers,
            config.keys,
            config.fine_tune_type,
        )
        memory = (
            config.batch_size,
            config.grad_accumulation_steps,
            config.max_seq_length,
            config.grad_checkpoint,
            done,
            *((config.validation_split, config.seed, config.mix) if done else ()),
        )
        return counts, memory
