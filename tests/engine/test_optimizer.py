"""Invariants 1, 2, 3 and 5 of TieredAdamW: what makes a tiered update the one we promise."""

from collections.abc import Sequence
from typing import Any

import mlx.core as mx
import mlx.optimizers as optim
import pytest

from app.core.config.training_config import TierConfig
from app.engine.tiers.optimizer import OptimizerState, OptimizerStep, TieredAdamW
from app.engine.tiers.plan import TierPlan

Arrays = dict[str, Any]
SHAPES = {"top.lora_a": (6, 4), "top.lora_b": (4, 5), "low.lora_a": (3, 4), "low.lora_b": (4, 7)}


def plan(*periods: int, factors: Sequence[float] = ()) -> TierPlan:
    """The module "top" in tier 0; "low" in the last tier."""
    rates = factors or [1.0] * len(periods)
    tiers = tuple(TierConfig(p, r) for p, r in zip(periods, rates, strict=True))
    last = len(tiers) - 1
    return TierPlan.from_whole_parameters(
        tiers, {p: 0 if p.startswith("top") else last for p in SHAPES}
    )


def parameters() -> Arrays:
    return {path: mx.random.normal(shape, key=mx.random.key(i)) for i, (path, shape) in
            enumerate(SHAPES.items())}  # fmt: skip


def gradient(step: int) -> Arrays:
    return {path: mx.random.normal(shape, key=mx.random.key(1000 * step + i)) for i, (path, shape)
            in enumerate(SHAPES.items())}  # fmt: skip


def rate(step: int) -> float:
    """A schedule with a warm-up, so that a wrong step index shows."""
    return 1e-2 * min(1.0, step / 4) * (1.0 - step / 40)


class Tiered:
    """Runs TieredAdamW over given gradients, as the training step does."""

    def __init__(self, optimizer: TieredAdamW) -> None:
        self.optimizer = optimizer
        self.parameters = parameters()
        self.state: OptimizerState = optimizer.init(self.parameters)

    def step(
        self, number: int, gradients: Arrays, loss: float = 1.0, lesson: Arrays | None = None
    ) -> OptimizerStep:
        due = self.optimizer.plan.due(number)
        plan = self.optimizer.plan
        flat = [plan.flatten(tier, self.parameters) for tier in range(len(plan.tiers))]
        vectors = {
            tier: plan.flatten(tier, gradients)
            for tier in self.optimizer.tiers_needing_gradients(due)
        }
        result = self.optimizer.step(
            vectors, self.parameters, flat, self.state, due, mx.array(rate(number)), mx.array(loss),
            lesson={tier: plan.flatten(tier, lesson) for tier in due} if lesson else None,
        )  # fmt: skip
        self.parameters = self.parameters | result.updated
        self.state = result.state
        mx.eval(self.parameters, self.state.tree())
        return result


def reference(gradients: Sequence[Arrays], rates: Sequence[float], clip: float) -> Arrays:
    """MLX's own AdamW with bias correction, and MLX's own clipping."""
    optimizer = optim.AdamW(learning_rate=0.0, weight_decay=0.01, bias_correction=True)
    weights = parameters()
    for grads, lr in zip(gradients, rates, strict=True):
        optimizer.learning_rate = lr
        clipped = optim.clip_grad_norm(grads, clip)[0] if clip else grads
        weights = optimizer.apply_gradients(clipped, weights)
        mx.eval(weights)
    return weights


def same_bits(one: Arrays, other: Arrays) -> bool:
    return all(mx.array_equal(one[path], other[path]).item() for path in SHAPES)


def largest_difference(one: Arrays, other: Arrays) -> float:
    return max(mx.max(mx.abs(one[path] - other[path])).item() for path in SHAPES)


@pytest.mark.parametrize("clip", [0.0, 0.5])
def test_with_all_periods_1_it_is_mlx_adamw_bit_for_bit(clip: float) -> None:
    steps = range(1, 13)
    tiered = Tiered(TieredAdamW(plan(1, 1), max_grad_norm=clip))
    for step in steps:
        tiered.step(step, gradient(step))
    expected = reference([gradient(s) for s in steps], [rate(s) for s in steps], clip)
    assert same_bits(tiered.parameters, expected)


@pytest.mark.parametrize("period", [2, 3, 8])
def test_a_constant_gradient_with_period_f_is_adamw_stepped_once_per_f(period: int) -> None:
    tiered = Tiered(TieredAdamW(plan(period, period), max_grad_norm=0.0))
    firings = [period * n for n in range(1, 5)]
    for step in range(1, firings[-1] + 1):
        tiered.step(step, gradient(1))
    expected = reference([gradient(1)] * 4, [rate(s) for s in firings], clip=0.0)
    assert same_bits(tiered.parameters, expected)


@pytest.mark.parametrize("period", [2, 4])
def test_varying_gradients_with_period_f_are_a_batch_f_times_as_large(period: int) -> None:
    tiered = Tiered(TieredAdamW(plan(period, period), max_grad_norm=0.0))
    firings = [period * n for n in range(1, 4)]
    for step in range(1, firings[-1] + 1):
        tiered.step(step, gradient(step))
    chunks = [[gradient(s) for s in range(f - period + 1, f + 1)] for f in firings]
    means = [{path: sum(g[path] for g in chunk) / period for path in SHAPES} for chunk in chunks]
    expected = reference(means, [rate(s) for s in firings], clip=0.0)
    assert largest_difference(tiered.parameters, expected) < 1e-6


