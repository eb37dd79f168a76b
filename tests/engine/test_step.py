"""Invariants 6 and 7: accumulation by trained tokens, and firings proved from the weights."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest

from app.core.errors import VerificationError
from app.engine.batches.batches import Batch
from app.engine.model.model_structure import trainable_parameters
from app.engine.training import step as step_module
from app.engine.training.step import TrainingStep
from tests.engine.training_steps import batch, training_step

RATE = 1e-2


def weights(step: TrainingStep) -> dict[str, Any]:
    return trainable_parameters(step._model)


def split(whole: Batch, rows: Sequence[int]) -> list[Batch]:
    edges = np.cumsum([0, *rows])
    return [Batch(whole.tokens[a:b], whole.trained[a:b]) for a, b in pairwise(edges)]


def test_a_due_tier_moves_and_the_others_do_not_move_at_all(tiny_model: Path) -> None:
    step = training_step(tiny_model)
    plan = step._optimizer.plan
    for number in range(1, 9):
        before = weights(step)
        movement = step.run([batch(seed=number)], number, RATE).movement
        after = weights(step)
        assert movement.fired == plan.due(number)
        for tier in range(3):
            change = sum(mx.sum(mx.square(after[p] - before[p])).item() for p in plan.paths(tier))
            assert movement.deltas[tier] == pytest.approx(change**0.5, rel=1e-5)
            assert (movement.deltas[tier] > 0) == (tier in plan.due(number))


def test_layer_deltas_and_tier_deltas_are_the_same_movement(tiny_model: Path) -> None:
    movement = training_step(tiny_model).run([batch()], 4, RATE).movement
    total = sum(d * d for d in movement.deltas)
    assert sum(d * d for d in movement.layer_deltas) == pytest.approx(total, rel=1e-5)
    assert len(movement.layer_deltas) == 4


def test_drift_is_the_distance_from_the_start(tiny_model: Path) -> None:
    step = training_step(tiny_model, periods=[1])
    start = weights(step)
    for number in range(1, 4):
        movement = step.run([batch(seed=number)], number, RATE).movement
    away = sum(mx.sum(mx.square(weights(step)[p] - start[p])).item() for p in start)
    assert movement.drifts[0] == pytest.approx(away**0.5, rel=1e-5)


@pytest.mark.parametrize("rows", [(2, 2), (3, 1), (1, 1, 1, 1)])
def test_micro_batches_weighted_by_trained_tokens_are_one_batch(
    tiny_model: Path, rows: Sequence[int]
) -> None:
    whole = batch(share=0.3)
    one, many = training_step(tiny_model), training_step(tiny_model)
    single = one.run([whole], 4, RATE)
    several = many.run(split(whole, rows), 4, RATE)
    assert several.loss == pytest.approx(single.loss, abs=1e-6)
    assert several.trained_tokens == single.trained_tokens
    assert several.gradient_norm == pytest.approx(single.gradient_norm, rel=1e-5)


def test_a_split_batch_makes_the_same_step_as_a_whole_one(tiny_model: Path) -> None:
    whole = batch(share=0.3)
    one, many = training_step(tiny_model), training_step(tiny_model)
    single = one.run([whole], 4, RATE)
    several = many.run([replace(whole, splits=2)], 4, RATE)
    assert several.loss == pytest.approx(single.loss, abs=1e-6)
    assert several.gradient_norm == pytest.approx(single.gradient_norm, rel=1e-5)
    assert several.movement.deltas == pytest.approx(single.movement.deltas, rel=1e-4)


def test_micro_batches_give_the_gradient_of_one_batch_to_1e_6(tiny_model: Path) -> None:
    whole = batch(share=0.3)
    step = training_step(tiny_model)
    _, single = step._gradients.summed(step._vectors, [whole], (0, 1, 2))
    _, several = step._gradients.summed(step._vectors, split(whole, (3, 1)), (0, 1, 2))
    tokens = whole.trained_tokens
    for path in single:
        difference = mx.max(mx.abs(single[path] - several[path])).item() / tokens
        scale = max(1.0, mx.max(mx.abs(single[path])).item() / tokens)
        assert difference <= 1e-6 * scale


def test_micro_batches_do_not_advance_the_tier_clock(tiny_model: Path) -> None:
    step = training_step(tiny_model, periods=[1, 4])
    measured = step.run(split(batch(), (1, 1, 1, 1)), 1, RATE)
    assert measured.movement.fired == (0,)
    assert measured.pending == (0, 1)


def test_an_update_that_never_reaches_the_model_stops_the_run(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = training_step(tiny_model)
    monkeypatch.setattr(step_module, "write_parameters", lambda model, updates: None)
    with pytest.raises(VerificationError, match="tier 0 was due but its weights did not move"):
        step.run([batch()], 1, RATE)


def test_a_tier_that_moves_out_of_turn_stops_the_run(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = training_step(tiny_model)
    real_write = step_module.write_parameters

    def write_too_much(model: Any, updates: dict[str, Any]) -> None:
        slow = step._optimizer.plan.paths(2)[0]
        real_write(model, updates | {slow: trainable_parameters(model)[slow] + 1e-6})

    monkeypatch.setattr(step_module, "write_parameters", write_too_much)
    with pytest.raises(VerificationError, match="tier 2 moved although it was not due"):
        step.run([batch()], 1, RATE)


def test_a_fault_in_the_middle_of_a_step_leaves_the_model_as_it_was(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = training_step(tiny_model)
    before = weights(step)

    def out_of_memory(*arrays: Any) -> None:
        raise RuntimeError("[malloc] Unable to allocate 1 bytes.")

    monkeypatch.setattr(mx, "eval", out_of_memory)
    with pytest.raises(RuntimeError, match="malloc"):
        step.run([batch()], 1, RATE)
    monkeypatch.undo()
    assert all(mx.array_equal(weights(step)[p], before[p]) for p in before)
    assert step.run([batch()], 1, RATE).movement.fired == (0,)


def test_a_compiled_step_equals_a_plain_one(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a GPU the three functions are compiled; on this CPU only this test does it."""
    plain = training_step(tiny_model, periods=[1, 2])
    for module in ("training.step", "training.gradients", "audit.verification"):
        monkeypatch.setattr(f"app.engine.{module}.maybe_compile", mx.compile)
    fused = training_step(tiny_model, periods=[1, 2])
    for number in range(1, 5):
        a = plain.run([batch(seed=number)], number, RATE)
        b = fused.run([batch(seed=number)], number, RATE)
        assert b.loss == pytest.approx(a.loss, abs=1e-4)
        assert b.movement.fired == a.movement.fired
        assert b.pending == a.pending
    for path, value in weights(plain).items():
        assert mx.allclose(weights(fused)[path], value, atol=1e-4)


