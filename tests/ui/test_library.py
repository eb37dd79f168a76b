import shlex
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from itertools import repeat
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication
from pytestqt.modeltest import ModelTester
from pytestqt.qtbot import QtBot

from app.application import Nestling
from app.library.reading.run_store import export_checkpoint_in_steps
from app.ui.run.run_export import LONGEST_NAME, shortened
from app.ui.runs.runs_columns import DRAGGED
from app.ui.runs.runs_view import RunsView
from app.ui.state.live_run import LiveRun
from app.ui.state.run_queue import RunQueue
from app.ui.state.run_state import Phase
from app.ui.state.window_pages import Place
from app.ui.system.stored_preferences import Preferences
from app.ui.tables.runs_model import NAME_COLUMN, STATE_COLUMN, TIERS_COLUMN, RunsModel
from app.workers.background_thread import BackgroundThread
from app.workers.tasks.library import unused_path
from tests.ui.conftest import make_runs_view
from tests.ui.run_summaries import NOON, summary


@pytest.mark.parametrize(
    ("method", "periods", "text"),
    [
        ("Learn and keep", (1,), "Learn and keep"),
        ("Just learn", (1,), "Just learn"),
        ("By tiers", (1, 2, 4), "Tiers 1 · 2 · 4"),
        ("Custom", (1,), "Custom"),
        ("Custom", (1, 3), "Custom, tiers 1 · 3"),
        ("", (1, 2), "Tiers 1 · 2"),
        ("", (), "–"),
    ],
)
def test_a_run_says_how_it_learns(method: str, periods: tuple[int, ...], text: str) -> None:
    model = RunsModel()
    model.show_runs([summary("one", method=method, periods=periods)])
    assert model.data(model.index(0, TIERS_COLUMN)) == text


@pytest.fixture
def page(runs_view: RunsView) -> RunsView:
    return runs_view


def test_a_run_is_shown_in_words(qtmodeltester: ModelTester) -> None:
    model = RunsModel()
    model.show_runs([summary("one"), summary("two", best_val_loss=None, created=None)])
    qtmodeltester.check(model)
    cells = [model.data(model.index(0, column)) for column in range(model.columnCount())]
    assert cells[:7] == [
        "one",
        "Qwen3-0.6B",
        "letters",
        "Tiers 1 · 2 · 4",
        "300",
        "1.250",
        "94 → 90 %",
    ]
    assert (cells[8], cells[-1]) == ("52 KB", "Finished")
    assert model.data(model.index(1, 5)) == model.data(model.index(1, 7)) == "–"


def test_runs_sort_by_value_and_not_by_text() -> None:
    model = RunsModel()
    model.show_runs([summary("a", steps=1000), summary("b", steps=300)])
    model.sort(4, Qt.SortOrder.AscendingOrder)
    assert [model.at(row).steps for row in range(2)] == [300, 1000]


def test_the_newest_run_is_selected_first_and_a_selection_stays(page: RunsView) -> None:
    old = summary("old", created=NOON - timedelta(days=1))
    page.show_runs([summary("new"), old])
    assert page.selection.run() == summary("new")
    page.selection.select(old.run_dir)
    page.show_runs([summary("newest", created=NOON + timedelta(days=1)), summary("new"), old])
    assert page.selection.run() == old


def test_a_run_without_a_checkpoint_can_not_be_exported(page: RunsView) -> None:
    page.show_runs([summary("bare", adapter_dir=None)])
    assert page.buttons.reveal.isEnabled()
    assert not page.buttons.export.isEnabled()
    assert "no checkpoint" in page.buttons.export.toolTip()


def test_columns_are_sorted_by_a_click_on_their_heading(page: RunsView) -> None:
    page.show_runs([summary("a", steps=1000), summary("b", steps=300)])
    page.table.sortByColumn(4, Qt.SortOrder.AscendingOrder)
    assert page.runs.at(0).name == "b"


