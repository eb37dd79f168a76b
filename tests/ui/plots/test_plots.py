import numpy as np
import pytest
from PySide6.QtGui import QPainter, QPixmap

from app.core.events import EvaluationFinished
from app.ui.look.theme import DARK, LIGHT
from app.ui.plots.delta_curves import DeltaCurves, value_range
from app.ui.plots.layer_heat_map import LayerHeatMap
from app.ui.plots.loss_plot import LossPlot, loss_range
from app.ui.plots.run_series import RunSeries
from app.ui.plots.shown_steps import LATEST_STEPS, ShownSteps
from app.ui.plots.tier_raster import TierRaster, even_width


def shown(qtbot, kind, run, **attributes):
    plot = kind(LIGHT)
    qtbot.addWidget(plot)
    plot.resize(700, 300)
    for name, value in attributes.items():
        setattr(plot, name, value)
    plot.show_run(run)
    plot.redraw()
    return plot


def fired_bins(raster, tier):
    return np.flatnonzero(raster.marks.rows[tier][1])


def test_a_tier_that_did_not_fire_leaves_no_mark(qtbot, run_of):
    raster = shown(qtbot, TierRaster, run_of(40, periods=(1, 4, 1_000)))
    steps = raster.marks.edges[:-1] + 0.5
    assert list(steps[fired_bins(raster, 1)]) == list(range(4, 41, 4))
    assert len(fired_bins(raster, 2)) == 0
    assert raster.marks.mark_count() == 40 + 10


def test_every_period_is_written_beside_its_row(qtbot, run_of):
    raster = shown(qtbot, TierRaster, run_of(40, periods=(1, 16, 1_000)))
    raster.grab()  # lays it out
    painter = QPainter(picture := QPixmap(1, 1))
    texts = [text for _, _, text in raster.right.generateDrawSpecs(painter)[2]]
    painter.end()
    assert not picture.isNull()
    assert sorted(texts) == ["every 1,000 steps", "every 16 steps", "every step"]


def test_a_live_raster_shows_the_last_steps_one_by_one(qtbot, run_of):
    raster = shown(qtbot, TierRaster, run_of(1_000), steps=ShownSteps(follows_latest=True))
    assert raster.marks.edges[0] == 1_000 - LATEST_STEPS + 0.5
    assert len(fired_bins(raster, 0)) == LATEST_STEPS


def test_a_whole_run_is_shown_as_the_share_of_steps_that_fired(qtbot, run_of):
    raster = shown(qtbot, TierRaster, run_of(10_000))
    shares = [row[1] for row in raster.marks.rows]
    assert len(shares[0]) <= 700
    assert shares[0][:-1] == pytest.approx(1.0)
    assert shares[1][:-1] == pytest.approx(0.5)
    assert shares[2][:-1] == pytest.approx(0.25)


def test_void_steps_are_marked(qtbot, started, step):
    run = RunSeries(started())
    for number in range(1, 11):
        run.add_step(step(number, void=number == 5))
    raster = shown(qtbot, TierRaster, run)
    assert list(np.flatnonzero(raster.marks.voids)) == [4]
    assert 4 not in fired_bins(raster, 0)


def test_bins_do_not_beat_with_the_periods():
    assert even_width(5, [1, 2, 4]) == 8
    assert even_width(1, [1, 2, 4]) == 1
    assert even_width(7, [1, 3, 7, 16]) == 7


def test_tiers_are_named_on_the_raster(qtbot, run_of):
    raster = shown(qtbot, TierRaster, run_of(10, periods=(1, 2)))
    assert raster.left._tickLevels == [[(0, "Tier 0"), (1, "Tier 1")]]
    assert raster.right._tickLevels == [[(0, "every step"), (1, "every 2 steps")]]


def test_a_run_of_100000_steps_draws_at_most_10000_points(qtbot, run_of):
    run = run_of(100_000)
    for number in range(0, 100_000, 10):
        run.validation.append(number, 1.0 + number % 7)
    loss = shown(qtbot, LossPlot, run)
    deltas = shown(qtbot, DeltaCurves, run)
    drawn = [len(curve.getData()[0]) for curve in loss._curves() if curve.getData()[0] is not None]
    drawn += [loss.band.point_count()]
    for curve in deltas.curves:
        drawn += [len(curve.line.getData()[0]), curve.band.point_count()]
    assert 100 < max(drawn) <= 10_000


def test_a_spike_does_not_flatten_the_loss():
    losses = np.linspace(3, 1, 300, dtype=np.float32)
    losses[150] = 1_000
    bottom, top = loss_range(losses, np.array([3.0, 1.2], np.float32))
    assert 0.8 < bottom < 1
    assert 3 < top < 3.5


def test_a_rising_validation_loss_stays_in_sight():
    losses = np.full(300, 0.1, np.float32)
    _, top = loss_range(losses, np.array([0.9, 1.2, 1.5, 1.9], np.float32))
    assert top > 1.9


