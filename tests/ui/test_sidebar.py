"""The sidebar's places, the run's progress among them, and a name that is edited in place."""

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from app.ui.state.window_pages import Place
from app.ui.widgets.name_field import NameField
from app.ui.window.sidebar import Sidebar


@pytest.fixture
def sidebar(qtbot: QtBot) -> Sidebar:
    made = Sidebar(tuple(Place))
    qtbot.addWidget(made)
    return made


def test_a_click_on_the_shown_place_has_its_own_signal(sidebar: Sidebar, qtbot: QtBot) -> None:
    shown, again = [], []
    sidebar.place_chosen.connect(shown.append)
    sidebar.shown_place_clicked.connect(again.append)
    for _ in range(2):
        qtbot.mouseClick(sidebar.places[Place.RUNS], Qt.MouseButton.LeftButton)
    assert (shown, again) == ([Place.RUNS], [Place.RUNS])


def test_progress_is_in_the_accessible_name_too(sidebar: Sidebar) -> None:
    runs = sidebar.places[Place.RUNS]
    for is_wide in (True, False):
        sidebar.show_wide(is_wide)
        sidebar.show_progress(Place.RUNS, 0.456)
        assert runs.accessibleName() == "Runs, 45 %"
        drawn = runs.grab().toImage()
        sidebar.show_progress(Place.RUNS, None)
        assert runs.accessibleName() == "Runs"
        assert runs.grab().toImage() != drawn


def test_shortcuts_follow_the_order_of_the_places() -> None:
    numbers = [int(place.shortcut[-1]) for place in Place]
    assert numbers == sorted(set(numbers))


@pytest.fixture
def name(qtbot: QtBot) -> NameField:
    made = NameField()
    qtbot.addWidget(made)
    made.show_name("cats")
    made.show()
    made.activateWindow()
    made.setFocus()
    qtbot.waitUntil(made.hasFocus)
    return made


def test_return_leaves_a_name_as_it_is_written(name: NameField, qtbot: QtBot) -> None:
    qtbot.keyClick(name, Qt.Key.Key_End)
    assert name.minimumSizeHint().width() == name.sizeHint().width()
    qtbot.keyClicks(name, " and dogs in one household")
    assert name.sizeHint().width() > name.minimumSizeHint().width()
    with qtbot.waitSignal(name.editingFinished):
        qtbot.keyClick(name, Qt.Key.Key_Return)
    assert not name.hasFocus()
    assert name.text() == "cats and dogs in one household"


def test_escape_discards_the_typed_text(name: NameField, qtbot: QtBot) -> None:
    qtbot.keyClicks(name, "!")
    qtbot.keyClick(name, Qt.Key.Key_Escape)
    assert name.text() == "cats"
    assert not name.hasFocus()
