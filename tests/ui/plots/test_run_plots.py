import subprocess
import sys

import pytest
from PySide6.QtCore import QCoreApplication, QEvent, QPointF, Qt
from PySide6.QtGui import QMouseEvent

from app.core.events import EvaluationFinished
from app.ui.look.theme import DARK
from app.ui.plots.run_plots import MAX_MS, MIN_MS, RedrawRate, RunPlots
from app.ui.plots.run_series import RunSeries

pytestmark = pytest.mark.qt_log_ignore("does not support propagateSizeHints")


@pytest.fixture
def plots(qtbot):
    widget = RunPlots()
    qtbot.addWidget(widget)
    widget.resize(900, 700)
    return widget


def add(plots, event):
    if isinstance(event, EvaluationFinished):
        plots.series.add_evaluation(event)
    else:
        plots.series.add_step(event)
    plots.note_news()


def drawn_losses(plots):
    return len(plots.loss.raw.getData()[0])


UNMEASURED = [True, False, False, False, False]
"""Of a run that has steps and did not measure forgetting."""


def is_empty(plots):
    return [card.stack.currentIndex() == 0 for card in plots.cards]


def test_importing_the_package_does_not_import_pyqtgraph():
    code = "import sys, app.ui.plots; sys.exit('pyqtgraph' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_before_a_run_every_plot_is_calm(plots, started):
    assert is_empty(plots) == [True] * 5
    plots.show_series(RunSeries(started()))
    assert is_empty(plots) == [True] * 5


def test_steps_show_with_the_next_redraw(plots, qtbot, started, step):
    plots.show()
    plots.show_series(RunSeries(started()))
    for number in range(1, 31):
        add(plots, step(number))
    add(plots, EvaluationFinished(30, 1.5, True))
    qtbot.waitUntil(lambda: is_empty(plots) == UNMEASURED)
    assert drawn_losses(plots) == 30
    assert len(plots.loss.validation_points.getData()[0]) == 1


def test_many_steps_are_one_redraw(plots, monkeypatch, started, step):
    plots.show()
    plots.show_series(RunSeries(started()))
    add(plots, step(1))
    plots.redraw_now()
    redraws = []
    monkeypatch.setattr(plots.loss, "redraw", lambda: redraws.append(1))
    for number in range(2, 101):
        add(plots, step(number))
    assert redraws == []
    assert plots._timer.isActive()
    plots.redraw_now()
    assert redraws == [1]
    assert not plots._timer.isActive()


def test_redraw_happens_only_while_visible(plots, qtbot, started, step):
    plots.show_series(RunSeries(started()))
    add(plots, step(1))
    assert not plots._timer.isActive()
    plots.show()
    qtbot.waitUntil(lambda: is_empty(plots) == UNMEASURED)
    add(plots, step(2))
    plots.hide()
    assert not plots._timer.isActive()


def test_without_news_nothing_is_redrawn(plots, started):
    plots.show_series(RunSeries(started()))
    plots.show()
    assert not plots._timer.isActive()


def test_the_latest_steps_are_followed_in_all_plots_until_the_run_is_over(plots, started, step):
    plots.resize(1200, 900)
    plots.show_series(RunSeries(started()))
    for number in range(1, 301):
        add(plots, step(number))
    plots.redraw_now()
    plots.parts.live_choice.group.button(0).click()
    assert step_ranges(plots) == {(188.5, 304.5)}
    assert zoom_texts(plots) == {"Latest 116 steps · Show All"}
    plots.finish()
    plots.redraw_now()
    ((low, high),) = step_ranges(plots)
    assert low <= 0 < 300 <= high
    assert plots.parts.live_choice.group.checkedId() == 1


def step_ranges(plots):
    shown = (plot for plot in plots.plots if plot.has_content(plots.series))
    return {tuple(plot.box.viewRange()[0]) for plot in shown}


def zoom_texts(plots):
    shown = (card for card in plots.cards if card.stack.currentIndex() == 1)
    return {card.zoom.text() for card in shown if not card.zoom.isHidden()}


def test_all_plots_show_the_same_steps_from_the_same_left_edge(plots, started, step):
    plots.show_series(RunSeries(started()))
    for number in range(1, 14):
        add(plots, step(number))
    plots.redraw_now()
    assert len(step_ranges(plots)) == 1
    assert len({plot.left.width() for plot in plots.plots}) == 1


