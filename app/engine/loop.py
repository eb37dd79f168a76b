"""The training loop: steps, validation and checkpoints in order, with the counters it keeps."""

import traceback
from collections.abc import Callable, Iterator, Sequence
from time import perf_counter
from typing import Literal

from app.core.config import TrainingConfig
from app.core.errors import AppError, VerificationError
from app.core.events import (
    CheckpointSaved,
    Event,
    LogMessage,
    Outcome,
    RunFinished,
    RunStarted,
    ScoreMeasured,
    StageChanged,
    StepFinished,
)
from app.engine.adapter import adapter_config
from app.engine.best import BestSoFar
from app.engine.checkpoints import Checkpoint, Progress
from app.engine.evaluation import count_exact_answers
from app.engine.faults import plain_fault
from app.engine.head import Head
from app.engine.keeping import Keeper
from app.engine.lora import trainable, write_parameters
from app.engine.machines import ALONE, Machines
from app.engine.mlx_gateway import (
    compiles,
    device_name,
    import_mlx,
    random_key,
    set_random_key,
)
from app.engine.optimizer import TieredAdamW
from app.engine.plan_facts import tier_facts
from app.engine.preparation import Prepared
from app.engine.rows_taken import rows_taken
from app.engine.schedules import learning_rate
from app.engine.speed import Speed
from app.engine.step import StepMeasurement, TrainingStep
from app.engine.tiers import adapted_layers
from app.engine.validation import Validation
from app.engine.void_steps import VoidSteps
from app.library.run_folder import run_name


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
        notes: Sequence[LogMessage] = (),
    ) -> None:
        """`notes` are said as soon as the run has started."""
        self._config = config
        self._prepared = prepared
        self._keeper = keeper
        self._machines = machines
        self._should_stop = should_stop
        self._wants_checkpoint = wants_checkpoint
        self._last_step = min(config.steps, stop_after or config.steps)
        self._start = start
        self._notes = notes
        self._model = prepared.base.model
        self._head = prepared.head
        self._training = _training_step(config, prepared, start, machines)
        self._speed = Speed()
        done = start.progress if start else Progress()
        self._step = done.step
        self._trained_tokens = done.trained_tokens
        self._voids = VoidSteps(done.void_steps, done.void_steps_in_all)
        self._best = BestSoFar(done.best_val_loss, done.best_step, done.evals_since_best)
        self._validation = Validation(prepared, self._best, machines)

    def events(self) -> Iterator[Event]:
        """Everything that happens, recorded on disk before it is reported."""
        try:
            for event in self._until_done():
                self._keeper.record(event)
                yield event
        except GeneratorExit:
            self._end("stopped", f"Stopped after step {self._step}.")
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

    def _until_done(self) -> Iterator[Event]:
        config = self._config
        yield self._started()
        yield from self._notes
        yield LogMessage(_head_line(self._head))
        if self._start is None:
            yield from self._scores("before")
        yield from self._warm_up()
        if config.early_stop_evals and not self._prepared.valid:
            yield LogMessage("Nothing is held out for validation, so the run can't end early.")
        if self._start is None:
            yield from self._validation.events(self._step)
        else:
            size, is_best = self._start.size_bytes, self._best.step == self._step
            yield CheckpointSaved(self._step, self._start.folder, size, is_best)
        taken = self._step * config.gradient_accumulation
        batches = self._prepared.train.endless(config.seed, start=taken)
        is_asked_to_stop, _ = self._asked()
        while self._step < self._last_step and not self._is_over() and not is_asked_to_stop:
            step = self._step + 1
            rate = learning_rate(config, step)
            micro_batches = [next(batches) for _ in range(config.gradient_accumulation)]
            begun = perf_counter()
            measurement = self._training.run(micro_batches, step, rate)
            self._speed.add(measurement.trained_tokens, perf_counter() - begun)
            self._step = step
            yield self._finished_step(measurement, rate)
            yield from self._voids.take(step, measurement.is_void)
            if step % config.steps_per_eval == 0 or step == config.steps:
                yield from self._validation.events(self._step)
            is_asked_to_stop, is_wanted = self._asked()
            if is_wanted or self._is_worth_keeping():
                self._check_machines_agree(measurement)
                yield self._checkpoint()
                self._keeper.drop_others()
        if self._step > self._keeper.saved_step:
            yield self._checkpoint()
            self._keeper.drop_others()
        if self._step > 0:
            yield from rows_taken(self._prepared, self._config, self._step)
            yield from self._scores("after")

    def _started(self) -> RunStarted:
        parameters = trainable(self._model)
        plan, prepared = self._prepared.plan, self._prepared
        return RunStarted(
            run_dir=self._keeper.run_dir,
            name=run_name(self._config),
            model=str(self._config.model),
            steps=self._config.steps,
            base_parameters=prepared.base.parameters,
            trainable_parameters=sum(p.size for p in parameters.values()),
            tiers=tier_facts(plan, parameters),
            adapted_layers=adapted_layers(parameters),
            train_examples=prepared.train_examples,
            valid_examples=prepared.valid_examples,
            steps_per_epoch=-(-len(prepared.train) // self._config.gradient_accumulation),
            device=device_name(),
        )

    def _warm_up(self) -> Iterator[Event]:
        """Trace every batch shape now, while it is shown: it holds the interpreter.

        Where nothing is compiled there is nothing to trace.
        """
        train = self._prepared.train
        shapes = [(self._training.trace, train, shape) for shape in train.shapes]
        for valid in self._prepared.valid:
            shapes += [(self._validation.trace, valid.batches, one) for one in valid.batches.shapes]
        for done, (trace, batches, shape) in enumerate(shapes if compiles() else ()):
            yield StageChanged("Warming up", done / len(shapes))
            trace(batches.blank(shape))
        # Tracing draws random numbers too; from here on the run's own follow.
        key = self._start.progress.random_state if self._start else (0, self._config.seed + 1)
        set_random_key(*key)
        import_mlx().reset_peak_memory()

    def _scores(self, when: Literal["before", "after"]) -> Iterator[Event]:
        for questions in self._prepared.questions:
            yield StageChanged(f"Asking the {questions.name}")
            correct = count_exact_answers(
                self._model, questions.batches, self._head, self._machines
            )
            yield ScoreMeasured(questions.name, when, correct, questions.count)

    def _is_worth_keeping(self) -> bool:
        """Whether a checkpoint of the step just done is to be made anyway."""
        is_due = self._step % self._config.steps_per_save == 0 or self._step == self._config.steps
        return is_due or self._best.step == self._step

    def _asked(self) -> tuple[bool, ...]:
        """Whether the run is to stop here, and to make a checkpoint: on all machines together."""
        return self._machines.any_says(self._should_stop(), self._wants_checkpoint())

    def _is_over(self) -> bool:
        """Whether the last validations brought nothing new."""
        return self._best.is_stale(self._config.early_stop_evals)

    def _outcome(self) -> tuple[Outcome, str]:
        voids = self._voids.said()
        if self._step == self._config.steps:
            done = f"All {self._step} steps" if self._step > 1 else "The one step is"
            return "finished", f"{done} done.{voids}"
        if self._is_over():
            return "finished", f"Ended early at step {self._step}: {self._best.said()}{voids}"
        return "stopped", f"Stopped after step {self._step}.{voids}"

    def _finished_step(self, measurement: StepMeasurement, rate: float) -> StepFinished:
        if not measurement.is_void:
            self._trained_tokens += measurement.trained_tokens
        return StepFinished(
            step=self._step,
            loss=measurement.loss,
            learning_rate=rate,
            trained_tokens=self._trained_tokens,
            tokens_per_second=self._speed.tokens_per_second,
            peak_memory_bytes=import_mlx().get_peak_memory(),
            fired=measurement.movement.fired,
            deltas=measurement.movement.deltas,
            pending=measurement.pending,
            drifts=measurement.movement.drifts,
            layer_deltas=measurement.movement.layer_deltas,
            gradient_norm=measurement.gradient_norm,
            void=measurement.is_void,
        )

    def _check_machines_agree(self, measurement: StepMeasurement) -> None:
        if not self._machines.agree_on(repr(measurement.movement.drifts)):
            raise VerificationError(
                f"After step {self._step} the machines hold different weights.",
                "Use machines and versions of MLX that are alike, or train on one.",
            )

    def _checkpoint(self) -> CheckpointSaved:
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
        )
        return self._keeper.save(
            trainable(self._model),
            adapter_config(self._model, self._config),
            self._training.state,
            progress,
        )

    def _end(self, outcome: Outcome, message: str, keep: bool = True) -> RunFinished:
        """The run's one ending; on a fault it keeps what it can and says what it could not."""
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
        ending = RunFinished(outcome, self._keeper.run_dir, adapter_dir, self._step, message)
        self._keeper.close(ending)
        return ending


def _training_step(
    config: TrainingConfig,
    prepared: Prepared,
    start: Checkpoint | None,
    machines: Machines,
) -> TrainingStep:
    model = prepared.base.model
    # The adapter as its seed made it, also in a resumed run: drift is measured from here.
    origin = trainable(model)
    optimizer = TieredAdamW(
        prepared.plan,
        weight_decay=config.weight_decay,
        max_norm=config.max_norm,
        skip_pending=config.pending == "skip",
    )
    state = optimizer.init(origin)
    if start is not None:
        write_parameters(model, start.adapter)
        state = start.state
    model.train()
    return TrainingStep(model, optimizer, state, origin, machines=machines, fast=prepared.fast)


def _head_line(head: Head | None) -> str:
    if head is None:
        return "The loss is computed from every token's logits: the model's head was not found."
    also = " and the last layer's feed-forward part are" if head.positionwise else " is"
    return f"The loss{also} computed where a token is trained, and nowhere else."
