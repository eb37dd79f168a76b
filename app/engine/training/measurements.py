"""A run's measurements: validation, forgetting and questions; each of them can be interrupted."""

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
    """One run's measurements, and which of them were interrupted."""

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
        """Whether the validation after the last step was interrupted."""
        self.is_last_left = False
        """Whether a measurement at the run's end was interrupted."""
        self.are_questions_left = False
        """Whether the question sets were interrupted."""
        self.reached_score: ScoreMeasured | None = None
        """The score that ends the run; None until it is reached."""
        self.base_kl = base_kl
        """The last KL divergence from the base; None before the first measurement."""

    def use(self, setup: TrainingSetup) -> None:
        """Measure on the rows of `setup` from now on."""
        self._setup = setup
        self._validation.take(setup.valid)

    @property
    def needs_later_rows(self) -> bool:
        """Whether the last validation reads rows that are not tokenized yet."""
        return self._validation.reads_more_at_the_end and not self._validation.can_read_the_last

    def after_step(self, step: int) -> Iterator[Event]:
        """Measure forgetting, then validate; an interrupted validation has no effect and stays
        due."""
        self.is_validation_due = self._validation.has_rows
        base_kl = 0.0
        if self._retention is not None:
            # The start of a continued run is measured on the same texts as the end of the other.
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
        """Whether the KL divergence from the base is above the configured limit."""
        return self.base_kl is not None and 0 < self._config.max_base_kl < self.base_kl

    def distance_summary(self) -> str:
        """The reason why the run ended early, as the end of a sentence."""
        return (
            f"its change from base is {self.base_kl:.4g} nats per token, more than "
            f"{self._config.max_base_kl:g}."
        )

    def target_score(self, step: int) -> Iterator[Event]:
        """Every `steps_per_score` steps, ask the first question set; sets `reached_score` when the
        target is met."""
        config = self._config
        if not config.target_score or not config.eval_sets or step % config.steps_per_score:
            return
        questions = self._setup.questions[0]
        asking = self._wrong_indexes(questions)
        wrong = yield from self._stop.stage(_asking(questions), asking)
        if wrong is None:
            return
        correct = questions.count - len(wrong)
        if correct >= config.target_score * questions.count:
            self.reached_score = ScoreMeasured(questions.name, "after", correct, questions.count)

    @property
    def can_tell_learning(self) -> bool:
        """Whether `learned` has questions or validation rows to measure by."""
        return bool(self._config.eval_sets) or self._validation.has_rows

    def learned(self) -> Generator[float, None, float]:
        """How well the model knows the run's data; higher is better.

        The number of correct answers to the first question set, or without a set the negative
        validation loss. Yields the share done.
        """
        if not self._config.eval_sets:
            return -(yield from self._validation.loss())
        questions = self._setup.questions[0]
        return float(questions.count - len((yield from self._wrong_indexes(questions))))

    def last(self, step: int) -> Iterator[Event]:
        """After all steps: validation on more rows, then forgetting on all texts."""
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
        """The score on each question set and on the known questions."""
        base, head, is_after = self._setup.base, self._setup.head, when == "after"
        for questions in self._setup.questions:
            asking = wrong_answers(base, questions, head, self._machines, with_answers=is_after)
            result = yield from self._stop.stage(_asking(questions), asking)
            if result is None:
                self.are_questions_left = True
                return
            correct, incorrect = result
            yield ScoreMeasured(questions.name, when, correct, questions.count, incorrect)
        if known := self._setup.known:
            asking_known = known.wrong_answers(head)
            wrong = yield from self._stop.stage(mark("Asking known questions"), asking_known)
            if wrong is None:
                self.are_questions_left = True
                return
            right = len(known) - len(wrong)
            yield ScoreMeasured(KNOWN_QUESTIONS, when, right, len(known), wrong)

    def _wrong_indexes(self, questions: QuestionSet) -> Generator[float, None, list[int]]:
        """Indexes of the questions that the model answers incorrectly."""
        model, head = self._setup.base.model, self._setup.head
        return find_wrong_answers(model, questions.batches, head, self._machines)

    def remark(self) -> str:
        """A sentence for the run's final message, with a leading space; usually ""."""
        return self._validation.remark()


def _asking(questions: QuestionSet) -> str:
    return f"Asking the questions of “{questions.name}”"
