"""The training loop: steps, validation and checkpoints in order, with the counters it keeps."""

import traceback
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, nullcontext
from time import perf_counter

import mlx.core as mx

from app.core.config.training_config import TrainingConfig
from app.core.errors import RESUME, TRY_AGAIN, AppError, VerificationError
from app.core.events import CheckpointSaved, Event, LogMessage, Outcome, RunFinished, StepFinished
from app.core.text.translation import mark
from app.engine.adapter.adapter import adapter_config, check_scale
from app.engine.audit.verification import StepMeasurement
from app.engine.batches.batches import Batch
from app.engine.memory.preflight import memory_estimate
from app.engine.model.model_structure import trainable_parameters
from app.engine.runtime.distributed import ALONE, Machines
from app.engine.runtime.mlx_errors import as_run_error
from app.engine.runtime.mlx_runtime import random_key, set_random_key, uses_compile
from app.engine.runtime.stopping import StopRequest, Work
from app.engine.training.background_tokenization import ComingRows
from app.engine.training.checkpoints import Checkpoint, Progress
from app.engine.training.interpolation import interpolating
from app.engine.training.measurements import Measurements
from app.engine.training.recording import RunRecording
from app.engine.training.restored_run import check_restored, training_step
from app.engine.training.run_counters import (
    BestValidation,
    NonFiniteSteps,
    Throughput,
    learning_rate,
)
from app.engine.training.run_facts import head_message, rows_taken, run_started
from app.engine.training.setup import TrainingSetup, with_later_rows


