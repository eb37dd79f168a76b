"""The training loop: runs steps, validation and checkpoints in order, and keeps their counters."""

import traceback
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, nullcontext
from time import perf_counter

import mlx.core as mx

from app.core.config.training_config import TrainingConfig
from app.core.errors import RESUME, TRY_AGAIN, AppError, VerificationError
from app.core.events import CheckpointSaved, Event, LogMessage, Outcome, RunFinished
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
from app.engine.training.measurements import Measurements
from app.engine.training.recording import RunRecording
from app.engine.training.restored_run import check_restored, training_step
from app.engine.training.run_counters import RunCounters, Throughput, learning_rate
from app.engine.training.run_ending import RunEnding
from app.engine.training.run_reporting import (
    head_message,
    lesson_messages,
    rows_taken,
    run_started,
    step_finished,
)
from app.engine.training.setup import TrainingSetup, with_later_rows
from app.engine.training.weight_interpolation import interpolating


class TrainingLoop:
    """One run from its start, or from a checkpoint, to its ending."""

    def __init__(
        self,
        config: TrainingConfig,
        prepared: TrainingSetup,
        recording: RunRecording,
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
        self._recording = recording
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
        self._counters = RunCounters(done)
        self._measurements = Measurements(
            config, prepared, self._counters.best, self._stop, machines,
            is_validation_due=done.is_validation_due, base_kl=done.base_kl,
        )  # fmt: skip
        self._ending = RunEnding(config, self._counters, self._measurements)
        self._coming = ComingRows(config, prepared) if prepared.later else None

    @property
    def _step(self) -> int:
        """The last completed step; 0 before the first."""
        return self._counters.step

    def events(self) -> Iterator[Event]:
        """The run's events, each recorded on disk before it is yielded."""
        events = self._until_done()
        try:
            for event in events:
                self._recording.record(event)
                yield event
        except GeneratorExit:
            events.close()
            self._end("stopped", self._ending.where_stopped())
            raise
        except VerificationError as error:
            yield self._end("failed", str(error), keep=False)
        except (AppError, RuntimeError) as error:
            reported = error if isinstance(error, AppError) else as_run_error(error)
            yield self._end("failed", str(reported))
        except Exception:
            self._recording.log(traceback.format_exc())
            self._end("failed", "Nestling itself failed; log.txt says where.")
            raise
        else:
            yield self._end(*self._ending.outcome(self._training.idle_parts))

    def _until_done(self) -> Generator[Event, None, None]:
        config = self._config
        if self._start is not None:
            check_restored(self._start, self._training, self._prepared.plan)
        recording = self._recording
        yield run_started(config, self._prepared, recording.run_dir, self._step, recording.name)
        yield from self._notes
        yield head_message(self._head)
        if self._start is None:
            yield from self._measurements.scores("before")
        start = self._start
        yield from self._try_shapes(start.progress.random_state if start else (0, config.seed + 1))
        if config.early_stopping_patience and not self._prepared.valid:
            yield LogMessage("There are no validation rows, so the run can't end early.")
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
        while self._step < self._last_step and not self._ending.is_over and not is_asked_to_stop:
            if self._coming and self._coming.is_time(self._step):
                if not (yield from self._add_later_rows()):
                    break
                batches = self._batches()
            step = self._step + 1
            rate = learning_rate(config, step)
            micro_batches = [next(batches) for _ in range(config.grad_accumulation_steps)]
            begun = perf_counter()
            measurement = self._training.run(micro_batches, step, rate)
            self._throughput.add(measurement.trained_tokens, perf_counter() - begun)
            self._counters.step = step
            if not measurement.is_void:
                self._counters.trained_tokens += measurement.trained_tokens
            yield step_finished(
                step, rate, measurement, self._counters.trained_tokens,
                self._throughput.tokens_per_second,
            )  # fmt: skip
            yield from lesson_messages(step, measurement)
            yield from self._counters.non_finite.take(step, measurement.is_void)
            if step % config.steps_per_eval == 0 or step == config.steps:
                yield from self._measurements.after_step(self._step)
            yield from self._measurements.target_score(step)
            is_asked_to_stop, is_wanted = self._stop.is_requested_or(self._wants_checkpoint())
            if is_wanted or self._is_worth_keeping():
                self._check_machines_agree(measurement)
                yield self._checkpoint()
                self._recording.prune_checkpoints()
        if self._step > self._recording.saved_step:
            yield self._checkpoint()
            self._recording.prune_checkpoints()
        self._training.check_at_rest(self._step)

    def _batches(self) -> Iterator[Batch]:
        taken = self._step * self._config.grad_accumulation_steps
        return self._prepared.train.infinite(self._config.seed, start=taken)

    def _add_later_rows(self) -> Generator[Event, None, bool]:
        """Wait until all rows are tokenized and add them to the training set; False if stopped."""
        assert self._coming is not None
        rows = yield from self._stop.stage(mark("Tokenizing"), self._coming.waiting())
        if rows is None:
            return False
        self._coming.close()
        self._coming = None
        self._prepared = yield from with_later_rows(self._config, self._prepared, rows)
        self._measurements.use(self._prepared)
        self._recording.keep(train_examples=len(rows.train), valid_examples=len(rows.valid))
        key = random_key()  # an estimate draws random numbers too
        yield from memory_estimate(
            self._config, self._prepared.shapes, model=self._prepared.base.model
        )
        yield from self._try_shapes(key)
        return True

    def _try_shapes(self, key: tuple[int, int]) -> Iterator[Event]:
        """With gradient checkpointing on a GPU, measure the memory that a step of each shape needs.

        Sets the random state to `key` at the end.
        """
        if uses_compile() and self._config.grad_checkpoint:
            yield from self._stop.stage(mark("Measuring memory"), self._shapes_tried())
        set_random_key(*key)  # a trial draws random numbers too
        mx.reset_peak_memory()

    def _shapes_tried(self) -> Work[None]:
        blanks = list(self._prepared.train.blanks())
        for done, blank in enumerate(blanks, start=1):
            self._training.measure_memory(blank)
            yield done / len(blanks)

    def _interpolation(self) -> Iterator[Event]:
        """After all steps, interpolate the adapter and save it as the run's last checkpoint."""
        keep, measured = self._config.interpolation, self._measurements
        if not keep or self._counters.interpolated is not None or not self._ending.is_complete:
            return
        if not measured.can_tell_learning:
            yield LogMessage("There are no validation rows and no question set to interpolate by.")
            return
        work = interpolating(self._model, self._origin, keep, measured.learned)
        share = yield from self._stop.stage(mark("Interpolating"), work)
        measured.is_last_left = share is None
        if share is not None:
            self._counters.interpolated = share
            self._recording.keep(interpolated=share)
            yield LogMessage(
                f"The adapter was moved back to {share:.4g} of its distance from the start. It "
                f"keeps at least {keep:.4g} of what the run learned."
            )
            yield self._saved()

    def _last_measurements(self) -> Iterator[Event]:
        """The measurements after all steps; if one is interrupted, the run is not finished."""
        if not self._ending.is_complete or self._measurements.is_last_left:
            return
        if self._coming and self._measurements.needs_later_rows:
            self._measurements.is_last_left = not (yield from self._add_later_rows())
        if not self._measurements.is_last_left:
            yield from self._measurements.last(self._step)

    def _resumed(self, start: Checkpoint) -> Iterator[Event]:
        """Repeat the validation that was interrupted after the checkpoint's step, then report the
        checkpoint."""
        was_due = self._measurements.is_validation_due
        if was_due:
            yield from self._measurements.after_step(self._step)
        is_best = self._counters.best.step == self._step
        yield CheckpointSaved(self._step, start.folder, start.size_bytes, is_best)
        if was_due:
            self._recording.prune_checkpoints()
        yield from self._measurements.target_score(self._step)

    def _is_worth_keeping(self) -> bool:
        """Whether the last step needs a checkpoint: on schedule, at the end, or as the best."""
        is_due = self._step % self._config.steps_per_save == 0 or self._step == self._config.steps
        return is_due or self._counters.best.step == self._step

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
        progress = self._counters.progress(
            random_state=random_key(),
            plan_digest=self._prepared.plan.digest(),
            is_validation_due=self._measurements.is_validation_due,
            base_kl=self._measurements.base_kl,
        )
        config = adapter_config(self._model, self._config)
        check_scale(self._model, config)
        return self._recording.save(
            trainable_parameters(self._model),
            config,
            self._training.state,
            self._training.stiffness(self._config.lasting_memory),
            progress,
        )

    def _end(self, outcome: Outcome, message: str, keep: bool = True) -> RunFinished:
        """End the run: save a checkpoint if possible, and return the final event.

        Removes the folder of a run that is stopped before its first step.
        """
        if outcome == "stopped" and self._step == 0:
            self._recording.discard()
            return RunFinished(outcome, self._recording.run_dir, None, 0, message)
        try:
            if keep and self._step > self._recording.saved_step:
                self._recording.record(self._checkpoint())
                self._recording.prune_checkpoints()
        except (AppError, RuntimeError) as error:
            if str(error) not in message:
                message = f"{message} The last checkpoint could not be saved: {error}"
        adapter_dir = self._recording.adapter_dir
        if adapter_dir is not None and not adapter_dir.is_dir():
            adapter_dir = None  # deleted during the run
        # The other machines save no checkpoints, so they have nothing to report about them.
        if adapter_dir is None and outcome != "finished" and self._machines.is_first:
            message += " There is no checkpoint."
        if adapter_dir is not None:
            message = message.replace(TRY_AGAIN, RESUME)
        ending = RunFinished(outcome, self._recording.run_dir, adapter_dir, self._step, message)
        self._recording.close(ending)
        return ending
