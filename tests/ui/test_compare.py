"""Runs compared: curves along three axes, only what differs, one cursor for both plots."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QScrollArea
from pytestqt.qtbot import QtBot

from app.application import Nestling
from app.core.config.training_config import TierConfig, TrainingConfig
from app.core.events import RetentionMeasured
from app.core.files.paths import runs_dir
from app.library.run.metrics import read_steps
from app.ui.plots.plot_card_controls import SwitchLegend
from app.ui.run.run_description import differing_settings, setting_text
from app.ui.run.run_export import as_svg
from app.ui.runs.compare_view import CompareView
from app.ui.runs.compared_losses import NAME_LENGTH, comparing, distinct_names
from app.ui.state.window_pages import Place

MakeRun = Callable[..., Path]


@pytest.fixture
def view(make_run: MakeRun, tmp_path: Path, qtbot: QtBot) -> CompareView:
    runs = (
        make_run(tmp_path / "one", steps=40, saves=(10, 20, 40), learning_rate=1e-3, name="one"),
        make_run(tmp_path / "two", steps=20, saves=(10, 20), learning_rate=3e-3, name="two"),
    )
    made = CompareView()
    qtbot.addWidget(made)
    made.resize(1000, 700)
    made.show_runs(comparing(runs)())
    made.show()
    return made


def drawn(view: CompareView, plot: int, run: int) -> tuple[list[float], list[float]]:
    x, y = view.plots[plot]._items[run][0].getData()
    return x.tolist(), y.tolist()


def test_only_the_settings_that_differ_are_listed() -> None:
    one = TrainingConfig(data=Path("/d/a.jsonl"), name="one")
    other = TrainingConfig(data=Path("/d/b.jsonl"), name="two", tiers=(TierConfig(1),))
    assert differing_settings([one, other, one]) == [
        ("Dataset", ["a", "b", "a"]),
        ("Tiers", ["1 · 2 · 4", "1", "1 · 2 · 4"]),
    ]  # fmt: skip
    assert differing_settings([one, one]) == []


def test_settings_use_the_form_s_words() -> None:
    texts = {
        "assign": "By layer depth",
        "fastest_first": "Top",
        "lr_schedule": "Cosine",
        "pending": "Skip",
    }
    assert setting_text("depth", "assign") == texts["assign"]
    assert setting_text("lora", "fine_tune_type") == "LoRA"
    assert setting_text("skip", "bad_rows") == "Skip"
    for name in ("fastest_first", "lr_schedule", "pending"):
        assert setting_text(texts[name].lower(), name) == texts[name]
    assert setting_text("depth", "name") == "depth"  # the user's word, not a choice


def test_the_table_says_where_the_runs_differ(view: CompareView) -> None:
    model = view.differences
    rows = [[model.data(model.index(row, column)) for column in range(3)]
            for row in range(model.rowCount())]  # fmt: skip
    assert rows == [
        ["Best validation loss", "1.000", "1.000"],
        ["Steps", "40", "20"],
        ["Learning rate", "0.001", "0.003"],
    ]
    assert [model.headerData(c, view.table.horizontalHeader().orientation()) for c in (1, 2)] == [
        "one", "two",
    ]  # fmt: skip


def test_curves_lie_along_steps_tokens_or_time(view: CompareView) -> None:
    for axis, last in (("step", 40), ("tokens", 9 * 40)):
        view.axis.choose(axis)
        x, y = drawn(view, 0, 0)
        assert x[-1] == last
        assert y[0] == 3.0
    view.axis.choose("time")
    x, _ = drawn(view, 0, 0)
    assert x == sorted(x)
    x, y = drawn(view, 1, 1)
    assert y == [1.0, 2.0]


def test_a_logarithmic_scale_shows_logarithms(view: CompareView) -> None:
    _, plain = drawn(view, 0, 0)
    view.log.click()
    _, logarithms = drawn(view, 0, 0)
    np.testing.assert_allclose(logarithms, np.log10(plain), rtol=1e-5)


def test_one_cursor_goes_over_both_plots(view: CompareView) -> None:
    view.plots[0].pointed.emit(20.0)
    for plot in view.plots:
        assert plot.hairline.isVisible()
        assert plot.hairline.value() == 20
        assert "step 20" in plot.readout.text()
    assert "two: 2.00" in view.plots[1].readout.text()
    view.plots[1].pointed.emit(30.0)
    assert "two: –" in view.plots[0].readout.text()
    view.plots[1].pointed.emit(None)
    assert not view.plots[0].hairline.isVisible()


def test_a_stretch_is_shown_in_both_plots_and_all_again(view: CompareView) -> None:
    view.plots[0].selected.emit((10.0, 20.0))
    for plot in view.plots:
        low, high = plot.box.viewRange()[0]
        assert (round(low), round(high)) == (10, 20)
    view.plots[1].selected.emit(None)
    assert view.plots[0].box.viewRange()[0][1] > 39


def test_an_outlier_is_clipped_unless_it_is_wanted(
    view: CompareView, make_run: MakeRun, tmp_path: Path
) -> None:
    runs = list(view.runs)
    raw = np.array(runs[0].losses.raw)
    raw[30] = 900
    runs[0].losses.raw[:] = raw
    view.show_runs(tuple(runs))
    assert view.plots[0].box.viewRange()[1][1] < 10
    view.clip.click()
    assert view.plots[0].box.viewRange()[1][1] > 900


def test_runs_without_steps_or_settings_can_be_compared_too(
    make_run: MakeRun, tmp_path: Path, qtbot: QtBot
) -> None:
    whole = make_run(tmp_path / "whole")
    bare = make_run(tmp_path / "bare")
    (bare / "metrics.bin").unlink()
    (bare / "run.json").write_text("{")
    view = CompareView()
    qtbot.addWidget(view)
    view.show_runs(comparing([whole, bare, tmp_path / "gone"])())
    view.plots[0].pointed.emit(3.0)
    assert "can't be read" in view._same.text()


def test_two_selected_runs_are_compared_in_the_window(
    build: Callable[..., Nestling], make_run: MakeRun, qtbot: QtBot
) -> None:
    for name in ("a", "b"):
        make_run(runs_dir() / name)
    nestling = build()
    nestling.window.show()
    nestling.window.show_place(Place.RUNS)
    runs = nestling.runs.list
    qtbot.waitUntil(lambda: runs.runs.rowCount() == 2)
    assert not runs.buttons.compare.isEnabled()
    runs.table.selectAll()
    runs.buttons.compare.click()
    page = nestling.runs
    qtbot.waitUntil(lambda: page.views.currentWidget() is page.compared)
    page.compared.back.click()
    assert page.views.currentWidget() is runs


@pytest.mark.parametrize(
    "names",
    [
        ["cats", "dogs"],
        [f"a run with quite a long name, number {number}" for number in range(8)],
        ["k", "k", "a name that is longer than there is room for", "k"],
    ],
)
def test_runs_with_similar_names_get_distinct_labels(names: list[str]) -> None:
    short = distinct_names(names)
    assert len(set(short)) == len(names)
    assert all(len(name) <= NAME_LENGTH + len(" (4)") for name in short)


def test_short_names_that_differ_stand_as_they_are() -> None:
    assert distinct_names(["cats", "dogs"]) == ["cats", "dogs"]


def test_dots_are_shapes_in_an_svg_and_no_pieces_of_a_picture(view: CompareView) -> None:
    assert len(view.plots[1]._items[0][2].points()) == 3
    svg = as_svg(view.picture, "Compared runs")
    shown = [plot for plot in view.plots if plot.has_points]
    assert svg.count(b"<image") == len(shown) == 3  # their backgrounds
    assert all(item._exportOpts is False for items in view.plots[1]._items for item in items)


def test_names_and_figures_of_eight_runs_have_room_in_a_small_window(
    make_run: MakeRun, tmp_path: Path, qtbot: QtBot
) -> None:
    runs = [make_run(tmp_path / str(n), name=f"a run of a longer name {n}", rank=n, batch_size=n,
                     learning_rate=n / 1e3, weight_decay=n / 10, seed=n, steps=8 + n)
            for n in range(1, 9)]  # fmt: skip
    view = CompareView()
    qtbot.addWidget(view)
    view.resize(840, 540)
    view.show_runs(comparing(runs)())
    view.show()
    assert view._legend is not None
    assert view._legend.sizeHint().width() > view._legend.width()  # so it takes a second line
    assert view._legend.height() >= view._legend.heightForWidth(view._legend.width())
    for plot in view.plots:
        plot.point_at(5.0)
        assert plot.readout.geometry().bottom() <= plot.rect().bottom()


@pytest.mark.parametrize("size", [(960, 660), (760, 520)])
def test_all_plots_of_a_few_runs_are_in_sight_without_scrolling(
    size: tuple[int, int], view: CompareView, qtbot: QtBot
) -> None:
    view.resize(*size)
    (area,) = view.findChildren(QScrollArea)
    qtbot.waitUntil(lambda: area.verticalScrollBar().maximum() == 0)
    assert all(plot.height() > 60 for plot in view.plots)


def test_question_sets_are_compared_by_their_names() -> None:
    one = TrainingConfig(eval_sets=(Path("/d/new_facts.jsonl"), Path("/e/known.jsonl")))
    assert differing_settings([one, TrainingConfig()]) == [
        ("Question sets", ["New facts, Known", "–"])
    ]


def test_the_change_from_the_base_and_the_drift_are_compared_too(
    make_run: MakeRun, tmp_path: Path, qtbot: QtBot
) -> None:
    measured = [
        (RetentionMeasured(0, 0.0, 4), RetentionMeasured(8, 0.5, 4)),
        (RetentionMeasured(0, 0.0, 4), RetentionMeasured(8, 0.1, 4)),
    ]
    runs = [
        make_run(tmp_path / name, name=name, scores=found)
        for name, found in zip("ab", measured, strict=True)
    ]
    made = CompareView()
    qtbot.addWidget(made)
    made.show_runs(comparing(runs)())
    made.resize(1000, 700)
    made.show()
    _, _, from_base, drift = made.plots
    for run, value in enumerate((0.5, 0.1)):
        assert drawn(made, 2, run) == ([0, 8], [0, pytest.approx(value)])
    marks = [from_base._items[run][2].opts["symbol"] for run in (0, 1)]
    assert marks[0] != marks[1]  # distinguishable without their colours
    steps = read_steps(runs[0])
    expected = np.sqrt((steps.rows["drifts"].astype(float) ** 2).sum(axis=1))
    assert np.allclose(drawn(made, 3, 0)[1], expected)
    made.plots[0].pointed.emit(8.0)
    assert "a: 0.500 at 8" in from_base.readout.text()
    assert drift.readout.isVisible()


def test_without_measurements_a_text_replaces_the_plot(view: CompareView) -> None:
    assert view._cards[2].stack.currentIndex() == 0
    assert view._cards[2].empty.text() == "Not measured in these runs."
    assert [card.stack.currentIndex() for card in view._cards[:2]] == [1, 1]


def test_a_run_is_hidden_and_shown_in_the_legend_by_mouse_and_keyboard(
    view: CompareView, qtbot: QtBot
) -> None:
    legend = view._legend
    assert isinstance(legend, SwitchLegend)
    before = drawn(view, 0, 1)
    assert len(before[0]) == 20
    qtbot.mouseClick(legend, Qt.MouseButton.LeftButton, pos=legend._place(1).center().toPoint())
    assert [drawn(view, plot, 1)[0] for plot in range(len(view.plots))] == [[]] * len(view.plots)
    assert len(drawn(view, 0, 0)[0]) == 40
    assert legend.accessibleDescription() == "Hidden: two"
    view.plots[0].point_at(10.0)
    assert "two" not in view.plots[0].readout.text()
    qtbot.keyClick(legend, Qt.Key.Key_Space)  # the one that was clicked last
    assert drawn(view, 0, 1) == before
    assert legend.accessibleDescription() == ""
    qtbot.keyClick(legend, Qt.Key.Key_Left)
    qtbot.keyClick(legend, Qt.Key.Key_Space)
    assert drawn(view, 0, 0)[0] == []
    legend.toggle(1)  # the last one stays
    assert drawn(view, 0, 1) == before
    assert legend.hidden == {0}
