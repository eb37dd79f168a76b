"""Audits every update: compares the model with the update that settings and gradients ask for.

Some numbers of each parameter are sampled. For these, the host computes AdamW's update in float64
(`update_rules`) and compares it with the model. For all other numbers, the device checks that the
model holds what the optimizer wrote, and that none moved further than AdamW can move it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import mlx.core as mx
import numpy as np

from app.core.errors import VerificationError
from app.engine.audit.report_audit import ReportAudit
from app.engine.audit.sample_checks import (
    check_bound,
    check_finite,
    check_part,
    check_pending,
    check_samples,
    not_written,
)
from app.engine.audit.update_samples import SampledTier, observation, parsed
from app.engine.audit.verification import OWN_FAULT, Movement, StepMeasurement, fault, verify
from app.engine.model.adapter_parameters import layer_index
from app.engine.runtime.mlx_runtime import maybe_compile
from app.engine.runtime.named_arrays import ArrayFunction, ArrayMap, number
from app.engine.tiers.optimizer import Gradients, OptimizerState
from app.engine.tiers.plan import TierPlan
from app.engine.tiers.update_rules import Array, UpdateRules, largest_update

SAMPLES = 1024
"""Approximate number of samples over all tiers."""
MIN_EACH, MAX_EACH = 4, 64
"""Fewest and most samples of one parameter, or of the slice of it that a tier holds."""


@dataclass(frozen=True)
class _Step:
    """A step whose samples are still to be compared."""

    number: int
    rate: float
    values: list[Array]
    gradients: list[Array | None]
    """Per tier, the clipped mean over trained tokens; None without a gradient or in a void step."""
    lesson: Mapping[int, Array]
    """Per tier, the clipped mean gradient for the slow clock's own AdamW."""
    pending: tuple[int, ...]
    """Gradients per tier that the step reports as not yet applied."""