def test_skipping_takes_gradients_of_the_due_tiers_only(tiny_model: Path) -> None:
    step = training_step(tiny_model, skip_pending=True)
    _, every = step._gradients.summed(step._vectors, [batch()], (0, 1, 2))
    for due in [(0,), (0, 1), (2,)]:
        _, some = step._gradients.summed(step._vectors, [batch()], due)
        assert set(some) == set(due)
        assert all(mx.allclose(some[tier], every[tier], atol=1e-5) for tier in some)


def test_skipping_moves_the_weights_as_if_all_gradients_had_been_taken(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lean = training_step(tiny_model, skip_pending=True, max_grad_norm=0)
    whole = training_step(tiny_model, skip_pending=True, max_grad_norm=0)
    taken = whole._gradients
    of_batch = taken._of_batch
    every = (0, 1, 2)
    monkeypatch.setattr(
        taken,
        "_of_batch",
        lambda vectors, of, _, objective: of_batch(vectors, of, every, objective),
    )
    for number in range(1, 9):
        a = lean.run([batch(seed=number)], number, RATE)
        b = whole.run([batch(seed=number)], number, RATE)
        assert a.loss == pytest.approx(b.loss, rel=1e-5)
        assert a.movement.fired == b.movement.fired
    for path, value in weights(lean).items():
        assert mx.allclose(value, weights(whole)[path], atol=1e-5)


def test_a_step_in_which_no_tier_is_due_needs_no_backward_pass(tiny_model: Path) -> None:
    step = training_step(tiny_model, periods=[2, 4], skip_pending=True)
    measured = step.run([batch()], 1, RATE)
    assert measured.loss > 0
    assert measured.gradient_norm == 0
    assert measured.movement.fired == ()
    assert not measured.is_void