def test_pointing_at_one_plot_moves_a_line_over_all_of_them(plots, qtbot, started, step):
    plots.resize(1200, 900)
    plots.show_series(RunSeries(started()))
    for number in range(1, 41):
        add(plots, step(number))
    plots.redraw_now()
    plots.grab()
    plots.loss._follow_pointer(plots.loss.box.mapViewToScene(QPointF(12, 2.0)))
    filled = [plot for plot in plots.plots if plot is not plots.forgetting]
    assert plots.loss.hairline.value() == 12  # at once, the others in turn
    qtbot.waitUntil(lambda: {plot.hairline.value() for plot in filled} == {12})
    readouts = {card.readout.text() for card in plots.cards if not card.readout.isHidden()}
    assert len(readouts) == 4
    assert all(text.startswith("step 12  ·  ") for text in readouts)
    assert "most: layer 3" in plots.heat.readout
    plots.loss._follow_pointer(QPointF(-10, -10))
    qtbot.waitUntil(lambda: not any(plot.hairline.isVisible() for plot in plots.plots))
    assert all(card.readout.isHidden() for card in plots.cards)


def test_the_line_moves_by_keys_and_goes_with_escape(plots, qtbot, started, step):
    plots.show_series(RunSeries(started()))
    for number in range(1, 41):
        add(plots, step(number))
    plots.redraw_now()
    plots.show()
    for key in (Qt.Key.Key_Left, Qt.Key.Key_Left, Qt.Key.Key_PageUp):
        qtbot.keyClick(plots.loss, key)
    qtbot.waitUntil(lambda: plots.raster.step == 29)
    qtbot.keyClick(plots.loss, Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: plots.raster.step is None)
    plots.loss.steps_selected.emit(10, 20)
    qtbot.keyClick(plots.loss, Qt.Key.Key_Escape)
    assert plots.raster.steps.selection is None


def test_a_zoom_says_which_steps_are_shown_and_leads_back(plots, started, step):
    plots.resize(1200, 900)
    plots.show_series(RunSeries(started()))
    for number in range(1, 301):
        add(plots, step(number))
    plots.redraw_now()
    assert zoom_texts(plots) == set()
    plots.loss.steps_selected.emit(119.6, 240.3)
    assert zoom_texts(plots) == {"Steps 120–240 · Show All"}
    plots.cards[3].zoom.click()
    assert zoom_texts(plots) == set()
    assert len(step_ranges(plots)) == 1


def test_a_zoom_of_a_narrow_card_still_leads_back(plots, started, step):
    plots.resize(520, 900)
    plots.show_series(RunSeries(started()))
    for number in range(1, 301):
        add(plots, step(number))
    plots.redraw_now()
    plots.show()
    plots.loss.steps_selected.emit(119.6, 240.3)
    assert "Show All" in {card.zoom.text() for card in plots.cards}
    for card in plots.cards:
        card.grid.activate()
        if card.stack.currentIndex() == 1:
            assert card.zoom.isVisible()
            assert card.zoom.width() >= card.zoom.sizeHint().width()


def test_each_tier_has_a_mark_of_its_own_in_curve_and_legend(plots, started, step):
    plots.show_series(RunSeries(started()))
    marks = [curve.marks.opts["symbol"] for curve in plots.deltas.curves]
    assert len(set(marks)) == len(marks) == 3
    assert [mark for _, mark in plots.parts.tier_legend._entries] == marks


def test_a_plot_says_its_latest_values_to_screen_readers(plots, started, step):
    plots.show_series(RunSeries(started()))
    for number in range(1, 31):
        add(plots, step(number, loss=2.5))
    plots.redraw_now()
    assert plots.loss.accessibleDescription() == (
        "Lower is better. Latest: step 30  ·  loss 2.50  ·  smoothed 2.50"
    )


def test_steps_selected_in_one_plot_are_selected_in_all(plots, started, step):
    plots.show_series(RunSeries(started()))
    for number in range(1, 301):
        add(plots, step(number))
    plots.deltas.steps_selected.emit(100.2, 149.7)
    assert {plot.steps.selection for plot in plots.plots} == {(100.2, 149.7)}
    assert plots.raster.marks.edges[0] == 99.5
    plots.loss.all_steps_requested.emit()
    assert {plot.steps.selection for plot in plots.plots} == {None}


def test_a_new_run_forgets_the_last_one(plots, started, step):
    plots.show_series(RunSeries(started()))
    add(plots, step(1))
    plots.redraw_now()
    plots.show_series(RunSeries(started(periods=(1,))))
    assert is_empty(plots) == [True] * 5
    assert len(plots.deltas.curves) == 1
    add(plots, step(1, periods=(1,)))
    plots.redraw_now()
    assert drawn_losses(plots) == 1


