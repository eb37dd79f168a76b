"""The forgetting meter's curve and the clocks' rows, along a run and of one that is read."""

import math
from dataclasses import replace
from typing import Any

import pytest
from pytestqt.qtbot import QtBot

from app.core.events import ClockFacts, RetentionMeasured
from app.library.run.step_table import StepTable, decode, encode, record_type
from app.ui.plots.forgetting_plot import NOT_MEASURED
from app.ui.plots.run_plots import RunPlots
from app.ui.plots.run_series import RunSeries
from app.ui.plots.tier_raster import row_labels

pytestmark = pytest.mark.qt_log_ignore("does not support propagateSizeHints")
CLOCKS = ClockFacts(slow_every=4, slow_weight=4.0, slow_texts=128, lasting_pull=200.0)


@pytest.fixture
def with_clocks(started: Any, step: Any) -> RunSeries:
    """A run of eight steps whose slow clock taught twice, and whose second step was pulled."""
    series = RunSeries(replace(started(), clocks=CLOCKS))
    for event in steps(step):
        series.add_step(event)
    return series


def steps(step: Any) -> list[Any]:
    found = []
    for number in range(1, 9):
        kl = 0.01 * number if number % 4 == 0 else math.nan
        pulls = (0.3, 0.4, 0.0) if number == 2 else (0.0, 0.0, 0.0)
        found.append(replace(step(number), base_kl=kl, pulls=pulls))
    return found


def table_of(events: list[Any]) -> StepTable:
    kind = record_type(3, 4, has_clocks=True)
    return decode(b"".join(encode(kind, event, 0.0) for event in events), kind)


def test_a_measurement_is_a_point_and_the_latest_is_in_words(
    qtbot: QtBot, with_clocks: RunSeries
) -> None:
    plots = RunPlots()
    qtbot.addWidget(plots)
    with_clocks.add_retention(RetentionMeasured(0, 0.0, 8))
    with_clocks.add_retention(RetentionMeasured(4, 0.25, 8))
    plots.show_series(with_clocks)
    card = plots.cards[0]
    assert card.stack.currentIndex() == 1
    assert list(plots.forgetting.points.getData()[1]) == [0.0, 0.25]
    assert card.subtitle.text() == "KL divergence, everyday text"
    legend = plots.parts.forgetting_legend.accessibleName()
    assert legend == "Legend: Lessons, On 8 texts", "the result at the end is of others"
    assert plots.forgetting.accessibleName() == "Change from base"
    assert plots.forgetting.accessibleDescription() == (
        "KL divergence from the base model on everyday text: 0.250 at step 4, on 8 texts. "
        "Latest: step 8  ·  change 0.250 at 4  ·  lesson 0.0800 at 8"
    )
    with_clocks.add_retention(RetentionMeasured(8, 0.5, 32, is_last=True))
    plots.redraw_now()
    assert list(plots.forgetting.points.getData()[1]) == [0.0, 0.25]  # other texts: no point
    assert "0.250 at step 4" in card.accessibleDescription()  # as the curve ends
    assert "change 0.250 at 4" in plots.forgetting._describe(with_clocks, 5, 0.0)


def test_a_run_that_did_not_measure_says_so(qtbot: QtBot, with_clocks: RunSeries) -> None:
    plots = RunPlots()
    qtbot.addWidget(plots)
    assert plots.cards[0].empty.text() != NOT_MEASURED
    plots.show_series(with_clocks)
    assert plots.cards[0].stack.currentIndex() == 0
    assert plots.cards[0].empty.text() == NOT_MEASURED


def test_forgetting_comes_first_where_it_was_measured_and_the_loss_where_it_was_not(
    qtbot: QtBot, with_clocks: RunSeries, run_of: Any
) -> None:
    plots = RunPlots()
    qtbot.addWidget(plots)
    forgetting, loss = plots.cards[:2]
    plots.show_series(run_of(8))
    assert plots.grid.getItemPosition(plots.grid.indexOf(loss))[:2] == (0, 0)
    assert plots.grid.getItemPosition(plots.grid.indexOf(forgetting))[:2] == (0, 1)
    with_clocks.add_retention(RetentionMeasured(0, 0.0, 8))
    plots.show_series(with_clocks)
    assert plots.grid.getItemPosition(plots.grid.indexOf(forgetting))[:2] == (0, 0)


def test_a_step_that_is_measured_again_is_one_point(with_clocks: RunSeries) -> None:
    for _ in range(2):
        with_clocks.add_retention(RetentionMeasured(4, 0.25, 8))
    with_clocks.add_retention(RetentionMeasured(8, math.nan, 8))
    assert list(with_clocks.retention.steps) == [4]


def test_each_clock_is_a_row_below_the_tiers(qtbot: QtBot, with_clocks: RunSeries) -> None:
    plots = RunPlots()
    qtbot.addWidget(plots)
    plots.resize(900, 700)
    plots.show_series(with_clocks)
    labels = row_labels(with_clocks)
    assert labels[3:] == [("Slow", "every 4 steps"), ("Lasting", "every step")]
    marked = [[i + 1 for i, share in enumerate(row[1]) if share] for row in plots.raster.marks.rows]
    assert marked[3:] == [[4, 8], [2]]
    assert "lesson: change from base 0.0800" in plots.raster._describe(with_clocks, 8, 0.0)
    assert "pulled back by 0.500" in plots.raster._describe(with_clocks, 2, 0.0)


def test_pulls_are_drawn_beside_the_changes_and_not_beside_the_drift(
    qtbot: QtBot, with_clocks: RunSeries
) -> None:
    plots = RunPlots()
    qtbot.addWidget(plots)
    plots.show_series(with_clocks)
    pull = plots.deltas.pull
    assert pull is not None
    assert list(pull.line.getData()[1]) == pytest.approx([0.5])
    plots.parts._choose_measure(2)
    assert list(pull.line.getData()[1]) == []


def test_clocks_that_are_read_are_those_that_were_recorded(
    started: Any, step: Any, with_clocks: RunSeries
) -> None:
    read = RunSeries(replace(started(), clocks=CLOCKS))
    read.add_table(table_of(steps(step)))
    for name in ("lessons", "pulls"):
        live, opened = getattr(with_clocks, name), getattr(read, name)
        assert list(opened.steps) == list(live.steps)
        assert list(opened.values()) == pytest.approx(list(live.values()))


def test_a_run_without_clocks_has_its_tiers_alone(qtbot: QtBot, run_of: Any) -> None:
    plots = RunPlots()
    qtbot.addWidget(plots)
    run = run_of(20)
    plots.show_series(run)
    assert len(row_labels(run)) == len(plots.raster.marks.rows) == 3
    assert plots.deltas.pull is None
    assert plots.raster._describe(run, 1, 0.0) == "step 1  ·  moved: tier 0"
