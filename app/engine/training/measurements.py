"""A run's measurements beside its steps: validation, forgetting, questions; each can be cut off."""

from collections.abc import Generator, Iterator
from typing import Literal

from app.core.config.training_config import TrainingConfig
from app.core.events import KNOWN_QUESTIONS, Event, ScoreMeasured
from app.core.text.translation import mark
from app.engine.evaluation.evaluation import find_wrong_answers
from app.engine.evaluation.forgetting_meter import RetentionMeter
from app.engine.evaluation.question_sets import QuestionSet
from app.engine.evaluation.wrong_answers import wrong_answers
from app.engine.runtime.distributed import Machines
from app.engine.runtime.stopping import StopRequest
from app.engine.training.early_stopping import BestValidation
from app.engine.training.setup import TrainingSetup
from app.engine.training.validation import Validation


class Measurements:
    """One run's measurements, and which of them are still to be made."""

    def __init__(
        self,
        config: TrainingConfig,
        setup: TrainingSetup,
        best: BestValidation,
        stop: StopRequest,
        machines: Machines,
        *,
        is_validation_due: bool,
        base_kl: float | None = None,
    ) -> None:
        self._config = config
        self._setup, self._stop, self._machines = setup, stop, machines
        self._validation = Validation(setup, best, machines)
        model, texts = setup.base.model, setup.retention
        self._retention = (
            RetentionMeter(model, setup.fast, texts, setup.kept, machines) if texts else None
        )
        self.is_validation_due = is_validation_due
        """Whether the validation after the last step was cut off."""
        self.is_last_left = False
        """Whether a measurement at the run's end was cut off."""
        self.are_questions_left = False
        self.reached_score: ScoreMeasured | None = None
        """The score that ends the run; None until the run has it."""
        self.base_kl = base_kl
        """The last measured change from base; None before the first measurement."""

    def use(self, setup: TrainingSetup) -> None:
        """From here on measure with the rows of `setup`."""
        self._setup = setup
        self._validation.take(setup.valid)

    @property
    def needs_later_rows(self) -> bool:
        """Whether the last validation reads rows that are no tokens yet."""
        return self._validation.reads_more_at_the_end and not self._validation.can_read_the_last

    def after_step(self, step: int) -> Iterator[Event]:
        """Forgetting and validation; a validation that is cut off stays due and counts for
        nothing."""
        self.is_validation_due = self._validation.has_rows
        base_kl = 0.0
        if self._retention is not None:
            # Where a run continues another, its start is that run's end: on the same texts.
            is_handover = step == 0 and self._config.adapter is not None
            measuring = self._retention.measure(step, reads_all=is_handover)
            if retained := (yield from self._stop.stage(mark("Measuring forgetting"), measuring)):
                base_kl = retained.base_kl
                self.base_kl = base_kl if step else None
                yield retained
        if not self._validation.has_rows:
            return
        forgetting = self._config.forgetting_weight * base_kl
        validating = self._validation.measure(step, forgetting)
        finished = yield from self._stop.stage(mark("Validating"), validating)
        if finished is not None:
            self.is_validation_due = False
            yield finished

    @property
    def is_too_far(self) -> bool:
        """Whether the run has taken the model further from its base than it may."""
        return self.base_kl is not None and 0 < self._config.max_base_kl < self.base_kl

    def distance_summary(self) -> str:
        """One sentence that says why a run ended early."""
        return (
            f"its change from base is {self.base_kl:.4g} nats per token, more than "
            f"{self._config.max_base_kl:g}."
        )

    def target_score(self, step: int) -> Iterator[Event]:
        """Whether the model answers enough of the first question set, at the steps that ask."""
        config = self._config
        if not config.target_score or not config.eval_sets or step % config.steps_per_score:
            return
        questions = self._setup.questions[0]
        asking = self._finding(questions)
        wrong = yield from self._stop.stage(_asking(questions), asking)
        if wrong is None:
            return
        correct = questions.count - len(wrong)
        if correct >= config.target_score * questions.count:
            self.reached_score = ScoreMeasured(questions.name, "after", correct, questions.count)

    @property
    def can_tell_learning(self) -> bool:
        """Whether there is anything that `learned` goes by."""
        return bool(self._config.eval_sets) or self._validation.has_rows

    def learned(self) -> Generator[float, None, float]:
        """How well the model knows the run's data now, higher is better: the first question set's
        right answers, or without one the negative validation loss."""
        if not self._config.eval_sets:
            return -(yield from self._validation.loss())
        questions = self._setup.questions[0]
        return float(questions.count - len((yield from self._finding(questions))))

    def last(self, step: int) -> Iterator[Event]:
        """The last validation and forgetting, on more rows, of a run that made all its steps."""
        if self._validation.reads_more_at_the_end:
            validating = self._validation.measure_last(step)
            finished = yield from self._stop.stage(mark("Validating on more rows"), validating)
            self.is_last_left = finished is None
            if finished is not None:
                yield finished
        if self._retention is None or self.is_last_left:
            return
        measuring = self._retention.measure(step, is_last=True)
        retained = yield from self._stop.stage(mark("Measuring forgetting"), measuring)
        self.is_last_left = retained is None
        if retained is not None:
            yield retained

    def scores(self, when: Literal["before", "after"]) -> Iterator[Event]:
        """Of each question set, and of the known questions."""
        base, head, is_after = self._setup.base, self._setup.head, when == "after"
        for questions in self._setup.questions:
            asking = wrong_answers(base, questions, head, self._machines, with_answers=is_after)
            found = yield from self._stop.stage(_asking(questions), asking)
            if found is None:
                self.are_questions_left = True
                return
            yield ScoreMeasured(questions.name, when, found[0], questions.count, found[1])
        if known := self._setup.known:
            asking_known = known.wrong_answers(head)
            wrong = yield from self._stop.stage(mark("Asking known questions"), asking_known)
            if wrong is None:
                self.are_questions_left = True
                return
            right = len(known) - len(wrong)
            yield ScoreMeasured(KNOWN_QUESTIONS, when, right, len(known), wrong)

    def _finding(self, questions: QuestionSet) -> Generator[float, None, list[int]]:
        """The numbers of the questions that are answered incorrectly."""
        model, head = self._setup.base.model, self._setup.head
        return find_wrong_answers(model, questions.batches, head, self._machines)

    def remark(self) -> str:
        """For the end of the run's last sentence; mostly empty."""
        return self._validation.remark()


def _asking(questions: QuestionSet) -> str:
    return f"Asking the questions of “{questions.name}”"