def test_a_run_that_is_cleared_leaves_calm_plots(plots, started, step):
    plots.show_series(RunSeries(started()))
    add(plots, step(1))
    plots.redraw_now()
    plots.show_series(None)
    plots.finish()
    assert is_empty(plots) == [True] * 5


def test_a_reloaded_run_keeps_the_selected_steps(plots, started, step, run_of):
    plots.show_series(run_of(300))
    plots.deltas.steps_selected.emit(100.2, 149.7)
    plots.take_over(run_of(400))
    assert {plot.steps.selection for plot in plots.plots} == {(100.2, 149.7)}
    plots.loss.all_steps_requested.emit()
    assert drawn_losses(plots) == 400
    plots.show_series(run_of(20))
    assert drawn_losses(plots) == 20


def test_slow_plots_are_redrawn_less_often():
    pace = RedrawRate()
    for _ in range(30):
        pace.note(1.0)
    assert pace.wait_ms == MIN_MS
    for _ in range(30):
        pace.note(12.0)
    assert 150 < pace.wait_ms <= MAX_MS
    for _ in range(30):
        pace.note(900.0)
    assert pace.wait_ms == MAX_MS
    for _ in range(60):
        pace.note(1.0)
    assert pace.wait_ms == MIN_MS


def test_another_theme_recolours_every_card(plots):
    plots.set_theme(DARK)
    for card, plot in zip(plots.cards, plots.plots, strict=True):
        assert DARK.surface in card.styleSheet()
        assert plot.backgroundBrush().color().name() == DARK.surface


@pytest.mark.parametrize("size", [(640, 480), (900, 700), (1400, 1000)])
def test_the_plots_fit_every_window(plots, started, step, size):
    plots.show_series(RunSeries(started()))
    add(plots, step(1))
    plots.redraw_now()
    plots.resize(*size)
    plots.show()
    assert (plots.width(), plots.height()) == size
    assert all(plot.height() >= 60 for plot in plots.plots)


def send_mouse(plot, kind, step, *, pressed=True):
    scene_point = plot.box.mapViewToScene(QPointF(step, sum(plot.box.viewRange()[1]) / 2))
    place = QPointF(plot.mapFromScene(scene_point))
    left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
    button = none if kind is QEvent.Type.MouseMove else left
    window_place = QPointF(plot.viewport().mapToGlobal(place))
    buttons = left if pressed else none
    keys = Qt.KeyboardModifier.NoModifier
    event = QMouseEvent(kind, place, window_place, button, buttons, keys)
    QCoreApplication.sendEvent(plot.viewport(), event)


def test_a_drag_selects_steps_and_a_double_click_all_of_them(plots, started, step):
    plots.show_series(RunSeries(started()))
    for number in range(1, 301):
        add(plots, step(number))
    plots.redraw_now()
    plots.show()
    plots.grab()
    send_mouse(plots.loss, QEvent.Type.MouseButtonPress, 50)
    for target in (60, 90, 120, 150):
        send_mouse(plots.loss, QEvent.Type.MouseMove, target)
    send_mouse(plots.loss, QEvent.Type.MouseButtonRelease, 150, pressed=False)
    assert plots.heat.steps.selection == pytest.approx((50, 150), abs=1)
    send_mouse(plots.loss, QEvent.Type.MouseButtonPress, 100)
    send_mouse(plots.loss, QEvent.Type.MouseButtonRelease, 100, pressed=False)
    send_mouse(plots.loss, QEvent.Type.MouseButtonDblClick, 100)
    send_mouse(plots.loss, QEvent.Type.MouseButtonRelease, 100, pressed=False)
    assert plots.heat.steps.selection is None


def test_changes_are_stacked_in_a_narrow_window(plots, started, step):
    plots.show_series(RunSeries(started()))
    add(plots, step(1))
    plots.redraw_now()
    *_, deltas, heat = plots.cards
    plots.resize(400, 900)
    plots.show()
    plots.grid.activate()
    assert heat.y() > deltas.y()
    assert heat.width() == deltas.width() > 350
    plots.resize(900, 900)
    plots.grid.activate()
    assert heat.y() == deltas.y()


def test_plots_are_redrawn_in_turn_and_not_all_at_once(plots, monkeypatch, started, step):
    plots.show_series(RunSeries(started()))
    plots.redraw_now()
    drawn = []
    for plot in plots.plots:
        monkeypatch.setattr(plot, "redraw", lambda plot=plot: drawn.append(plot))
    add(plots, step(1))
    plots._redraw_next()
    add(plots, step(2))
    assert drawn == [plots.forgetting]
    for _ in range(5):
        plots._redraw_next()
    assert drawn == [*plots.plots, plots.forgetting]
