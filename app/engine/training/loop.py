"""The training loop: steps, validation and checkpoints in order, with the counters it keeps."""

import traceback
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, nullcontext
from functools import partial
from time import perf_counter
from typing import Literal

import mlx.core as mx

from app.core.config.training_config import TrainingConfig
from app.core.errors import RESUME, TRY_AGAIN, AppError, VerificationError
from app.core.events import (
    KNOWN_QUESTIONS,
    CheckpointSaved,
    Event,
    LogMessage,
    Outcome,
    RunFinished,
    ScoreMeasured,
    StepFinished,
)
from app.engine.adapter.adapter import adapter_config, check_scale
from app.engine.audit.verification import StepMeasurement
from app.engine.batches.batches import Batch
from app.engine.evaluation.best_validation import BestSoFar
from app.engine.evaluation.evaluation import count_exact_answers
from app.engine.evaluation.forgetting_meter import RetentionMeter
from app.engine.memory.preflight import memory_of
from app.engine.model.parameter_tree import trainable
from app.engine.runtime.distributed import ALONE, Machines
from app.engine.runtime.mlx_errors import plain_fault
from app.engine.runtime.mlx_runtime import (
    random_key,
    set_random_key,
    uses_compile,
)
from app.engine.runtime.stopping import StopRequest, Work
from app.engine.training.checkpoints import Checkpoint, Progress
from app.engine.training.coming_rows import ComingRows
from app.engine.training.recording import Keeper
from app.engine.training.rows_taken import rows_taken
from app.engine.training.run_start import check_restored, head_message, run_started, training_step
from app.engine.training.schedules import learning_rate
from app.engine.training.setup import Prepared, with_later_rows
from app.engine.training.throughput import Speed
from app.engine.training.validation import Validation
from app.engine.training.void_steps import VoidSteps


