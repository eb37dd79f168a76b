"""Find, Open, Copy, Delete and the context menu of every place, by keys and clicks."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, Qt, QTimer
from PySide6.QtGui import QGuiApplication, QTextCursor
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QDialog, QMenu, QWidget
from pytestqt.qtbot import QtBot

from app.application import Nestling
from app.core.config.training_config import MixedDataset
from app.core.events import ScoreMeasured, WrongAnswer
from app.core.files.paths import runs_dir
from app.ui.run.run_view import LOG, NOTES, QUESTIONS
from app.ui.state.window_pages import Place
from app.ui.tables.row_table import RowTable
from app.ui.widgets.find_bar import FindBar
from tests.conftest import write_chats
from tests.models.made_models import write_model
from tests.ui.row_texts import row_text

pytestmark = pytest.mark.qt_log_ignore("grabbing the keyboard", extend=True)
MakeRun = Callable[..., Path]
CONTROL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
CHECKPOINTS = 2
A_LONG_ANSWER = "An answer that goes on " + "and on " * 60 + "to its end."
one_trash = pytest.mark.skipif(sys.platform == "darwin", reason="macOS has one trash for all")


@pytest.fixture(autouse=True)
def own_trash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trash = tmp_path / "data"
    trash.mkdir()
    monkeypatch.setenv("XDG_DATA_HOME", str(trash))


def activate(nestling: Nestling, qtbot: QtBot) -> None:
    with qtbot.waitActive(nestling.window):
        nestling.window.activateWindow()


def show_runs(nestling: Nestling, count: int, qtbot: QtBot) -> None:
    nestling.window.show_place(Place.RUNS)
    nestling.library_commands.refresh()
    qtbot.waitUntil(lambda: nestling.runs.list.runs.rowCount() == count)
    activate(nestling, qtbot)


def open_run(nestling: Nestling, run_dir: Path, part: int, qtbot: QtBot) -> None:
    nestling.window.show_place(Place.RUNS)
    nestling.library_commands.open_run(run_dir)
    qtbot.waitUntil(lambda: nestling.runs.opened_run_dir == run_dir)
    nestling.runs.opened.show_part(part)
    activate(nestling, qtbot)


def focused(widget: QWidget, qtbot: QtBot) -> QWidget:
    widget.setFocus()
    qtbot.waitUntil(widget.hasFocus)
    return widget


def greyed(nestling: Nestling, qtbot: QtBot) -> dict[str, bool]:
    """Whether each item of the Edit menu is off while it is open."""
    menu = nestling.menus.edit
    menu.popup(nestling.window.mapToGlobal(QPoint(0, 0)))
    off = {verb: not action.isEnabled() for verb, action in nestling.menus.edits.items()}
    menu.close()
    activate(nestling, qtbot)  # without a window manager the closed menu stays the active window
    return off


def context_menu(part: QWidget, at: QPoint) -> QMenu:
    """That opens under a right click."""
    window = part.window()
    QTest.mouseClick(window.windowHandle(), Qt.MouseButton.RightButton,
                     Qt.KeyboardModifier.NoModifier, part.mapTo(window, at))  # fmt: skip
    menu = QApplication.activePopupWidget()
    assert isinstance(menu, QMenu)
    return menu


def row_menu(table: RowTable, row: int) -> QMenu:
    return context_menu(table.viewport(), table.visualRect(table.model().index(row, 0)).center())


def offered(menu: QMenu) -> dict[str, bool]:
    return {action.text(): action.isEnabled() for action in menu.actions() if action.text()}


def choose(menu: QMenu, text: str, qtbot: QtBot) -> None:
    (action,) = [one for one in menu.actions() if one.text() == text]
    qtbot.mouseClick(menu, Qt.MouseButton.LeftButton, pos=menu.actionGeometry(action).center())


def test_find_searches_the_list_that_is_shown(
    make_run: MakeRun, nestling: Nestling, tmp_path: Path, qtbot: QtBot
) -> None:
    make_run(runs_dir() / "a")
    show_runs(nestling, 1, qtbot)
    nestling.models_commands.add_folders((write_model(tmp_path / "it", num_hidden_layers=1),))
    qtbot.waitUntil(lambda: nestling.models.list.models.rowCount() > 0)
    for place, search in (
        (Place.RUNS, nestling.runs.list.header.search),
        (Place.MODELS, nestling.models.search),
    ):
        nestling.window.show_place(place)
        assert not greyed(nestling, qtbot)["find"]
        qtbot.keyClick(nestling.window, Qt.Key.Key_F, CONTROL)
        assert search.hasFocus()
        qtbot.keyClicks(search, "zz")
        qtbot.keyClick(search, Qt.Key.Key_F, CONTROL)
        qtbot.keyClicks(search, "y")
        assert search.text() == "y", "what was searched for is selected"
        qtbot.keyClick(search, Qt.Key.Key_Escape)
        assert search.text() == ""


def found(nestling: Nestling) -> tuple[int, str]:
    """Where the selection begins in the log, and what is selected."""
    cursor = nestling.runs.opened.log.textCursor()
    return cursor.selectionStart(), cursor.selectedText()


def test_find_goes_through_the_log(make_run: MakeRun, nestling: Nestling, qtbot: QtBot) -> None:
    open_run(nestling, make_run(runs_dir() / "a", saves=(2, 4, 8)), LOG, qtbot)
    view = nestling.runs.opened
    bar, log = view.finders[LOG], view.log
    assert not bar.isVisible()
    assert greyed(nestling, qtbot)["findNext"]
    focused(log, qtbot)
    qtbot.keyClick(log, Qt.Key.Key_F, CONTROL)
    assert bar.field.hasFocus()
    qtbot.keyClicks(bar.field, "CHECKPOINT SAVED")
    text = log.toPlainText()
    first = text.index("checkpoint saved")
    second = text.index("checkpoint saved", first + 1)
    last = text.rindex("checkpoint saved")
    assert (found(nestling), bar.count.text()) == ((first, "checkpoint saved"), "1 of 3")
    assert len(log.extraSelections()) == 3
    qtbot.keyClick(bar.field, Qt.Key.Key_Return)
    assert (found(nestling)[0], bar.count.text()) == (second, "2 of 3")
    qtbot.keyClick(bar.field, Qt.Key.Key_Return, SHIFT)
    qtbot.keyClick(bar.field, Qt.Key.Key_Return, SHIFT)
    assert (found(nestling)[0], bar.count.text()) == (last, "3 of 3")
    qtbot.mouseClick(bar.next, Qt.MouseButton.LeftButton)
    assert found(nestling)[0] == first
    qtbot.keyClick(focused(bar.previous, qtbot), Qt.Key.Key_Return)
    assert found(nestling)[0] == first  # Return is of the field
    qtbot.keyClick(bar.previous, Qt.Key.Key_Space)
    assert (found(nestling)[0], bar.field.hasFocus()) == (last, True)
    qtbot.mouseClick(bar.next, Qt.MouseButton.LeftButton)
    QTest.keyClick(nestling.window.windowHandle(), Qt.Key.Key_Escape)  # to whatever has the keys
    assert not bar.isVisible()
    assert log.hasFocus()
    assert log.extraSelections() == []
    assert not greyed(nestling, qtbot)["findNext"]
    qtbot.keyClick(log, Qt.Key.Key_G, CONTROL)
    assert found(nestling)[0] == second
    qtbot.keyClick(log, Qt.Key.Key_C, CONTROL)
    assert QGuiApplication.clipboard().text() == "checkpoint saved"


def test_the_keys_of_a_place_lead_to_its_list(
    make_run: MakeRun, nestling: Nestling, qtbot: QtBot
) -> None:
    run = make_run(runs_dir() / "a")
    show_runs(nestling, 1, qtbot)
    table = nestling.runs.list.table
    nestling.window.show_place(Place.DATA)
    activate(nestling, qtbot)
    qtbot.keyClick(nestling.window, Qt.Key.Key_2, CONTROL)
    qtbot.waitUntil(table.hasFocus)
    table.select_rows([0])
    qtbot.keyClick(table, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: nestling.runs.opened_run_dir == run)


def test_a_click_leaves_the_keyboard_with_nothing_that_is_marked(
    nestling: Nestling, qtbot: QtBot
) -> None:
    """Else Qt marks the first place as soon as a dialog that the click opened is closed."""
    nestling.window.show_place(Place.DATA)
    activate(nestling, qtbot)
    qtbot.mouseClick(nestling.data.sample, Qt.MouseButton.LeftButton)
    assert nestling.window.focusWidget() is nestling.window.centralWidget()


def test_a_button_that_its_click_hides_hands_the_keyboard_to_nothing(
    nestling: Nestling, qtbot: QtBot
) -> None:
    """Qt would mark the next part."""
    activate(nestling, qtbot)
    combine = nestling.new_run.learning.combine
    nestling.window.show_place(Place.NEW_RUN)
    nestling.new_run.learning.choices["Learn and keep"].click()
    assert combine.isVisible()
    qtbot.mouseClick(combine, Qt.MouseButton.LeftButton)
    assert not combine.isVisible()
    assert nestling.window.focusWidget() is nestling.window.centralWidget()


@one_trash
def test_checkpoints_have_their_verbs_and_several_are_deleted_with_undo(
    make_run: MakeRun, nestling: Nestling, qtbot: QtBot
) -> None:
    run = make_run(runs_dir() / "a", saves=(2, 4, 8))
    open_run(nestling, run, CHECKPOINTS, qtbot)
    view = nestling.runs.opened.checkpoints
    menu = row_menu(view.table, 0)
    assert offered(menu) == {
        "Try": True, "Export…": True, "Resume from Here": False, "Continue with New Data…": True,
        "Copy": True, "Move to Trash": True,
    }  # fmt: skip
    resume = next(one for one in menu.actions() if one.text() == "Resume from Here")
    assert "all 8 steps are done" in resume.toolTip()
    menu.close()
    focused(view.table, qtbot)
    view.table.select_rows([1, 2])
    assert not view.attempt.isEnabled()
    assert not greyed(nestling, qtbot)["delete"]
    qtbot.keyClick(view.table, Qt.Key.Key_Backspace, CONTROL)
    qtbot.waitUntil(lambda: view.model.rowCount() == 1)
    assert nestling.window.notice.text.text() == "Moved 2 checkpoints to the Trash."
    qtbot.keyClick(view.table, Qt.Key.Key_Z, CONTROL)
    qtbot.waitUntil(lambda: view.model.rowCount() == 3)


def test_problems_are_opened_shown_and_copied_from_their_menu(
    nestling: Nestling, tmp_path: Path, qtbot: QtBot
) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"prompt": "a", "completion": "b"}\n{"question": 1}\n' * 4, encoding="utf-8")
    nestling.commands.open_path(bad)
    problems = nestling.data.problems
    qtbot.waitUntil(lambda: problems.table.isVisible() and problems.model.rowCount() > 1)
    activate(nestling, qtbot)
    menu = row_menu(problems.table, 0)
    assert offered(menu) == {"Open": True, problems.reveal.text(): True, "Copy": True}
    choose(menu, "Copy", qtbot)
    assert QGuiApplication.clipboard().text() == row_text(problems.model, 0)
    focused(problems.table, qtbot)
    qtbot.keyClick(problems.table, Qt.Key.Key_Return)
    assert problems.opened is not None
    problems.opened.close()


@one_trash
def test_runs_and_waiting_runs_are_deleted_and_restored_in_one_step(
    make_run: MakeRun, nestling: Nestling, chat_file: Path, qtbot: QtBot
) -> None:
    run = make_run(runs_dir() / "done", name="done")
    for name in ("first", "second"):
        nestling.queue.add(replace(nestling.state.config, data=chat_file, name=name))
    show_runs(nestling, 3, qtbot)
    table = nestling.runs.list.table
    focused(table, qtbot)
    names = [nestling.runs.list.runs.at(row).name for row in range(3)]
    table.select_rows([names.index("first"), names.index("done")])
    qtbot.keyClick(table, Qt.Key.Key_Delete)
    qtbot.waitUntil(lambda: table.model().rowCount() == 1)
    assert not run.exists()
    assert [one.config.name for one in nestling.queue.runs] == ["second"]
    notice = nestling.window.notice.text
    assert notice.text() == "Moved “done” to the Trash and removed “first” from the queue."
    qtbot.keyClick(nestling.window, Qt.Key.Key_Z, CONTROL)
    qtbot.waitUntil(lambda: table.model().rowCount() == 3)
    assert run.exists()
    assert [one.config.name for one in nestling.queue.runs] == ["first", "second"]
    qtbot.waitUntil(lambda: notice.text() == "Restored 2 runs.")
    assert nestling.undo.name == ""


def test_a_mixed_in_dataset_is_removed_from_its_menu_and_by_key(
    nestling: Nestling, tmp_path: Path, qtbot: QtBot
) -> None:
    files = [tmp_path / f"{name}.jsonl" for name in ("one", "two", "three")]
    for file in files:
        write_chats(file, 6)
    nestling.window.show_place(Place.DATA)
    mix = tuple(MixedDataset(file, 0.3) for file in files[1:])
    with qtbot.waitSignal(nestling.datasets.opened):
        nestling.datasets.open(files[0], mix)
    activate(nestling, qtbot)
    chooser = nestling.data.chooser
    qtbot.waitUntil(lambda: len(chooser.choices) == 3 and chooser.isVisible())
    own = context_menu(chooser.choices[0], chooser.choices[0].rect().center())
    assert "Remove from Mix" not in offered(own)
    choose(own, "Copy Path", qtbot)
    assert QGuiApplication.clipboard().text() == str(files[0])
    other = context_menu(chooser.choices[2], chooser.choices[2].rect().center())
    choose(other, "Remove from Mix", qtbot)
    assert [one.data for one in nestling.state.config.mix] == [files[1]]
    qtbot.mouseClick(chooser.choices[1], Qt.MouseButton.LeftButton)
    focused(chooser.choices[1], qtbot)
    qtbot.keyClick(chooser.choices[1], Qt.Key.Key_Backspace, CONTROL)
    assert nestling.state.config.mix == ()
    assert all(file.exists() for file in files)


@pytest.mark.skipif(sys.platform == "darwin", reason="it has no Ctrl+F4")
def test_every_key_that_closes_a_window_here_closes_it(nestling: Nestling, qtbot: QtBot) -> None:
    for key in (Qt.Key.Key_W, Qt.Key.Key_F4):
        nestling.window.show()
        activate(nestling, qtbot)
        qtbot.keyClick(nestling.window, key, CONTROL)
        assert not nestling.window.isVisible()


# -- one window for all: last, for a new window styles every other one ----------------------------


def test_find_is_disabled_where_nothing_can_be_searched_and_leads_nowhere_else(
    make_run: MakeRun, shared: Nestling, qtbot: QtBot
) -> None:
    run = make_run(runs_dir() / "a")
    activate(shared, qtbot)
    for place in (Place.NEW_RUN, Place.DATA, Place.PLAYGROUND):
        shared.window.show_place(place)
        assert greyed(shared, qtbot)["find"]
        qtbot.keyClick(shared.window, Qt.Key.Key_F, CONTROL)
        assert shared.window.place is place
    open_run(shared, run, 0, qtbot)
    assert greyed(shared, qtbot)["find"], "plots"
    qtbot.keyClick(shared.window, Qt.Key.Key_F, CONTROL)
    assert shared.runs.opened_run_dir == run


def test_find_begins_at_the_lines_in_sight_and_goes_through_any_number(
    make_run: MakeRun, shared: Nestling, qtbot: QtBot
) -> None:
    open_run(shared, make_run(runs_dir() / "a"), LOG, qtbot)
    bar, log = shared.runs.opened.finders[LOG], shared.runs.opened.log
    log.setPlainText("\n".join(f"🐣 line {number} Überhitzt" for number in range(1, 3001)))
    log.verticalScrollBar().setValue(500)
    qtbot.keyClick(shared.window, Qt.Key.Key_F, CONTROL)
    bar.field.setText("überhitzt")
    assert bar.count.text() == "501 of 3,000"
    marked = [one.cursor.block().blockNumber() for one in log.extraSelections()]
    assert marked[0] == 500
    assert len(marked) < 100, "only lines in sight"
    qtbot.keyClick(bar.field, Qt.Key.Key_Return)
    assert bar.count.text() == "502 of 3,000"
    log.verticalScrollBar().setValue(2000)
    assert log.extraSelections()[0].cursor.block().blockNumber() == 2000
    log.moveCursor(QTextCursor.MoveOperation.Start)
    qtbot.keyClick(bar.field, Qt.Key.Key_Return, SHIFT)
    assert bar.count.text() == "3,000 of 3,000"
    assert found(shared)[1] == "Überhitzt"
    qtbot.keyClick(bar.field, Qt.Key.Key_Return)
    assert bar.count.text() == "1 of 3,000"


@pytest.mark.skipif(sys.platform == "darwin", reason="deletes to the line's beginning there")
def test_control_backspace_still_deletes_a_word_of_a_text(
    make_run: MakeRun, shared: Nestling, qtbot: QtBot
) -> None:
    open_run(shared, make_run(runs_dir() / "a"), NOTES, qtbot)
    opened = shared.runs.opened
    for text, content in (
        (opened.notes, opened.notes.toPlainText),
        (opened.finders[NOTES].field, opened.finders[NOTES].field.text),
    ):
        text.window().show()
        opened.finders[NOTES].show()
        text.clear()
        focused(text, qtbot)
        qtbot.keyClicks(text, "one two")
        QTest.keyClick(shared.window.windowHandle(), Qt.Key.Key_Backspace, CONTROL)
        assert content() == "one "


def test_a_search_without_results_says_so_and_finds_later_lines(
    make_run: MakeRun, shared: Nestling, qtbot: QtBot
) -> None:
    open_run(shared, make_run(runs_dir() / "a"), LOG, qtbot)
    bar = shared.runs.opened.finders[LOG]
    qtbot.keyClick(shared.window, Qt.Key.Key_F, CONTROL)
    qtbot.keyClicks(bar.field, "overheated")
    assert bar.count.text() == "No Results"
    assert not bar.next.isEnabled()
    shared.runs.opened.log.appendPlainText("the device overheated")
    assert bar.count.text() != "No Results"
    qtbot.keyClick(bar.field, Qt.Key.Key_Return)
    assert found(shared)[1] == "overheated"


def test_notes_are_searched_too(make_run: MakeRun, shared: Nestling, qtbot: QtBot) -> None:
    open_run(shared, make_run(runs_dir() / "a"), NOTES, qtbot)
    notes = shared.runs.opened.notes
    focused(notes, qtbot)
    qtbot.keyClicks(notes, "red and blue")
    qtbot.keyClick(notes, Qt.Key.Key_F, CONTROL)
    bar = QApplication.focusWidget().parentWidget()
    assert isinstance(bar, FindBar)
    qtbot.keyClicks(bar.field, "blue")
    assert notes.textCursor().selectedText() == "blue"


def test_a_menu_that_a_click_opened_leaves_its_button_unmarked(
    make_run: MakeRun, shared: Nestling, qtbot: QtBot
) -> None:
    open_run(shared, make_run(runs_dir() / "a"), LOG, qtbot)
    more = shared.runs.opened.head.more
    more.menu().aboutToShow.connect(lambda: QTimer.singleShot(0, more.menu().close))
    qtbot.mouseClick(more, Qt.MouseButton.LeftButton)
    assert shared.window.focusWidget() is shared.window.centralWidget()


def test_a_dialog_that_led_elsewhere_leaves_no_place_marked(
    make_run: MakeRun, shared: Nestling, qtbot: QtBot
) -> None:
    open_run(shared, make_run(runs_dir() / "a"), LOG, qtbot)
    focused(shared.runs.opened.head.more, qtbot)
    dialog = QDialog(shared.window)
    with qtbot.waitActive(dialog):
        dialog.show()
        dialog.activateWindow()
    shared.window.show_place(Place.DATA)
    dialog.close()
    activate(shared, qtbot)
    assert shared.window.focusWidget() is shared.window.centralWidget()


def test_wrong_answers_are_asked_again_and_copied_whole(
    make_run: MakeRun, shared: Nestling, qtbot: QtBot
) -> None:
    wrong = (WrongAnswer("One?", "1", A_LONG_ANSWER), WrongAnswer("Two?", "2", "3"))
    run = make_run(runs_dir() / "a", scores=(ScoreMeasured("new_facts", "after", 0, 2, wrong),))
    open_run(shared, run, QUESTIONS, qtbot)
    table = shared.runs.opened.questions.table
    menu = row_menu(table, 1)
    assert offered(menu) == {"Ask in Playground": True, "Copy": True}
    choose(menu, "Copy", qtbot)
    assert QGuiApplication.clipboard().text() == "Wrong\tNew facts\tTwo?\t2\t3"
    focused(table, qtbot)
    qtbot.keyClick(table, Qt.Key.Key_A, CONTROL)
    qtbot.keyClick(table, Qt.Key.Key_C, CONTROL)
    first, second = QGuiApplication.clipboard().text().splitlines()
    assert (first.endswith(A_LONG_ANSWER), second.split("\t")[2]) == (True, "Two?")
    menu = row_menu(table, 0)
    assert offered(menu) == {"Ask in Playground": False, "Copy": True}, "two are selected"
    menu.close()
    table.select_rows([1])
    with qtbot.waitSignal(shared.runs.opened.questions.question_requested) as asked:
        qtbot.keyClick(table, Qt.Key.Key_Return)
    assert asked.args == ["Two?"]


def test_delete_in_the_menu_removes_the_text_that_is_selected(
    shared: Nestling, qtbot: QtBot
) -> None:
    activate(shared, qtbot)
    name = shared.new_run.header.name
    focused(name, qtbot)
    qtbot.keyClicks(name, "a name")
    assert greyed(shared, qtbot)["delete"], "nothing is selected"
    qtbot.keyClick(name, Qt.Key.Key_A, CONTROL)
    assert not greyed(shared, qtbot)["delete"]
    shared.menus.edits["delete"].trigger()
    assert name.text() == ""