def test_a_lesson_moves_a_tier_by_an_mlx_adam_of_its_own_after_the_tasks() -> None:
    """Bit for bit, with its own moments, count, clipping and rate, at every second step."""
    tiered = Tiered(TieredAdamW(plan(1, 1), max_grad_norm=0.5, slow_rate=0.25))
    task = optim.AdamW(learning_rate=0.0, weight_decay=0.01, bias_correction=True)
    slow = optim.Adam(learning_rate=0.0, bias_correction=True)
    expected = parameters()
    for step in range(1, 9):
        lesson = gradient(100 + step) if step % 2 == 0 else None
        tiered.step(step, gradient(step), lesson=lesson)
        task.learning_rate, slow.learning_rate = rate(step), 0.25 * mx.array(rate(step))
        expected = task.apply_gradients(optim.clip_grad_norm(gradient(step), 0.5)[0], expected)
        if lesson is not None:
            expected = slow.apply_gradients(optim.clip_grad_norm(lesson, 0.5)[0], expected)
        assert same_bits(tiered.parameters, expected), step
    assert [count.item() for count in tiered.state.slow_counts] == [4, 4]


def test_a_lesson_that_is_not_finite_makes_the_whole_step_void() -> None:
    tiered = Tiered(TieredAdamW(plan(1, 1), slow_rate=1.0))
    tiered.step(1, gradient(1), lesson=gradient(101))
    before, state = dict(tiered.parameters), tiered.state
    broken = gradient(102) | {"low.lora_b": mx.full(SHAPES["low.lora_b"], float("nan"))}
    result = tiered.step(2, gradient(2), lesson=broken)
    assert not result.is_finite.item()
    assert same_bits(tiered.parameters, before)
    for new, old in zip(tiered.state.tree(), state.tree(), strict=True):
        assert all(mx.array_equal(a, b).item() for a, b in zip(new, old, strict=True))


def test_after_s_steps_a_tier_fired_s_over_period_times_and_the_rest_is_pending() -> None:
    tiered = Tiered(TieredAdamW(plan(1, 4)))
    for step in range(1, 12):
        tiered.step(step, gradient(step))
        counts = [count.item() for count in tiered.state.fired_counts]
        pending = [count.item() for count in tiered.state.pending_counts]
        assert counts == [step, step // 4]
        assert pending == [0, step % 4]


def test_a_tier_that_is_not_due_stays_bit_for_bit() -> None:
    tiered = Tiered(TieredAdamW(plan(1, 3)))
    before, state = tiered.parameters, tiered.state
    result = tiered.step(1, gradient(1))
    assert set(result.updated) == set(tiered.optimizer.plan.paths(0))
    for path in ("low.lora_a", "low.lora_b"):
        assert mx.array_equal(tiered.parameters[path], before[path])
    assert mx.array_equal(tiered.state.m[1], state.m[1])
    assert mx.array_equal(tiered.state.v[1], state.v[1])
    assert mx.all(tiered.state.pending[1] != 0)


def test_tier_0_is_independent_of_the_other_periods() -> None:
    ends = []
    for slow in (1, 3, 8):
        tiered = Tiered(TieredAdamW(plan(1, slow), max_grad_norm=0.0))
        for step in range(1, 10):
            tiered.step(step, gradient(step))
        ends.append(tiered.parameters["top.lora_b"])
    assert mx.array_equal(ends[0], ends[1])
    assert mx.array_equal(ends[0], ends[2])


@pytest.mark.parametrize("poison", ["gradient", "loss"])
def test_a_step_that_is_not_finite_changes_nothing(poison: str) -> None:
    tiered = Tiered(TieredAdamW(plan(1, 2)))
    tiered.step(1, gradient(1))
    before, state = dict(tiered.parameters), tiered.state
    bad, loss = gradient(2), 1.0
    if poison == "gradient":
        bad["top.lora_a"] = mx.full(SHAPES["top.lora_a"], float("nan"))
    else:
        loss = float("inf")
    result = tiered.step(2, bad, loss)
    assert not result.is_finite.item()
    assert same_bits(tiered.parameters, before)
    for new, old in zip(tiered.state.tree(), state.tree(), strict=True):
        assert all(mx.array_equal(a, b) for a, b in zip(new, old, strict=True))


def test_skipping_drops_the_gradients_between_firings() -> None:
    skipping = Tiered(TieredAdamW(plan(2, 2), max_grad_norm=0.0, skip_pending=True))
    for step in range(1, 5):
        skipping.step(step, gradient(step))
    expected = reference([gradient(2), gradient(4)], [rate(2), rate(4)], clip=0.0)
    assert same_bits(skipping.parameters, expected)
    assert [count.item() for count in skipping.state.pending_counts] == [0, 0]


def test_a_tiers_own_factor_scales_its_learning_rate() -> None:
    half = Tiered(TieredAdamW(plan(1, 1, factors=[1.0, 0.5]), max_grad_norm=0.0))
    half.step(4, gradient(4))
    whole = reference([gradient(4)], [rate(4)], clip=0.0)
    halved = reference([gradient(4)], [rate(4) * 0.5], clip=0.0)
    assert mx.array_equal(half.parameters["top.lora_a"], whole["top.lora_a"])
    assert mx.allclose(half.parameters["low.lora_a"], halved["low.lora_a"], atol=1e-7)