class TrainingLoop:
    """One run from its start, or from a checkpoint, to its ending."""

    def __init__(
        self,
        config: TrainingConfig,
        prepared: TrainingSetup,
        keeper: RunRecording,
        should_stop: Callable[[], bool],
        wants_checkpoint: Callable[[], bool],
        stop_after: int | None = None,
        start: Checkpoint | None = None,
        machines: Machines = ALONE,
        notes: Sequence[Event] = (),
    ) -> None:
        """`notes` are logged as soon as the run has started."""
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
        self._origin = trainable_parameters(self._model) if config.interpolation else {}
        self._training = training_step(config, prepared, start, machines)
        self._throughput = Throughput()
        done = start.progress if start else Progress()
        self._step, self._interpolated = done.step, done.interpolated
        self._trained_tokens = done.trained_tokens
        self._non_finite = NonFiniteSteps(done.void_steps, done.void_steps_in_all)
        self._best = BestValidation(
            done.best_val_loss, done.best_step, done.evals_since_best, done.best_forgetting
        )
        self._measurements = Measurements(
            config, prepared, self._best, self._stop, machines,
            is_validation_due=done.is_validation_due, base_kl=done.base_kl,
        )  # fmt: skip
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
            fault = error if isinstance(error, AppError) else as_run_error(error)
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
            yield from self._measurements.scores("before")
        start = self._start
        yield from self._warm_up(start.progress.random_state if start else (0, config.seed + 1))
        if config.early_stopping_patience and not self._prepared.valid:
            yield LogMessage("No rows are held out for validation, so the run can't end early.")
        if config.target_score and not config.eval_sets:
            yield LogMessage("There is no question set, so the run can't end at a score.")
        if self._start is None:
            yield from self._measurements.after_step(self._step)
        else:
            yield from self._resumed(self._start)
        with closing(self._coming) if self._coming else nullcontext():
            yield from self._steps()
            yield from self._interpolation()
            if self._step > 0:
                yield from rows_taken(self._prepared, self._config, self._step)
                yield from self._last_measurements()
                yield from self._measurements.scores("after")

    def _steps(self) -> Iterator[Event]:
        config = self._config
        batches = self._batches()
        if self._coming:
            self._coming.start()
        is_asked_to_stop = self._stop.is_requested()
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
            self._throughput.add(measurement.trained_tokens, perf_counter() - begun)
            self._step = step
            yield self._finished_step(measurement, rate)
            yield from self._non_finite.take(step, measurement.is_void)
            if step % config.steps_per_eval == 0 or step == config.steps:
                yield from self._measurements.after_step(self._step)
            yield from self._measurements.target_score(step)
            is_asked_to_stop, is_wanted = self._stop.is_requested_or(self._wants_checkpoint())
            if is_wanted or self._is_worth_keeping():
                self._check_machines_agree(measurement)
                yield self._checkpoint()
                self._keeper.prune_checkpoints()
        if self._step > self._keeper.saved_step:
            yield self._checkpoint()
            self._keeper.prune_checkpoints()
        self._training.check_at_rest(self._step)

    def _batches(self) -> Iterator[Batch]:
        taken = self._step * self._config.grad_accumulation_steps
        return self._prepared.train.infinite(self._config.seed, start=taken)

    def _rows_come(self) -> Generator[Event, None, bool]:
        """Wait for the rows that are no tokens yet, and train on them too; False once stopped."""
        assert self._coming is not None
        rows = yield from self._stop.stage(mark("Tokenizing"), self._coming.waiting())
        if rows is None:
            return False
        self._coming.close()
        self._coming = None
        self._prepared = yield from with_later_rows(self._config, self._prepared, rows)
        self._measurements.use(self._prepared)
        self._keeper.keep(train_examples=len(rows.train), valid_examples=len(rows.valid))
        key = random_key()  # an estimate draws random numbers too
        yield from memory_estimate(self._config, self._prepared.shapes)
        yield from self._warm_up(key)
        return True

    def _warm_up(self, key: tuple[int, int]) -> Iterator[Event]:
        """Trace every batch shape now, while it is shown: it holds the interpreter.

        Where nothing is compiled there is nothing to trace. `key` is that of the random numbers
        that follow.
        """
        if uses_compile():
            yield from self._stop.stage(mark("Warming up"), self._tracing())
        set_random_key(*key)  # tracing draws some too
        mx.reset_peak_memory()

    def _tracing(self) -> Work[None]:
        slow = self._prepared.slow
        lessons = [slow.batches.blank(shape) for shape in slow.shapes] if slow else []
        work = [
            *((self._training.trace, blank) for blank in self._prepared.train.blanks()),
            *((self._training.trace_lesson, blank) for blank in lessons),
            *self._measurements.traces(),
        ]
        for done, (trace, blank) in enumerate(work, start=1):
            trace(blank)
            yield done / len(work)

    def _interpolation(self) -> Iterator[Event]:
        """Of a run that made all its steps: its last checkpoint is the adapter that was found."""
        keep, measured = self._config.interpolation, self._measurements
        if not keep or self._interpolated is not None or not self._is_complete():
            return
        if not measured.can_tell_learning:
            yield LogMessage("There are no held-out rows and no question set to interpolate by.")
            return
        work = interpolating(self._model, self._origin, keep, measured.learned)
        share = yield from self._stop.stage(mark("Interpolating"), work)
        measured.is_last_left = share is None
        if share is not None:
            self._interpolated = share
            self._keeper.keep(interpolated=share)
            yield LogMessage(
                f"The adapter is at {share:.4g} of the way from where it started: there it keeps "
                f"at least {keep:.4g} of what the run learned."
            )
            yield self._saved()

    def _last_measurements(self) -> Iterator[Event]:
        """Of a run that made all its steps; where one is cut off, the run is not done."""
        if not self._is_complete() or self._measurements.is_last_left:
            return
        if self._coming and self._measurements.needs_later_rows:
            self._measurements.is_last_left = not (yield from self._rows_come())
        if not self._measurements.is_last_left:
            yield from self._measurements.last(self._step)

    def _resumed(self, start: Checkpoint) -> Iterator[Event]:
        """The checkpoint, once the validation that was cut off after its step is made up for."""
        was_due = self._measurements.is_validation_due
        if was_due:
            yield from self._measurements.after_step(self._step)
        is_best = self._best.step == self._step
        yield CheckpointSaved(self._step, start.folder, start.size_bytes, is_best)
        if was_due:
            self._keeper.prune_checkpoints()
        yield from self._measurements.target_score(self._step)

    def _is_worth_keeping(self) -> bool:
        """Whether a checkpoint of the step just done is to be made anyway."""
        is_due = self._step % self._config.steps_per_save == 0 or self._step == self._config.steps
        return is_due or self._best.step == self._step

    def _is_complete(self) -> bool:
        """Whether no step is left to make."""
        return self._step == self._config.steps or self._is_over()

    def _is_over(self) -> bool:
        """Whether the last validations brought nothing new, or a threshold is reached."""
        is_stale = self._best.is_stale(self._config.early_stopping_patience)
        is_reached = self._measurements.reached_score is not None
        is_over = is_stale or is_reached or self._measurements.is_too_far
        return is_over or self._interpolated is not None

    def _outcome(self) -> tuple[Outcome, str]:
        remarks = self._non_finite.summary() + self._measurements.remark()
        measured = self._measurements
        is_left = measured.is_validation_due or measured.is_last_left or measured.are_questions_left
        if is_left or not self._is_complete():
            return "stopped", f"{self._where_stopped()}{remarks}"
        remarks += self._training.idle_parts()
        if self._step == self._config.steps:
            done = f"All {self._step} steps" if self._step > 1 else "The one step is"
            return "finished", f"{done} done.{remarks}"
        if score := self._measurements.reached_score:
            reason = (
                f"{score.correct:,} of {score.total:,} questions of “{score.name}” are answered."
            )
        elif self._measurements.is_too_far:
            reason = self._measurements.distance_summary()
        elif self._best.is_stale(self._config.early_stopping_patience):
            reason = self._best.summary()
        else:  # it was cut off once it had interpolated
            reason = "it was complete."
        return "finished", f"Ended early at step {self._step}: {reason}{remarks}"

    def _where_stopped(self) -> str:
        if self._step == 0:
            return "Stopped before the first step."
        if self._measurements.is_validation_due:
            return f"Stopped after step {self._step}, before its validation was done."
        if self._measurements.is_last_left:
            return f"Stopped after step {self._step}, before the last validation was done."
        if self._step == self._config.steps and self._measurements.are_questions_left:
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
            tokens_per_second=self._throughput.tokens_per_second,
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
        if not self._machines.all_equal(repr(measurement.movement.drifts)):
            raise VerificationError(
                f"After step {self._step} the machines hold different weights.",
                "Use machines and versions of MLX that are alike, or train on one.",
            )

    def _checkpoint(self) -> CheckpointSaved:
        self._training.check_at_rest(self._step)
        return self._saved()

    def _saved(self) -> CheckpointSaved:
        progress = Progress(
            step=self._step,
            trained_tokens=self._trained_tokens,
            void_steps=self._non_finite.in_a_row,
            void_steps_in_all=self._non_finite.in_all,
            best_val_loss=self._best.loss,
            best_step=self._best.step,
            evals_since_best=self._best.evals_since,
            random_state=random_key(),
            plan_digest=self._prepared.plan.digest(),
            is_validation_due=self._measurements.is_validation_due,
            best_forgetting=self._best.forgetting,
            base_kl=self._measurements.base_kl,
            interpolated=self._interpolated,
        )
        config = adapter_config(self._model, self._config)
        check_scale(self._model, config)
        return self._keeper.save(
            trainable_parameters(self._model),
            config,
            self._training.state,
            self._training.stiffness(self._config.lasting_memory),
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
                self._keeper.prune_checkpoints()
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