def test_a_high_start_of_the_smoothed_curve_stays_in_sight_and_a_spike_does_not():
    losses = np.concatenate([np.linspace(8, 1, 12), np.full(48, 1.0)]).astype(np.float32)
    _, top = loss_range(losses, np.array([7.9, 0.9], np.float32), losses[:1] * 1.1)
    assert 8.8 < top < 10
    losses[30] = 900
    _, top = loss_range(losses, np.array([7.9, 0.9], np.float32), np.array([90.0], np.float32))
    assert 7.9 < top < 12


def test_a_plot_without_losses_has_a_range():
    nothing = np.zeros(0, np.float32)
    assert loss_range(nothing, nothing) == (0.0, 1.0)
    assert value_range(nothing, is_log=True) == (0.0, 1.0)


def test_nan_losses_break_nothing(qtbot, started, step):
    run = RunSeries(started())
    for number in range(1, 4):
        run.add_step(step(number, void=True))
    run.add_evaluation(EvaluationFinished(3, float("nan"), False))
    for kind in (LossPlot, TierRaster, DeltaCurves, LayerHeatMap):
        assert not shown(qtbot, kind, run).grab().isNull()


def test_a_curve_goes_through_firings_only(qtbot, run_of):
    deltas = shown(qtbot, DeltaCurves, run_of(100))
    x, y = deltas.curves[2].line.getData()
    assert list(x) == list(range(4, 101, 4))
    assert y == pytest.approx(0.03)


def test_drift_and_logarithm_are_shown_when_chosen(qtbot, run_of):
    run = run_of(100)
    drift = shown(qtbot, DeltaCurves, run, column=1)
    assert drift.curves[0].line.getData()[1][-1] == pytest.approx(0.1)
    log = shown(qtbot, DeltaCurves, run, is_log=True)
    assert log.curves[0].line.getData()[1] == pytest.approx(-2)


def test_the_top_layer_is_on_top_of_the_heat_map(qtbot, started, step):
    run = RunSeries(started(layers=(5, 3, 4, 6)))
    run.add_step(step(1, layer_deltas=(0.5, 0.3, 0.4, 0.6)))
    heat = shown(qtbot, LayerHeatMap, run)
    assert heat.image.image[:, 0] == pytest.approx([0.3, 0.4, 0.5, 0.6])
    (rows,) = heat.left._tickLevels
    assert max(rows) == (3.5, "6")


@pytest.mark.parametrize("kind", [LossPlot, TierRaster, DeltaCurves, LayerHeatMap])
def test_another_theme_recolours_a_plot(qtbot, run_of, kind):
    plot = shown(qtbot, kind, run_of(50))
    plot.set_theme(DARK)
    assert plot.backgroundBrush().color().name() == DARK.surface
    assert plot.left.textPen().color().name() == DARK.secondary_text


def test_tiers_have_their_theme_s_colours(qtbot, run_of):
    run = run_of(50)
    raster, deltas = shown(qtbot, TierRaster, run), shown(qtbot, DeltaCurves, run)
    for plot in (raster, deltas):
        plot.set_theme(DARK)
    assert [row[0].name() for row in raster.marks.rows] == list(DARK.tiers[:3])
    pens = [curve.line.opts["pen"].color().name() for curve in deltas.curves]
    assert pens == list(DARK.tiers[:3])
    assert raster.marks.void_color.name() == DARK.danger


@pytest.mark.parametrize("kind", [LossPlot, TierRaster, DeltaCurves, LayerHeatMap])
def test_pointing_at_a_plot_tells_the_step(qtbot, run_of, kind):
    plot = shown(qtbot, kind, run_of(50))
    plot.grab()
    plot._follow_pointer(plot.box.sceneBoundingRect().center())
    assert plot.readout.startswith("step")
    plot._follow_pointer(plot.box.sceneBoundingRect().bottomRight() * 2)
    assert plot.readout == ""


def test_the_latest_steps_are_as_many_as_are_distinguishable(qtbot, run_of):
    raster = shown(qtbot, TierRaster, run_of(1_000))
    assert raster.latest_count() == LATEST_STEPS
    raster.resize(300, 300)
    raster.show()
    assert raster.box.width() / raster.latest_count() >= 4


def test_a_spike_above_the_scale_is_marked_at_the_top_edge(qtbot, started, step):
    run = RunSeries(started())
    for number in range(1, 301):
        run.add_step(step(number, loss=900.0 if number == 150 else 2.0 + number % 3))
    plot = shown(qtbot, LossPlot, run)
    assert plot.clipped.isVisible()
    places, heights = plot.clipped.getData()
    assert list(places) == pytest.approx([150], abs=1)
    low, top = plot.box.viewRange()[1]
    assert low < heights[0] < top < 900
    plot.steps.selection = (1, 100)
    plot.redraw()
    assert not plot.clipped.isVisible()


def test_no_change_of_a_layer_looks_unlike_no_data():
    for theme in (LIGHT, DARK):
        assert theme.heat[0] != theme.surface


def test_the_validation_before_the_first_step_lies_on_the_axis(qtbot, run_of):
    plot = shown(qtbot, LossPlot, run_of(40))
    assert plot.box.viewRange()[0][0] <= 0
