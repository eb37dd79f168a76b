"""One optimizer step on the device: gradients, tiered update, write into the model, verification.

Three functions are compiled: the gradients (once per batch shape), the update (once per set of due
tiers) and the measurement. The new weights are written into the model before the measurement, which
therefore measures the model itself.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import mlx.core as mx
import numpy as np

from app.core.errors import VerificationError
from app.engine.audit.gradient_audit import GradientAudit, Recomputed
from app.engine.audit.lesson_audit import LessonAudit
from app.engine.audit.loss_audit import LossAudit
from app.engine.audit.update_audit import UpdateAudit
from app.engine.audit.verification import (
    FrozenWeights,
    MovementMeter,
    StepMeasurement,
    idle_modules,
)
from app.engine.batches.batches import Batch
from app.engine.clocks.elastic_anchor import Anchor, stiffness_after
from app.engine.clocks.slow_clock import Lesson, SlowClock
from app.engine.execution.model_execution import FastPaths
from app.engine.model.adapter_parameters import read_parameters, write_parameters
from app.engine.model.language_model import LanguageModel
from app.engine.model.lm_head import SplitModel
from app.engine.model.model_structure import trainable_parameters
from app.engine.runtime.distributed import ALONE, Machines
from app.engine.runtime.mlx_runtime import maybe_compile
from app.engine.runtime.named_arrays import ArrayFunction, Arrays, number
from app.engine.tiers.optimizer import Gradients, OptimizerState, TieredAdamW
from app.engine.tiers.update_rules import UpdateRules
from app.engine.training.gradients import BatchGradients


class TrainingStep:
    """Runs optimizer steps on a model and keeps the optimizer state. Lives on the MLX thread."""

    def __init__(
        self,
        model: LanguageModel,
        optimizer: TieredAdamW,
        state: OptimizerState,
        start: Arrays,
        *,
        head: SplitModel | None = None,
        recompute_layers: bool = False,
        machines: Machines = ALONE,
        fast: FastPaths | None = None,
        rules: UpdateRules | None = None,
        anchor: Anchor | None = None,
        stiffness: Arrays | None = None,
        slow: SlowClock | None = None,
    ) -> None:
        """`fast` replaces `head` and `recompute_layers`. `rules` are the configuration's; without
        them the audit uses the optimizer's settings. `anchor`, made from `stiffness`, pulls the
        adapter back to `start`. `slow` gives lessons on the base model's knowledge."""
        self._model = model
        self._optimizer = optimizer
        self.state = state
        self._meter = MovementMeter(optimizer.plan, start)
        # The model's numbers at the last reading; each step starts from them.
        self._paths = tuple(trainable_parameters(model))
        parameters = read_parameters(model, self._paths)
        self._vectors = self._meter.read(parameters)
        audited_anchor = (start, stiffness) if anchor and stiffness else None
        self._audit = UpdateAudit(
            rules or optimizer.rules(),
            optimizer.plan,
            parameters,
            state,
            self._meter.drifts(self._vectors),
            audited_anchor,
        )
        self._anchor, self._stiffness = anchor, stiffness
        self._frozen = FrozenWeights(model)
        self._slow = slow
        self._lessons = LessonAudit(rules or optimizer.rules(), self._audit.positions)
        fast = fast or FastPaths(head, recompute_layers)
        self._losses = LossAudit(model, fast.head)
        self._second_gradients = GradientAudit(model, optimizer.plan, fast)
        self._gradients = BatchGradients(model, optimizer.plan, fast, machines)
        self._updates: dict[tuple[tuple[int, ...], bool], ArrayFunction] = {}

    def measure_memory(self, batch: Batch) -> None:
        """Measure the memory that gradients of this batch's shape need; changes no weights."""
        self._gradients.measure_memory(self._vectors, batch)

    def run(self, batches: Sequence[Batch], step: int, learning_rate: float) -> StepMeasurement:
        """Do optimizer step `step` (1-based) over micro-batches. Raises VerificationError."""
        self._audit.check_rate(step, learning_rate)
        trained_tokens = sum(batch.trained_tokens for batch in batches)
        expected_loss = self._losses.expected(batches, step)
        due = self._optimizer.plan.due(step)
        tiers_needing_gradients = self._optimizer.tiers_needing_gradients(due)
        expected_task = self._second_gradients.of_step(batches, step, tiers_needing_gradients)
        loss, task = self._gradients.summed(self._vectors, batches, tiers_needing_gradients)
        is_apart = self._optimizer.slow_rate > 0
        lesson, expected_lesson = self._lesson(step, due if is_apart else tiers_needing_gradients)
        gradients = task
        if lesson is not None and self._slow is not None and not is_apart:
            gradients = lesson.added_to(task, self._slow.weight * trained_tokens)
        apart = lesson.mean_gradients() if lesson is not None and is_apart else {}
        before = read_parameters(self._model, self._paths)
        result = self._update(due, bool(apart))(
            loss,
            gradients,
            before,
            self._vectors,
            self.state.tree(),
            _scalar(trained_tokens),
            _scalar(learning_rate),
            [self._anchor.center, self._anchor.stiffness] if self._anchor else [],
            apart,
        )
        updated, wanted, tree, norm, is_finite, pulls = result
        write_parameters(self._model, updated)
        try:
            after = read_parameters(self._model, self._paths)
            measured, vectors = self._meter.measure(self._vectors, after)
            observed = self._audit.observe(
                gradients, wanted, before, self._vectors, vectors, learning_rate
            )
            learned = self._lessons.observe(task, lesson, gradients)
            mx.async_eval(loss, measured, vectors, observed, learned, result)
            self._audit.finish()  # audits the previous step while the device computes this one
            mx.eval(loss, measured, vectors, observed, learned, result)
        except RuntimeError:
            # For example, out of memory: the model must not keep arrays that can't be computed.
            write_parameters(self._model, before)
            raise
        self.state, self._vectors = OptimizerState(*tree), vectors
        measurement = StepMeasurement(
            loss=number(loss) / trained_tokens,
            trained_tokens=trained_tokens,
            gradient_norm=number(norm),
            pending=tuple(int(number(count)) for count in self.state.pending_counts),
            movement=self._meter.movement(np.array(measured).tolist()),
            is_void=not is_finite.item(),
            base_kl=lesson.mean() if lesson else math.nan,
            pulls=tuple(
                number(pulls[tier]) if tier in pulls else 0.0
                for tier in range(len(self._optimizer.plan.tiers) if self._anchor else 0)
            ),
        )
        self._audit.check(
            observed, step, learning_rate, measurement, gradients, wanted, vectors,
            self._lessons.clipped_means(learned),
        )  # fmt: skip
        self._lessons.check(learned, step, measurement)
        self._losses.check(expected_loss, step, measurement.loss, trained_tokens)
        self._second_gradients.check_step(expected_task, task, step)
        self._second_gradients.check_lesson(expected_lesson, lesson, step)
        after_kl = self._second_gradients.divergence_after(expected_lesson, lesson)
        return replace(measurement, base_kl_after=after_kl)

    def _lesson(self, step: int, tiers: tuple[int, ...]) -> tuple[Lesson | None, Recomputed | None]:
        """The slow clock's lesson at `step` for these tiers, and the audit's own computation of it;
        both None if none is due."""
        batch = self._slow.lesson(step) if self._slow and tiers else None
        if batch is None or self._slow is None:
            return None, None
        expected = self._second_gradients.of_lesson(batch, step // self._slow.every, tiers)
        return self._gradients.of_lesson(self._vectors, batch, tiers), expected

    def parameters(self) -> Arrays:
        """The adapter's current parameters, by path."""
        return trainable_parameters(self._model)

    def stiffness(self, memory: float = 1.0) -> Arrays:
        """Path → the stiffness of each number for a run that continues from here; the stiffness
        that this run started with counts with weight `memory`."""
        plan, parameters = self._optimizer.plan, self.parameters()
        return stiffness_after(plan, self.state, parameters, self._stiffness, memory)

    @property
    def slow_every(self) -> int:
        """Steps from one lesson to the next if lessons have their own AdamW, else 0."""
        return self._slow.every if self._slow and self._optimizer.slow_rate else 0

    def check_at_rest(self, step: int) -> None:
        """Raise VerificationError unless the weights are finite and equal those measured after
        `step`, and the base model is unchanged."""
        self._audit.finish()
        self._frozen.check(step)
        now = self._meter.read(trainable_parameters(self._model))
        for tier, (current, measured) in enumerate(zip(now, self._vectors, strict=True)):
            if not mx.all(mx.isfinite(current)).item():
                raise VerificationError(
                    f"After step {step}, a weight of tier {tier} is infinite or not a number."
                )
            if not mx.array_equal(current, measured).item():
                raise VerificationError(
                    f"After step {step}, weights of tier {tier} changed outside of any step."
                )
        self._audit.check_drifts(step, self._meter.drifts(now))

    def idle_parts(self) -> str:
        """Sentences on tiers, modules and lessons without effect so far, with leading spaces."""
        tiers = self._audit.idle_tiers(self._meter.drifts(self._vectors))
        unmoved = self._meter.unmoved(self._vectors, self._audit.learning_tiers())
        return tiers + idle_modules(unmoved) + self._lessons.remark()

    def _update(self, due: tuple[int, ...], has_lesson: bool) -> ArrayFunction:
        key = due, has_lesson
        if key not in self._updates:
            self._updates[key] = maybe_compile(self._update_for(due))
        return self._updates[key]

    def _update_for(self, due: tuple[int, ...]) -> ArrayFunction:
        optimizer = self._optimizer
        strength = self._anchor.strength if self._anchor else 0.0

        def update(
            loss: mx.array,
            gradients: Gradients,
            parameters: Arrays,
            vectors: list[mx.array],
            tree: list[list[mx.array]],
            tokens: mx.array,
            rate: mx.array,
            anchor: list[list[mx.array]],
            lesson: Gradients,
        ) -> tuple[
            Arrays,
            dict[int, mx.array],
            list[list[mx.array]],
            mx.array,
            mx.array,
            dict[int, mx.array],
        ]:
            state = OptimizerState(*tree)
            pull = Anchor(anchor[0], anchor[1], strength).pulled if anchor else None
            result = optimizer.step(
                gradients, parameters, vectors, state, due, rate, loss, tokens, pull, lesson
            )
            return (
                result.updated,
                result.vectors,
                result.state.tree(),
                result.norm,
                result.is_finite,
                result.pulls,
            )

        return update


def _scalar(value: float) -> mx.array:
    return mx.array(value, mx.float32)
