"""View › Back and Forward lead through the places that were shown, as in a browser."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from app.application import Nestling
from app.core.files.paths import runs_dir
from app.ui.state.window_pages import Place
from app.ui.window.place_history import PlaceHistory
from tests.ui.page_windows import Library

MakeRun = Callable[..., Path]
BACK, FORWARD = (
    (Qt.Key.Key_Left, Qt.KeyboardModifier.AltModifier),
    (Qt.Key.Key_Right, Qt.KeyboardModifier.AltModifier),
)
"""⌘[ and ⌘] on a Mac."""


def press(nestling: Nestling, qtbot: QtBot, key: tuple[Qt.Key, Qt.KeyboardModifier]) -> None:
    nestling.window.activateWindow()
    qtbot.keyClick(nestling.window, *key)


@pytest.fixture
def history(library: Library, qtbot: QtBot) -> PlaceHistory:
    made = PlaceHistory(library.window, library.runs, library.commands)
    library.window.show_place(Place.NEW_RUN)
    with qtbot.waitSignal(library.window.first_painted):
        library.window.show()
    return made


@pytest.fixture
def opened_runs(
    make_run: MakeRun, history: PlaceHistory, library: Library, qtbot: QtBot
) -> list[Path]:
    """Two runs, opened from the list one after the other."""
    runs = [make_run(runs_dir() / name) for name in "ab"]
    library.window.show_place(Place.RUNS)
    for run_dir in runs:
        library.open_run(run_dir, qtbot)
    return runs


def turns(history: PlaceHistory) -> list[bool]:
    """Whether Back and Forward lead anywhere."""
    return [history.can_turn(by) for by in (-1, 1)]


def allowed(nestling: Nestling) -> list[bool]:
    menu = nestling.menus
    menu.view.aboutToShow.emit()
    found = [action.isEnabled() for action in menu.turns]
    menu.view.aboutToHide.emit()
    return found


def test_back_and_forward_lead_through_the_places(nestling: Nestling, qtbot: QtBot) -> None:
    window = nestling.window
    assert allowed(nestling) == [False, False]
    for place in (Place.DATA, Place.MODELS, Place.PLAYGROUND):
        window.show_place(place)
    assert allowed(nestling) == [True, False]
    press(nestling, qtbot, BACK)
    assert window.place is Place.MODELS
    press(nestling, qtbot, BACK)
    assert window.place is Place.DATA
    assert nestling.menus.places[Place.DATA].isChecked()
    assert allowed(nestling) == [True, True]
    press(nestling, qtbot, FORWARD)
    assert window.place is Place.MODELS
    window.show_place(Place.NEW_RUN)  # what was forward is left
    assert allowed(nestling) == [True, False]
    press(nestling, qtbot, FORWARD)
    assert window.place is Place.NEW_RUN
    for _ in range(9):
        press(nestling, qtbot, BACK)
    assert window.place is Place.NEW_RUN  # the first place
    assert allowed(nestling) == [False, True]


def test_runs_that_were_opened_are_steps_of_their_own(
    opened_runs: list[Path], history: PlaceHistory, library: Library, qtbot: QtBot
) -> None:
    first, second = opened_runs
    library.window.show_place(Place.PLAYGROUND)
    history.turn(-1)
    qtbot.waitUntil(lambda: library.runs.opened_run_dir == second)
    history.turn(-1)
    qtbot.waitUntil(lambda: library.runs.opened_run_dir == first)
    history.turn(-1)
    assert library.runs.views.currentWidget() is library.runs.list
    assert library.window.place is Place.RUNS
    history.turn(1)
    qtbot.waitUntil(lambda: library.runs.opened_run_dir == first)
    history.turn(1)
    qtbot.waitUntil(lambda: library.runs.opened_run_dir == second)
    history.turn(1)
    assert library.window.place is Place.PLAYGROUND
    assert turns(history) == [True, False]


def test_a_run_that_is_gone_leads_to_the_list(
    make_run: MakeRun, history: PlaceHistory, library: Library, qtbot: QtBot
) -> None:
    run_dir = make_run(runs_dir() / "a")
    library.window.show_place(Place.RUNS)
    library.open_run(run_dir, qtbot)
    library.runs.show_list()
    run_dir.rename(runs_dir().parent / "elsewhere")
    history.turn(-1)
    with qtbot.waitSignal(library.commands.listed):
        library.commands.list_runs()  # behind what reads the run
    assert library.runs.views.currentWidget() is library.runs.list
    history.turn(-1)
    library.window.show_place(Place.DATA)
    history.turn(-1)
    assert library.window.place is Place.RUNS


def test_a_run_that_gets_its_folder_is_the_same_place(
    make_run: MakeRun, history: PlaceHistory, library: Library, qtbot: QtBot
) -> None:
    run_dir = make_run(runs_dir() / "a")
    library.runs.show_attempt()
    library.window.show_place(Place.RUNS)
    library.open_run(run_dir, qtbot)
    history.turn(-1)
    assert library.window.place is Place.NEW_RUN
    history.turn(1)
    qtbot.waitUntil(lambda: library.runs.opened_run_dir == run_dir)
    assert turns(history) == [True, False]


def test_back_again_before_a_run_is_read_leaves_it_out(
    opened_runs: list[Path], history: PlaceHistory, library: Library, qtbot: QtBot
) -> None:
    assert library.runs.opened_run_dir == opened_runs[1]
    history.turn(-1)
    history.turn(-1)
    with qtbot.waitSignal(library.commands.listed):
        library.commands.list_runs()  # behind what reads the run
    assert library.runs.views.currentWidget() is library.runs.list
    assert turns(history) == [True, True]


def test_a_run_that_is_shown_again_at_the_start_is_no_step(
    make_run: MakeRun, build: Callable[..., Nestling], qtbot: QtBot
) -> None:
    run_dir = make_run(runs_dir() / "a")
    first = build()
    first.window.show()
    first.window.show_place(Place.RUNS)
    first.library_commands.open_run(run_dir)
    qtbot.waitUntil(lambda: first.runs.opened_run_dir == run_dir)
    first.window.close()
    first.shut_down()
    again = build()
    again.window.show()
    qtbot.waitUntil(lambda: again.runs.opened_run_dir == run_dir)
    assert allowed(again) == [False, False]
