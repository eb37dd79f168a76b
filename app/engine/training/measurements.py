"""A run's measurements beside its steps: validation, forgetting, questions; each can be cut off."""

from collections.abc import Callable, Iterator
from typing import Literal

from app.core.events import KNOWN_QUESTIONS, Event, ScoreMeasured
from app.engine.batches.batches import Batch
from app.engine.evaluation.evaluation import count_exact_answers
from app.engine.evaluation.forgetting_meter import RetentionMeter
from app.engine.runtime.distributed import Machines
from app.engine.runtime.stopping import StopRequest
from app.engine.training.run_counters import BestValidation
from app.engine.training.setup import TrainingSetup
from app.engine.training.validation import Validation

Trace = tuple[Callable[[Batch], None], Batch]
"""A function that compiles for a batch's shape, and a batch of that shape."""


class Measurements:
    """One run's measurements, and which of them are still to be made."""

    def __init__(
        self,
        setup: TrainingSetup,
        best: BestValidation,
        stop: StopRequest,
        machines: Machines,
        *,
        is_validation_due: bool,
    ) -> None:
        self._setup, self._stop, self._machines = setup, stop, machines
        self._validation = Validation(setup, best, machines)
        model, texts = setup.base.model, setup.retention
        self._retention = RetentionMeter(model, setup.head, texts, machines) if texts else None
        self.is_validation_due = is_validation_due
        """Whether the validation after the last step was cut off."""
        self.is_last_left = False
        """Whether a measurement at the run's end was cut off."""
        self.are_questions_left = False

    def use(self, setup: TrainingSetup) -> None:
        """From here on measure with the rows of `setup`."""
        self._setup = setup
        self._validation.take(setup.valid)

    @property
    def needs_later_rows(self) -> bool:
        """Whether the last validation reads rows that are no tokens yet."""
        return self._validation.reads_more_at_the_end and not self._validation.can_read_the_last

    def traces(self) -> list[Trace]:
        """One for each shape of the batches that are measured."""
        valid: list[Trace] = [
            (self._validation.trace, one.batches.blank(shape))
            for one in self._setup.valid
            for shape in one.batches.shapes
        ]
        if self._retention is None or (texts := self._setup.retention) is None:
            return valid
        return valid + [(self._retention.trace, texts.last.blank(s)) for s in texts.shapes]

    def after_step(self, step: int) -> Iterator[Event]:
        """Forgetting and validation; a validation that is cut off stays due and counts for
        nothing."""
        self.is_validation_due = self._validation.has_rows
        if self._retention is not None:
            measuring = self._retention.measure(step)
            if retained := (yield from self._stop.stage("Measuring forgetting", measuring)):
                yield retained
        if not self._validation.has_rows:
            return
        validating = self._validation.measure(step)
        finished = yield from self._stop.stage("Validating", validating)
        if finished is not None:
            self.is_validation_due = False
            yield finished

    def last(self, step: int) -> Iterator[Event]:
        """The last validation and forgetting, on more rows, of a run that made all its steps."""
        if self._validation.reads_more_at_the_end:
            validating = self._validation.measure_last(step)
            finished = yield from self._stop.stage("Validating on more rows", validating)
            self.is_last_left = finished is None
            if finished is not None:
                yield finished
        if self._retention is None or self.is_last_left:
            return
        measuring = self._retention.measure(step, is_last=True)
        retained = yield from self._stop.stage("Measuring forgetting", measuring)
        self.is_last_left = retained is None
        if retained is not None:
            yield retained

    def scores(self, when: Literal["before", "after"]) -> Iterator[Event]:
        """Of each question set, and of the general questions."""
        setup = self._setup
        for questions in setup.questions:
            asking = count_exact_answers(
                setup.base.model, questions.batches, setup.head, self._machines
            )
            correct = yield from self._stop.stage(f"Asking the {questions.name}", asking)
            if correct is None:
                self.are_questions_left = True
                return
            yield ScoreMeasured(questions.name, when, correct, questions.count)
        if known := setup.known:
            asking = known.counting_right()
            answered = yield from self._stop.stage("Asking general questions", asking)
            if answered is None:
                self.are_questions_left = True
                return
            yield ScoreMeasured(KNOWN_QUESTIONS, when, answered, len(known))

    def remark(self) -> str:
        """For the end of the run's last sentence; mostly empty."""
        return self._validation.remark()
