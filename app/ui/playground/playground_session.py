"""The chosen checkpoint and its conversation: submits one question at a time to the compute thread,
and unloads the model when a run begins.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot

from app.core.chat_messages import SIDES, Chat, Side, Turn
from app.core.errors import Failure
from app.core.events import Event
from app.core.generation_events import AnswerEvent, CheckpointRef, Sampling, TextAdded
from app.core.text.translation import tr
from app.core.wording.display_names import model_name
from app.ui.state.app_state import AppState
from app.workers.background_job import Job, JobEnded, JobNotice, JobYielded
from app.workers.compute_thread import ComputeThread
from app.workers.jobs.generation import LoadedCheckpoint

if TYPE_CHECKING:
    from app.library.reading.checkpoints import CheckpointFacts

IN_PROGRESS = tr("Training uses the model's memory. You can ask again when it finishes.")


@dataclass(frozen=True)
class Subject:
    """The checkpoint to ask, with its names for people."""

    tried: CheckpointRef
    run_name: str
    checkpoint: "CheckpointFacts"

    @property
    def base_name(self) -> str:
        return model_name(self.tried.model)

    @property
    def name(self) -> str:
        return tr("{name}, step {step:,}", name=self.run_name, step=self.checkpoint.step)


class PlaygroundSession(QObject):
    subject_changed = Signal()
    asked = Signal(str)
    """Argument: the question. Its answers follow."""
    event_received = Signal(object)
    """Argument: an AnswerEvent of the last question."""
    ended = Signal(object)
    """The answers have ended. Argument: a Failure, or None."""
    cleared = Signal()
    readiness_changed = Signal()
    """`why_not_ask` or `is_answering` may have changed."""
    defect_met = Signal(object)
    """Argument: the Failure of an unexpected error, to be shown with its details."""

    def __init__(self, state: AppState, compute: ComputeThread) -> None:
        super().__init__(state)
        self._state, self._compute = state, compute
        self._model = LoadedCheckpoint()
        self._may_hold = False
        self._job: Job[Event | AnswerEvent] | None = None
        self._question = ""
        self._replies: dict[Side, list[str]] = {}
        self._earlier: tuple[Turn, ...] = ()
        self.subject: Subject | None = None
        state.phase_changed.connect(self._make_way)

    @property
    def is_answering(self) -> bool:
        return self._job is not None

    def why_not_ask(self) -> str:
        """Why no question can be asked now, in one sentence; empty if one can."""
        if self._state.phase.is_active:
            return IN_PROGRESS
        if self.subject is None:
            return tr("Choose a checkpoint first.")
        return tr("Both models are still answering.") if self.is_answering else ""

    def choose(self, subject: Subject | None) -> None:
        """Choose another checkpoint and start a new conversation."""
        if subject == self.subject:
            return
        is_other = self.subject is None or subject is None or subject.tried != self.subject.tried
        self.subject = subject
        if is_other:
            self._forget()
            self.free()
        self.subject_changed.emit()
        self.readiness_changed.emit()

    def ask(self, question: str, system: str, sampling: Sampling) -> None:
        """Ask both models; does nothing while `why_not_ask` gives a reason."""
        if self.why_not_ask() or not question.strip() or self.subject is None:
            return
        self._question, self._replies = question, {side: [] for side in SIDES}
        chat = Chat(question, system, self._earlier)
        self._may_hold = True
        work = self._model.answer_job(self.subject.tried, chat, sampling)
        self._job = self._compute.submit("Answering", work, self._follow)
        self.asked.emit(question)
        self.readiness_changed.emit()

    @Slot()
    def stop(self) -> None:
        """Stop the answers; the text so far is kept."""
        if self._job is not None:
            self._job.cancel()

    @Slot()
    def clear(self) -> None:
        """Start a new conversation."""
        self._forget()
        self.cleared.emit()

    def _forget(self) -> None:
        """Forget the conversation, and stop an answer in progress."""
        self.stop()
        self._earlier, self._replies = (), {}

    @Slot()
    def free(self) -> None:
        """Unload the model after the answer in progress."""
        if self._may_hold:
            self._may_hold = False
            self._compute.submit("Freeing the model", self._model.unload_job())

    def _make_way(self) -> None:
        """Unload the model before a run begins; this job is queued before the run's."""
        if self._state.phase.is_active:
            self.stop()
            self.free()
        self.readiness_changed.emit()

    def _follow(self, notice: JobNotice) -> None:
        if isinstance(notice, JobYielded):
            event = notice.value
            if isinstance(event, TextAdded) and self._replies:
                self._replies[event.side].append(event.text)
            self.event_received.emit(event)
        elif isinstance(notice, JobEnded):
            self._end(notice.failure)

    def _end(self, failure: Failure | None) -> None:
        self._job = None
        if failure is not None:
            if not failure.is_app_error:
                self.defect_met.emit(failure)
        elif any(self._replies.values()):
            replies = {side: "".join(texts) for side, texts in self._replies.items()}
            self._earlier += (Turn(self._question, **replies),)
        self.ended.emit(failure)
        self.readiness_changed.emit()