class UpdateAudit:
    """Follows a run step by step, beside its optimizer. Lives on the MLX thread."""

    def __init__(
        self,
        rules: UpdateRules,
        plan: TierPlan,
        parameters: ArrayMap,
        state: OptimizerState,
        drifts: Sequence[float],
        anchor: tuple[ArrayMap, ArrayMap] | None = None,
    ) -> None:
        """`parameters` and `state` are those that the run starts or resumes from, and `drifts` are
        the tiers' distances from the run's start at that point. `anchor` holds the lasting clock's
        center and stiffness, by path. Raises VerificationError if a tier's vector does not hold
        the sampled numbers."""
        self._rules, self._plan = rules, plan
        in_layers = all(layer_index(path) is not None for path in parameters)
        self._reports = ReportAudit(drifts, is_all_in_layers=in_layers)
        each = min(MAX_EACH, max(MIN_EACH, SAMPLES // len(plan.slots)))
        self._tiers = [SampledTier(slots, parameters, each) for slots in plan.slices_by_tier]
        self.positions = [mx.array(tier.positions.astype(np.int32)) for tier in self._tiers]
        """Per tier, the positions of its sampled numbers in its vector."""
        self._observations: dict[tuple[tuple[int, ...], ...], ArrayFunction] = {}
        self._open: _Step | None = None
        self._anchors: list[tuple[mx.array, mx.array]] = []
        for k, tier in enumerate(self._tiers):
            counts = (int(number(each[k])) for each in (state.fired_counts, state.pending_counts))
            tier.restore(state.m[k], state.v[k], state.pending[k], *counts)
            if state.slow_m:
                count = int(number(state.slow_counts[k]))
                tier.restore_slow(state.slow_m[k], state.slow_v[k], count)
            read = np.array(plan.flatten(k, parameters)[self.positions[k]])
            if not np.array_equal(read, tier.values, equal_nan=True):
                raise VerificationError(f"Tier {k} is not read from its own parameters.", OWN_FAULT)
            if anchor:
                tier.tie(*anchor)
                center, stiffness = (plan.flatten(k, arrays) for arrays in anchor)
                self._anchors.append((center, stiffness))
        mx.eval(self._anchors)

    def observe(
        self,
        gradients: Gradients,
        wanted: Mapping[int, mx.array],
        parameters: ArrayMap,
        before: Sequence[mx.array],
        after: Sequence[mx.array],
        rate: float,
    ) -> mx.array:
        """Measure a step on the device, as a lazy float32 vector for `check`.

        `parameters` are the model's at the beginning of the step; `observation` describes the
        other arguments.
        """
        key = tuple(gradients), tuple(wanted)
        if key not in self._observations:
            self._observations[key] = maybe_compile(observation)
        decays = [rate * factor * self._rules.weight_decay for factor in self._rules.factors]
        allowed = [d + 4 * tier.precision for d, tier in zip(decays, self._tiers, strict=True)]
        at_start = [self._plan.flatten(k, parameters) for k in range(len(self._tiers))]
        return self._observations[key](
            gradients, dict(wanted), at_start, list(before), list(after),
            mx.array(allowed, mx.float32), self.positions, self._anchors,
            mx.array([self._firmness(k, rate) for k in range(len(self._tiers))], mx.float32),
        )  # fmt: skip

    def check(
        self,
        observed: mx.array,
        step: int,
        rate: float,
        reported: StepMeasurement,
        gradients: Gradients,
        wanted: Mapping[int, mx.array],
        after: Sequence[mx.array],
        lesson: Mapping[int, Array] = {},
    ) -> None:
        """Raise VerificationError unless a step and its report are correct.

        `observed` is the evaluated vector of `observe`; `after` has a float32 vector, [numbers of
        the tier], for each tier; `lesson` is `LessonAudit`'s `clipped_means`. The step's samples
        are compared at the next `finish`.
        """
        rules, due = self._rules, self._rules.due(step)
        if tuple(gradients) != rules.with_gradients(step):
            raise fault(step, "gradients were computed for the wrong tiers")
        sizes = [len(tier.values) for tier in self._tiers]
        seen = parsed(np.array(observed, np.float64), sizes, gradients)
        for k, now in enumerate(seen):
            if now.was_touched:
                raise VerificationError(
                    f"Before step {step}, weights of tier {k} changed outside of any step."
                )
        norm = math.sqrt(sum(tier.squares for tier in seen)) / reported.trained_tokens
        is_finite = math.isfinite(norm) and math.isfinite(reported.loss)
        is_finite = is_finite and all(np.isfinite(mean).all() for mean in lesson.values())
        check_finite(reported.movement, step)
        for k, (tier, now) in enumerate(zip(self._tiers, seen, strict=True)):
            tier.has_gradient |= is_finite and now.squares > 0
            has_lesson = is_finite and k in lesson and bool(np.any(lesson[k]))
            tier.had_gradient |= tier.has_gradient or has_lesson
        scale = rules.clipping(norm) / reported.trained_tokens
        means = [
            tier.gradients * scale if is_finite and tier.gradients is not None else None
            for tier in seen
        ]
        moves = [
            k in due and is_finite and tier.has_gradient
            and self._must_move(k, reported.movement, means[k], rate, lesson.get(k))
            for k, tier in enumerate(self._tiers)
        ]  # fmt: skip
        lost = [
            now.differs or (k in due and k not in wanted and is_finite)
            for k, now in enumerate(seen)
        ]
        verify(reported.movement, due, moves, lost, step)
        self._reports.check(step, reported, norm, [math.sqrt(tier.moved) for tier in seen])
        if reported.is_void == is_finite:
            left_out, applied = "finite gradients were left out", "infinite gradients were applied"
            raise fault(step, left_out if is_finite else applied)
        for k, (tier, now) in enumerate(zip(self._tiers, seen, strict=True)):
            if now.differs:
                raise not_written(step, tier, np.array(wanted[k]), np.array(after[k]))
            fires = is_finite and k in due
            tier.has_gradient &= not fires
            most = largest_update(tier.state.fired + 1) if fires else 0.0
            if fires and k in lesson:
                most += rules.slow_rate * largest_update(tier.slow.fired + 1)
            check_bound(step, k, now.excess, rate * rules.factors[k] * most)
        self._open = _Step(
            step, rate, [tier.values for tier in seen], means, lesson, reported.pending
        )

    def finish(self) -> None:
        """Compare the last step's samples with AdamW. Raises VerificationError.

        Separate from `check`, so that the host can do it while the device computes the next step.
        """
        done, self._open = self._open, None
        if done is None:
            return
        due = self._rules.due(done.number)
        samples = zip(self._tiers, done.values, done.gradients, strict=True)
        for k, (tier, values, gradient) in enumerate(samples):
            rate, expected = done.rate * self._rules.factors[k], tier.values
            slow_rate = 0.0
            fires = gradient is not None and k in due
            if gradient is not None:
                tier.state.accumulate(gradient)
            if fires:
                expected = tier.state.fire(tier.values, rate, self._rules.weight_decay)
                slow_rate = rate * self._rules.slow_rate if k in done.lesson else 0.0
                moved = np.zeros_like(expected)
                if slow_rate:
                    moved = tier.slow.learn(expected, done.lesson[k], slow_rate) - expected
                    expected = expected + moved
                pull = tier.pull(expected, self._firmness(k, done.rate))
                expected = expected + pull
            check_samples(done.number, tier, values, expected, rate + slow_rate)
            if fires:
                error = values - expected
                decay = -rate * self._rules.weight_decay * tier.values
                check_part(done.number, f"the weight decay of tier {k}", tier, error, rate, decay)
                check_part(done.number, f"the pull on tier {k}", tier, error, rate, pull)
                name = f"the slow clock's update of tier {k}"
                check_part(done.number, name, tier, error, slow_rate, moved)
            check_pending(done.number, k, tier.state.pending_count, done.pending[k])
            tier.values = values

    def _must_move(
        self, k: int, movement: Movement, mean: Array | None, rate: float, lesson: Array | None
    ) -> bool:
        """Whether the next update of tier k is larger than its rounding."""
        if k in movement.fired:
            return True
        self.finish()  # the previous step's optimizer state is needed
        tier_rate = rate * self._rules.factors[k]
        firmness = self._firmness(k, rate)
        slow_rate = tier_rate * self._rules.slow_rate
        return self._tiers[k].would_move(
            mean, tier_rate, self._rules.weight_decay, firmness, lesson, slow_rate
        )

    def _firmness(self, k: int, rate: float) -> float:
        """The pull on a number of stiffness 1 in tier k, at a learning rate of `rate`."""
        return rate * self._rules.factors[k] * self._rules.pull

    def check_rate(self, step: int, rate: float) -> None:
        """Raise VerificationError unless `rate` is the configuration's learning rate of `step`."""
        if self._rules.rate is None:
            return
        planned = self._rules.rate(step)
        if not abs(rate - planned) <= self._rules.rate_tolerance:
            raise fault(
                step, f"the learning rate was {rate:.4g}, but the settings ask for {planned:.4g}"
            )

    def check_drifts(self, step: int, drifts: Sequence[float]) -> None:
        """Raise VerificationError if the tiers' distances from the run's start, measured again
        after `step`, differ from those that the step reported."""
        self._reports.check_drifts(step, drifts)

    def learning_tiers(self) -> list[int]:
        """The tiers that fired and had a gradient."""
        return [k for k, tier in enumerate(self._tiers) if tier.state.fired and tier.had_gradient]

    def idle_tiers(self, drifts: Sequence[float]) -> str:
        """A sentence for each tier that learned nothing, with a leading space; "" if none.

        `drifts` are the tiers' distances from the run's start.
        """
        notes = []
        for k, (tier, drift) in enumerate(zip(self._tiers, drifts, strict=True)):
            if tier.state.fired == 0:
                period = self._rules.periods[k]
                notes.append(f"Tier {k} never fired: its update period is {period} steps.")
            elif not tier.had_gradient:
                suffix = "; only weight decay moved it" if drift else ""
                notes.append(f"Tier {k} learned nothing: its gradient was always zero{suffix}.")
            elif not drift:
                notes.append(f"Tier {k} is where it began.")
        return "".join(f" {note}" for note in notes)
