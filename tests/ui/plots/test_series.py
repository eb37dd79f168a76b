import numpy as np
import pytest

from app.ui.plots.block_aggregates import BLOCK
from app.ui.plots.downsampling import bin_size, binned, extremes
from app.ui.plots.run_series import HeatBins
from app.ui.plots.series import Series


def filled(count: int) -> Series:
    series = Series(1)
    noise = np.random.default_rng(0).normal(size=count)
    for index in range(count):
        series.append(index + 1, noise[index])
    return series


def test_a_series_keeps_every_value_while_it_grows():
    series = filled(3_000)
    assert list(series.steps) == list(range(1, 3_001))
    expected = np.random.default_rng(0).normal(size=3_000).astype(np.float32)
    assert np.array_equal(series.values(), expected)


def test_a_series_holds_at_most_twice_what_its_numbers_need():
    assert filled(100_000).size_bytes <= 100_000 * 8 * 2


def test_few_points_are_left_as_they_are():
    series = filled(100)
    x, y = extremes(series.steps, series.values(), (0, 100), 50)
    assert len(x) == len(y) == 100


def test_decimation_keeps_the_smallest_and_the_largest_value_of_every_block():
    series = filled(10_000)
    values = series.values()
    _, kept = extremes(series.steps, values, (0, 10_000), 200)
    size = bin_size(10_000, 200)
    for start in range(0, 10_000, size):
        block = values[start : start + size]
        assert block.min() in kept
        assert block.max() in kept


def test_decimation_of_any_span_keeps_its_order_and_its_extremes():
    series = filled(5_003)
    values = series.values()
    for start, stop in ((0, 5_003), (17, 4_999), (1_001, 5_003)):
        x, y = extremes(series.steps, values, (start, stop), 100)
        assert np.all(np.diff(x) > 0)
        assert y.max() >= values[start:stop].max()
        assert y.min() <= values[start:stop].min()
        assert x[-1] == stop
        assert len(x) <= 2 * 100 + 5


def test_blocks_stand_still_while_a_run_grows():
    series = filled(10_000)
    early, _ = extremes(series.steps, series.values(), (0, 9_000), 100)
    late, _ = extremes(series.steps, series.values(), (0, 9_900), 100)
    assert list(early[:100]) == list(late[:100])


def test_bins_enclose_every_value():
    series = filled(2_000)
    found = binned(series, 0, (0, 2_000), 100)
    assert len(found.x) <= 101
    assert found.low.min() == series.values().min()
    assert found.high.max() == series.values().max()
    assert np.all((found.low <= found.mean) & (found.mean <= found.high))


def test_means_of_a_straight_line_lie_on_it():
    series = Series(1)
    for index in range(1, 10_001):
        series.append(index, 2.0 * index)
    for bins in (3, 30, 300, 10_000):
        found = binned(series, 0, (0, 10_000), bins)
        assert np.allclose(found.mean, 2 * found.x)


@pytest.mark.parametrize("span", [(0, 9_999), (BLOCK - 1, 9_000), (8_000, 9_999), (130, 140)])
@pytest.mark.parametrize("bins", [1, 7, 20, 100])
def test_bins_made_of_blocks_are_those_of_the_points(span: tuple[int, int], bins: int):
    """Kept blocks are a short cut: the points themselves give the same bins."""
    series = Series(2)
    luck = np.random.default_rng(1)
    steps = np.cumsum(luck.integers(1, 9, 9_999))
    columns = luck.normal(size=(2, 9_999)).astype(np.float32)
    for part in np.array_split(np.arange(9_000), 13):  # grown by many, then one by one
        series.extend(steps[part], *columns[:, part])
    for index in range(9_000, 9_999):
        series.append(int(steps[index]), *columns[:, index])
    start, stop = span
    size = bin_size(stop - start, bins)
    edges = range(start // size * size, stop, size)
    parts = [slice(edge, min(edge + size, stop)) for edge in edges]
    found = binned(series, 1, span, bins)
    assert np.allclose(found.x, [steps[part].mean() for part in parts])
    assert np.allclose(found.mean, [columns[1, part].mean() for part in parts], atol=1e-6)
    assert list(found.low) == [columns[1, part].min() for part in parts]
    assert list(found.high) == [columns[1, part].max() for part in parts]


def test_an_empty_series_gives_empty_curves():
    series = Series(1)
    assert all(len(part) == 0 for part in binned(series, 0, (0, 0), 10))
    assert all(len(part) == 0 for part in extremes(series.steps, series.values(), (0, 0), 10))


def test_a_span_reaches_one_neighbour_beyond_either_end():
    series = filled(100)
    start, stop = series.span(10, 20)
    assert (series.steps[start], series.steps[stop - 1]) == (9, 21)
    assert series.span(9.4, 20.6) == (start, stop)
    assert series.span(-1e12, 1e12) == (0, 100)


def test_heat_bins_keep_the_largest_change():
    heat = HeatBins(2, capacity=8)
    for step in range(1, 1_001):
        heat.add(step, (9.0 if step == 437 else 1.0, 0.5))
    assert heat.table[:, 0].max() == 9.0
    column = (437 - heat.first_step) // heat.width
    assert heat.table[column, 0] == 9.0
    assert np.count_nonzero(heat.table[:, 0] == 9.0) == 1


def test_heat_bins_stay_few_however_long_the_run():
    heat = HeatBins(3)
    for step in range(1, 20_001):
        heat.add(step, (1.0, 2.0, 3.0))
        assert heat.count <= 400
    assert heat.count * heat.width >= 20_000
    assert np.all(heat.table == np.array([1.0, 2.0, 3.0], np.float32))


def test_a_change_that_is_not_finite_counts_as_none():
    heat = HeatBins(2)
    heat.add(1, (float("nan"), 1.0))
    heat.add(2, (float("inf"), 1.0))
    assert np.array_equal(heat.table, [[0, 1], [0, 1]])