class TrainingLoop:
    """One run from its start, or from a checkpoint, to its ending."""

    def __init__(
        self,
        config: TrainingConfig,
        prepared: Prepared,
        keeper: Keeper,
        should_stop: Callable[[], bool],
        wants_checkpoint: Callable[[], bool],
        stop_after: int | None = None,
        start: Checkpoint | None = None,
        machines: Machines = ALONE,
        notes: Sequence[Event] = (),
    ) -> None:
        """`notes` are said as soon as the run has started."""
        self._config = config
        self._prepared = prepared
        self._keeper = keeper
        self._machines = machines
        self._stop = StopRequest(should_stop, machines)
        self._wants_checkpoint = wants_checkpoint
        self._last_step = min(config.steps, stop_after or config.steps)
        self._start = start
        self._notes = notes
        self._model = prepared.base.model
        self._head = prepared.head
        self._training = training_step(config, prepared, start, machines)
        self._speed = Speed()
        done = start.progress if start else Progress()
        self._step = done.step
        self._trained_tokens = done.trained_tokens
        self._voids = VoidSteps(done.void_steps, done.void_steps_in_all)
        self._best = BestSoFar(done.best_val_loss, done.best_step, done.evals_since_best)
        self._validation = Validation(prepared, self._best, machines)
        texts = prepared.retention
        meter = partial(RetentionMeter, self._model, self._head, machines=machines)
        self._retention = meter(texts) if texts else None
        self._is_validation_due = done.is_validation_due
        self._are_questions_left = False
        self._is_last_validation_left = False
        self._coming = ComingRows(config, prepared) if prepared.later else None

    def events(self) -> Iterator[Event]:
        """Everything that happens, recorded on disk before it is reported."""
        happening = self._until_done()
        try:
            for event in happening:
                self._keeper.record(event)
                yield event
        except GeneratorExit:
            happening.close()
            self._end("stopped", self._where_stopped())
            raise
        except VerificationError as error:
            yield self._end("failed", str(error), keep=False)
        except (AppError, RuntimeError) as error:
            fault = error if isinstance(error, AppError) else plain_fault(error)
            yield self._end("failed", str(fault))
        except Exception:
            self._keeper.log(traceback.format_exc())
            self._end("failed", "Nestling itself failed; log.txt says where.")
            raise
        else:
            yield self._end(*self._outcome())

    def _until_done(self) -> Generator[Event, None, None]:
        config = self._config
        if self._start is not None:
            check_restored(self._start, self._training, self._prepared.plan)
        yield run_started(config, self._prepared, self._keeper.run_dir, self._step)
        yield from self._notes
        yield head_message(self._head)
        if self._start is None:
            yield from self._scores("before")
        start = self._start
        yield from self._warm_up(start.progress.random_state if start else (0, config.seed + 1))
        if config.early_stopping_patience and not self._prepared.valid:
            yield LogMessage("Nothing is held out for validation, so the run can't end early.")
        if self._start is None:
            yield from self._validated()
        else:
            yield from self._resumed(self._start)
        with closing(self._coming) if self._coming else nullcontext():
            yield from self._steps()
            if self._step > 0:
                yield from rows_taken(self._prepared, self._config, self._step)
                yield from self._last_validation()
                yield from self._last_retention()
                yield from self._scores("after")

    def _steps(self) -> Iterator[Event]:
        config = self._config
        batches = self._batches()
        if self._coming:
            self._coming.start()
        is_asked_to_stop = self._stop.is_made()
        while self._step < self._last_step and not self._is_over() and not is_asked_to_stop:
            if self._coming and self._coming.is_time(self._step):
                if not (yield from self._rows_come()):
                    break
                batches = self._batches()
            step = self._step + 1
            rate = learning_rate(config, step)
            micro_batches = [next(batches) for _ in range(config.grad_accumulation_steps)]
            begun = perf_counter()
            measurement = self._training.run(micro_batches, step, rate)
            self._speed.add(measurement.trained_tokens, perf_counter() - begun)
            self._step = step
            yield self._finished_step(measurement, rate)
            yield from self._voids.take(step, measurement.is_void)
            if step % config.steps_per_eval == 0 or step == config.steps:
                yield from self._validated()
            is_asked_to_stop, is_wanted = self._stop.is_made_or(self._wants_checkpoint())
            if is_wanted or self._is_worth_keeping():
                self._check_machines_agree(measurement)
                yield self._checkpoint()
                self._keeper.drop_others()
        if self._step > self._keeper.saved_step:
            yield self._checkpoint()
            self._keeper.drop_others()
        self._training.check_at_rest(self._step)

    def _batches(self) -> Iterator[Batch]:
        taken = self._step * self._config.grad_accumulation_steps
        return self._prepared.train.endless(self._config.seed, start=taken)

    def _rows_come(self) -> Generator[Event, None, bool]:
        """Wait for the rows that are no tokens yet, and train on them too; False once stopped."""
        assert self._coming is not None
        rows = yield from self._stop.stage("Tokenizing", self._coming.making())
        if rows is None:
            return False
        self._coming.close()
        self._coming = None
        self._prepared = yield from with_later_rows(self._config, self._prepared, rows)
        self._validation.take(self._prepared.valid)
        self._keeper.keep(train_examples=len(rows.train), valid_examples=len(rows.valid))
        key = random_key()  # an estimate draws random numbers too
        yield from memory_of(self._config, self._prepared.shapes)
        yield from self._warm_up(key)
        return True

    def _warm_up(self, key: tuple[int, int]) -> Iterator[Event]:
        """Trace every batch shape now, while it is shown: it holds the interpreter.

        Where nothing is compiled there is nothing to trace. `key` is that of the random numbers
        that follow.
        """
        if uses_compile():
            yield from self._stop.stage("Warming up", self._tracing())
        set_random_key(*key)  # tracing draws some too
        mx.reset_peak_memory()

    def _tracing(self) -> Work[None]:
        train = [(self._training.trace, blank) for blank in self._prepared.train.blanks()]
        valid = [
            (self._validation.trace, one.batches.blank(shape))
            for one in self._prepared.valid
            for shape in one.batches.shapes
        ]
        slow = self._prepared.slow
        lessons = [slow.batches.blank(shape) for shape in slow.shapes] if slow else []
        work = [*train, *valid, *((self._training.trace_lesson, blank) for blank in lessons)]
        if self._retention is not None and (texts := self._prepared.retention):
            work += [(self._retention.trace, texts.last.blank(shape)) for shape in texts.shapes]
        for done, (trace, blank) in enumerate(work, start=1):
            trace(blank)
            yield done / len(work)

    def _validated(self) -> Iterator[Event]:
        """The validation after the step just done; cut off, it stays due and counts for nothing."""
        self._is_validation_due = self._validation.has_rows
        if self._retention is not None:
            measuring = self._retention.measure(self._step)
            if retained := (yield from self._stop.stage("Measuring forgetting", measuring)):
                yield retained
        if not self._validation.has_rows:
            return
        validating = self._validation.measure(self._step)
        finished = yield from self._stop.stage("Validating", validating)
        if finished is not None:
            self._is_validation_due = False
            yield finished

    def _last_validation(self) -> Iterator[Event]:
        """That of a run which made all its steps, on more rows; cut off, the run is not done."""
        is_done = self._step == self._config.steps or self._is_over()
        if not is_done or not self._validation.reads_more_at_the_end:
            return
        if self._coming and not self._validation.can_read_the_last:
            self._is_last_validation_left = not (yield from self._rows_come())
            if self._is_last_validation_left:
                return
        measuring = self._validation.measure_last(self._step)
        finished = yield from self._stop.stage("Validating on more rows", measuring)
        if finished is None:
            self._is_last_validation_left = True
        else:
            yield finished

    def _last_retention(self) -> Iterator[Event]:
        """That of a run which made all its steps; cut off, the run is not done."""
        is_done = self._step == self._config.steps or self._is_over()
        if self._retention is None or not is_done or self._is_last_validation_left:
            return
        measuring = self._retention.measure(self._step, is_last=True)
        finished = yield from self._stop.stage("Measuring forgetting", measuring)
        self._is_last_validation_left = finished is None
        if finished is not None:
            yield finished

    def _resumed(self, start: Checkpoint) -> Iterator[Event]:
        """The checkpoint, once the validation that was cut off after its step is made up for."""
        was_due = self._is_validation_due
        if was_due:
            yield from self._validated()
        is_best = self._best.step == self._step
        yield CheckpointSaved(self._step, start.folder, start.size_bytes, is_best)
        if was_due:
            self._keeper.drop_others()

    def _scores(self, when: Literal["before", "after"]) -> Iterator[Event]:
        for questions in self._prepared.questions:
            asking = count_exact_answers(self._model, questions.batches, self._head, self._machines)
            correct = yield from self._stop.stage(f"Asking the {questions.name}", asking)
            if correct is None:
                self._are_questions_left = True
                return
            yield ScoreMeasured(questions.name, when, correct, questions.count)
        if known := self._prepared.known:
            counting = known.counting_right()
            answered = yield from self._stop.stage("Asking general questions", counting)
            if answered is None:
                self._are_questions_left = True
                return
            yield ScoreMeasured(KNOWN_QUESTIONS, when, answered, len(known))

    def _is_worth_keeping(self) -> bool:
        """Whether a checkpoint of the step just done is to be made anyway."""
        is_due = self._step % self._config.steps_per_save == 0 or self._step == self._config.steps
        return is_due or self._best.step == self._step

    def _is_over(self) -> bool:
        """Whether the last validations brought nothing new."""
        return self._best.is_stale(self._config.early_stopping_patience)

    def _outcome(self) -> tuple[Outcome, str]:
        remarks = self._voids.said() + self._validation.remark()
        is_done = self._step == self._config.steps or self._is_over()
        is_left = self._is_last_validation_left or self._are_questions_left
        if not is_done or self._is_validation_due or is_left:
            return "stopped", f"{self._where_stopped()}{remarks}"
        remarks += self._training.idle_parts()
        if self._step == self._config.steps:
            done = f"All {self._step} steps" if self._step > 1 else "The one step is"
            return "finished", f"{done} done.{remarks}"
        return "finished", f"Ended early at step {self._step}: {self._best.said()}{remarks}"

    def _where_stopped(self) -> str:
        if self._step == 0:
            return "Stopped before the first step."
        if self._is_validation_due:
            return f"Stopped after step {self._step}, before its validation was done."
        if self._is_last_validation_left:
            return f"Stopped after step {self._step}, before the last validation was done."
        if self._step == self._config.steps and self._are_questions_left:
            return f"Stopped after step {self._step}, before all questions were asked."
        return f"Stopped after step {self._step}."

    def _finished_step(self, measurement: StepMeasurement, rate: float) -> StepFinished:
        if not measurement.is_void:
            self._trained_tokens += measurement.trained_tokens
        return StepFinished(
            step=self._step,
            loss=measurement.loss,
            learning_rate=rate,
            trained_tokens=self._trained_tokens,
            tokens_per_second=self._speed.tokens_per_second,
            peak_memory_bytes=mx.get_peak_memory(),
            fired=measurement.movement.fired,
            deltas=measurement.movement.deltas,
            pending=measurement.pending,
            drifts=measurement.movement.drifts,
            layer_deltas=measurement.movement.layer_deltas,
            gradient_norm=measurement.gradient_norm,
            void=measurement.is_void,
            pulls=measurement.pulls,
            base_kl=measurement.base_kl,
        )

    def _check_machines_agree(self, measurement: StepMeasurement) -> None:
        if not self._machines.agree_on(repr(measurement.movement.drifts)):
            raise VerificationError(
                f"After step {self._step} the machines hold different weights.",
                "Use machines and versions of MLX that are alike, or train on one.",
            )

    def _checkpoint(self) -> CheckpointSaved:
        self._training.check_at_rest(self._step)
        progress = Progress(
            step=self._step,
            trained_tokens=self._trained_tokens,
            void_steps=self._voids.in_a_row,
            void_steps_in_all=self._voids.in_all,
            best_val_loss=self._best.loss,
            best_step=self._best.step,
            evals_since_best=self._best.evals_since,
            random_state=random_key(),
            plan_digest=self._prepared.plan.digest(),
            is_validation_due=self._is_validation_due,
        )
        config = adapter_config(self._model, self._config)
        check_scale(self._model, config)
        return self._keeper.save(
            trainable(self._model),
            config,
            self._training.state,
            self._training.stiffness(),
            progress,
        )

    def _end(self, outcome: Outcome, message: str, keep: bool = True) -> RunFinished:
        """The run's one ending; on a fault it keeps what it can and says what it could not.

        A run that is stopped before its first step leaves nothing behind.
        """
        if outcome == "stopped" and self._step == 0:
            self._keeper.discard()
            return RunFinished(outcome, self._keeper.run_dir, None, 0, message)
        try:
            if keep and self._step > self._keeper.saved_step:
                self._keeper.record(self._checkpoint())
                self._keeper.drop_others()
        except (AppError, RuntimeError) as error:
            if str(error) not in message:
                message = f"{message} The last checkpoint could not be kept: {error}"
        adapter_dir = self._keeper.adapter_dir
        if adapter_dir is not None and not adapter_dir.is_dir():
            adapter_dir = None  # deleted while the run went on
        # The other machines keep nothing: of the run's checkpoints they can say nothing.
        if adapter_dir is None and outcome != "finished" and self._machines.is_first:
            message += " There is no checkpoint."
        if adapter_dir is not None:
            message = message.replace(TRY_AGAIN, RESUME)
        ending = RunFinished(outcome, self._keeper.run_dir, adapter_dir, self._step, message)
        self._keeper.close(ending)
        return ending