def test_an_empty_library_offers_the_sample_data(nestling: Nestling, qtbot: QtBot) -> None:
    nestling.window.show_place(Place.RUNS)
    assert nestling.runs.list.sample.isVisible()
    nestling.runs.list.sample.click()
    assert nestling.window.place is Place.NEW_RUN
    qtbot.waitUntil(nestling.actions.start.isEnabled)
    assert nestling.new_run.header.name.text() == "demo"


def test_a_checkpoint_is_exported_whole_and_never_over_another(
    nestling: Nestling, chat_file: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    nestling.commands.open_path(chat_file)
    qtbot.waitUntil(lambda: nestling.actions.start.isEnabled())
    nestling.state.change_config(steps=2)
    nestling.actions.start.trigger()
    qtbot.waitUntil(lambda: nestling.state.phase is Phase.FINISHED)
    finished = nestling.state.finished
    assert finished is not None
    assert finished.adapter_dir is not None
    for name in ("my-chats-adapter", "my-chats-adapter-2"):
        nestling.export.export_into(tmp_path, finished.adapter_dir, "my chats")
        exported = tmp_path / name / "adapters.safetensors"
        qtbot.waitUntil(exported.is_file)
    qtbot.waitUntil(lambda: "my-chats-adapter-2" in nestling.window.notice.text.text())
    notice = nestling.window.notice
    assert notice.text.text() == (
        f"Exported to {tmp_path / 'my-chats-adapter-2'}. This adapter works only with its "
        "base model. LM Studio and Ollama need a single fused model. Copy the command that creates "
        "it."
    )
    assert notice.further.text() == "Copy Command"
    notice.further.click()
    assert shlex.split(QGuiApplication.clipboard().text()) == [
        "mlx_lm.fuse", "--model", str(nestling.state.config.model),
        "--adapter-path", str(tmp_path / "my-chats-adapter-2"),
        "--save-path", str(tmp_path / "my-chats-fused-2"),
    ]  # fmt: skip
    assert notice.text.text().startswith("Copied. Run the command in a terminal")
    assert notice.further.isHidden()
    assert notice.action.isVisible()


def test_an_export_says_how_far_it_is_and_can_be_cancelled_there(
    nestling: Nestling, tmp_path: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rest_in_the_middle(*places: Path) -> Iterator[float]:
        """Until it is closed."""
        with closing(export_checkpoint_in_steps(*places)) as copy:
            yield from repeat(next(copy))

    monkeypatch.setattr("app.workers.tasks.library.export_checkpoint_in_steps", rest_in_the_middle)
    monkeypatch.setattr("app.workers.background_thread.SECONDS_BETWEEN_SHARES", 0.01)
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    for name in ("adapters.safetensors", "adapter_config.json"):
        (adapter / name).write_text("{}")
    nestling.export.export_into(tmp_path / "out", adapter, "cats")
    notice = nestling.window.notice
    qtbot.waitUntil(lambda: f"Exporting into {tmp_path / 'out'}: " in notice.text.text())
    assert notice.action.text() == "Cancel"
    notice.action.click()
    qtbot.waitUntil(lambda: "Export canceled." in notice.text.text())
    assert not (tmp_path / "out").exists()


def test_a_name_with_a_slash_is_no_folder(tmp_path: Path) -> None:
    assert unused_path(tmp_path, "a/b") == tmp_path / "a-b"


@pytest.mark.parametrize(
    ("outcome", "text"), [("interrupted", "Interrupted"), ("running", "Running elsewhere")]
)
def test_a_run_that_is_not_ours_is_not_called_running(outcome: str, text: str) -> None:
    model = RunsModel()
    model.show_runs([summary("one", outcome=outcome)])
    state = model.index(0, STATE_COLUMN)
    assert model.data(state) == text
    assert model.data(state, Qt.ItemDataRole.ForegroundRole).isValid()  # type: ignore[attr-defined]


def test_the_run_in_progress_is_listed_as_it_stands(
    nestling: Nestling, chat_file: Path, qtbot: QtBot
) -> None:
    nestling.commands.open_path(chat_file)
    qtbot.waitUntil(nestling.actions.start.isEnabled)
    nestling.state.change_config(steps=100_000, steps_per_eval=1000, steps_per_save=1000)
    nestling.window.show_place(Place.RUNS)
    nestling.actions.start.trigger()
    nestling.runs.show_list()
    runs = nestling.runs.list.runs

    def cell_text(column: int) -> str:
        return str(runs.data(runs.index(0, column))) if runs.rowCount() else ""

    qtbot.waitUntil(lambda: cell_text(STATE_COLUMN).startswith("Running · "))
    qtbot.waitUntil(lambda: cell_text(5) != "–")
    nestling.actions.pause.trigger()
    assert cell_text(STATE_COLUMN).startswith("Pausing… · ")
    qtbot.waitUntil(lambda: cell_text(STATE_COLUMN).startswith("Paused · "))
    assert nestling.window.windowTitle().endswith(" % – Nestling")
    nestling.runs.list.refresh_requested.emit()
    qtbot.waitUntil(lambda: not nestling.background.is_busy)
    assert cell_text(STATE_COLUMN).startswith("Paused · ")
    nestling.actions.stop.trigger()
    qtbot.waitUntil(lambda: cell_text(STATE_COLUMN) == "Stopped")
    assert nestling.window.windowTitle() == "Nestling"


def test_a_resumed_run_keeps_its_best_until_there_is_a_better_one() -> None:
    run = summary("one", outcome="running", best_val_loss=1.25)
    begun = LiveRun(run.run_dir, 310, None, "live").over(run)
    assert (begun.steps, begun.best_val_loss, begun.outcome) == (310, 1.25, "live")
    assert LiveRun(run.run_dir, 320, 1.125, "live").over(run).best_val_loss == 1.125
    assert LiveRun(run.run_dir, None, None, "live").over(run).steps == run.steps


@pytest.mark.parametrize("name", ["a" * 300, "語" * 300, "🐣" * 300])
def test_a_very_long_name_is_cut(name: str, tmp_path: Path) -> None:
    assert len(shortened(name)) <= LONGEST_NAME
    unused_path(tmp_path, f"{shortened(name)}-adapter").mkdir()
    assert unused_path(tmp_path, f"{shortened(name)}-adapter").name.endswith("-adapter-2")


def test_a_run_with_a_very_long_name_is_exported(
    nestling: Nestling, tmp_path: Path, qtbot: QtBot
) -> None:
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    for name in ("adapters.safetensors", "adapter_config.json"):
        (adapter / name).write_text("{}")
    nestling.export.export_into(tmp_path, adapter, "x" * 300)
    notice = nestling.window.notice
    qtbot.waitUntil(lambda: notice.isVisible() and notice.text.text().startswith("Exported to"))
    nestling.export.export_into(Path("/" + "y" * 300), adapter, "x")
    qtbot.waitUntil(lambda: "too long" in nestling.window.notice.text.text())


def test_a_run_with_a_problem_is_marked_in_its_row(qapp: QApplication) -> None:
    model = RunsModel()
    model.show_runs([summary("a"), summary("b", problem="Its measurements can't be read.")])
    marks = {
        model.at(row).name: model.data(model.index(row, 0), Qt.ItemDataRole.DecorationRole)
        for row in range(2)
    }
    assert marks["a"] is None
    assert not marks["b"].isNull()  # type: ignore[attr-defined]


def test_values_of_any_length_stretch_no_row(page: RunsView) -> None:
    page.show_runs([summary("x" * 100_000, model="m" * 100_000, outcome="o" * 100_000)])
    for column in range(page.runs.columnCount()):
        assert len(page.runs.data(page.runs.index(0, column))) <= 200
    assert page.minimumSizeHint().width() < 900


def seen(page: RunsView) -> list[str]:
    """The titles of the columns that are shown."""
    columns = range(page.runs.columnCount())
    return [page.runs.columns[c].title for c in columns if not page.table.isColumnHidden(c)]


def test_a_narrow_list_hides_the_least_distinctive_columns(page: RunsView, qtbot: QtBot) -> None:
    page.show_runs([summary("a"), summary("b")])
    page.show()
    hidden = []
    for width in (1400, 1000, 900, 800, 700):
        page.resize(width, 600)
        page.columns.measure()
        hidden.append({column.title for column in page.runs.columns} - set(seen(page)))
        assert "Dataset" in seen(page)
        assert page.table.columnWidth(0) >= 150
        qtbot.waitUntil(lambda: page.table.horizontalScrollBar().maximum() == 0)
    assert hidden[0] == set()
    assert hidden == sorted(hidden, key=len)


def test_a_list_filled_before_it_is_seen_has_all_columns_it_has_room_for(
    page: RunsView, qtbot: QtBot
) -> None:
    page.show_runs([summary("a"), summary("b")])
    assert len(seen(page)) < page.runs.columnCount()
    page.resize(1400, 600)
    page.show()
    qtbot.waitUntil(lambda: len(seen(page)) == page.runs.columnCount())


def test_columns_are_sized_by_the_first_rows_and_no_cell_is_read_twice(
    page: RunsView, monkeypatch: pytest.MonkeyPatch
) -> None:
    page.resize(1400, 600)
    page.show()
    asked = 0
    data = RunsModel.data

    def counted(model: RunsModel, *place: Any) -> Any:
        nonlocal asked
        asked += 1
        return data(model, *place)

    monkeypatch.setattr(RunsModel, "data", counted)
    page.show_runs([summary(f"{n:03}", outcome="stopped" if n else "n" * 24) for n in range(300)])
    assert asked < 300
    column, metrics = STATE_COLUMN, page.table.fontMetrics()
    narrow = page.table.columnWidth(column)
    page.table.sortByColumn(column, Qt.SortOrder.AscendingOrder)
    assert page.table.columnWidth(column) > max(narrow, metrics.horizontalAdvance("N" + "n" * 23))


def test_columns_are_as_wide_as_qt_itself_would_make_them(page: RunsView) -> None:
    page.resize(1400, 600)
    page.show()
    states = ("finished", "stopped", "failed", "interrupted", "unreadable", "running")
    for state in states:
        page.show_runs([summary("a", outcome=state, steps=12_345, size_bytes=10**9)])
        for column in range(page.runs.columnCount()):
            if column not in (NAME_COLUMN, *DRAGGED) and not page.table.isColumnHidden(column):
                needed = page.table.sizeHintForColumn(column)
                heading = page.table.horizontalHeader().sectionSizeHint(column)
                assert page.table.columnWidth(column) == max(needed, heading)


def test_columns_that_were_chosen_stay_at_any_width_and_are_remembered(
    page: RunsView, queue: RunQueue, qapp: QApplication, qtbot: QtBot, tmp_path: Path
) -> None:
    page.show_runs([summary("a")])
    page.resize(700, 500)
    page.show()
    page.columns.choose(None)
    fitting = seen(page)
    menu = page.columns.menu()
    actions = {action.text(): action for action in menu.actions()}
    assert actions["As Many as Fit"].isChecked()
    assert not actions["Size"].isChecked()
    actions["Size"].trigger()
    actions["Retention"].trigger()
    assert {"Size", "Dataset"} <= set(seen(page))
    qtbot.waitUntil(lambda: page.table.horizontalScrollBar().maximum() > 0)
    assert page.table.columnWidth(0) == 150
    qtbot.waitUntil(
        lambda: (
            "Size"
            in Preferences(tmp_path / "s.ini", BackgroundThread(qapp)).text("library/columns")
        )
    )
    again = make_runs_view(queue, tmp_path, qapp, qtbot)
    again.show_runs([summary("a")])
    again.resize(700, 500)
    again.show()
    assert seen(again) == seen(page)
    {action.text(): action for action in page.columns.menu().actions()}["As Many as Fit"].trigger()
    assert seen(page) == fitting
