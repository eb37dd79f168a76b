import math

from app.core.events import EvaluationFinished
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
