import math
from collections.abc import Callable

import numpy as np
import pytest

from app.core.events import EvaluationFinished, RunStarted, StepFinished
from app.library.run.step_table import decode, encode, record_type
from app.ui.plots.run_series import RunSeries


def test_only_firings_are_kept(run_of):
    run = run_of(20)
    assert [len(firings) for firings in run.firings] == [20, 10, 5]
    assert list(run.firings[2].steps) == [4, 8, 12, 16, 20]


def test_a_void_step_leaves_no_loss_and_is_remembered(started, step):
    run = RunSeries(started())
    for number in range(1, 11):
        run.add_step(step(number, void=number == 5))
    assert len(run.losses) == 9
    assert list(run.voids.steps) == [5]
    assert all(math.isfinite(loss) for loss in run.losses.values(1))
    assert 5 not in run.firings[0].steps


def test_smoothing_starts_at_the_first_loss_and_settles_on_a_constant(started, step):
    run = RunSeries(started())
    for number in range(1, 101):
        run.add_step(step(number, loss=1.5))
    assert all(abs(loss - 1.5) < 1e-6 for loss in run.losses.values(1))


def test_a_validation_that_is_not_finite_leaves_no_point(started):
    run = RunSeries(started())
    run.add_evaluation(EvaluationFinished(0, 3.0, True))
    run.add_evaluation(EvaluationFinished(50, math.nan, False))
    assert list(run.validation.steps) == [0]


def test_a_step_takes_at_most_100_bytes(run_of):
    run = run_of(40_000)
    assert run.size_bytes / 40_000 <= 100


@pytest.mark.parametrize("steps", [1, 7, 400, 401, 1700])
def test_a_run_read_from_disk_gives_the_series_its_steps_gave(
    steps: int, started: Callable[..., RunStarted], step: Callable[..., StepFinished]
) -> None:
    live, read = RunSeries(started(steps)), RunSeries(started(steps))
    events = [step(number, void=number == 5) for number in range(1, steps + 1)]
    kind = record_type(3, 4)
    for event in events:
        live.add_step(event)
    half = len(events) // 2
    for part in (events[:half], events[half:]):
        read.add_table(decode(b"".join(encode(kind, event, 0) for event in part), kind))
    assert (read.first_step, read.last_step) == (live.first_step, live.last_step)
    for one, other in zip(
        (live.losses, live.voids, *live.firings), (read.losses, read.voids, *read.firings),
        strict=True,
    ):  # fmt: skip
        assert one.steps.tolist() == other.steps.tolist()
        np.testing.assert_allclose(
            one._values[:, : len(one)], other._values[:, : len(other)], rtol=1e-5
        )
    assert (read.heat.count, read.heat.width) == (live.heat.count, live.heat.width)
    np.testing.assert_allclose(read.heat.table, live.heat.table, rtol=0.05)
