import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import shiboken6
from PySide6.QtCore import QSettings, Qt
from PySide6.QtGui import QAction, QColor
from PySide6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QComboBox,
    QDialogButtonBox,
    QFileDialog,
    QLineEdit,
    QMessageBox,
    QScrollArea,
    QSpinBox,
    QStyle,
    QWidget,
)
from pytestqt.qtbot import QtBot

from app.application import Nestling
from app.core.errors import Failure
from app.core.files.paths import home_dir, runs_dir
from app.core.system.version import version_line
from app.ui.look.theme import DARK, LIGHT, Theme
from app.ui.state.window_pages import Place
from app.ui.system.error_dialog import ErrorDialog
from app.ui.system.language import SETTINGS_FILE
from app.ui.system.stored_preferences import Preferences
from app.ui.system.theme_controller import Look, ThemeController
from app.window_services import Services


@pytest.fixture
def appearance(services: Services, qapp: QApplication) -> Iterator[ThemeController]:
    made = ThemeController(qapp, services.settings, services)
    yield made
    made.choose(Look.SYSTEM)
    qapp.setStyleSheet("")


@pytest.mark.parametrize(("look", "theme"), [(Look.DARK, DARK), (Look.LIGHT, LIGHT)])
def test_the_appearance_can_be_chosen_and_is_remembered(
    appearance: ThemeController, services: Services, look: Look, theme: Theme, qapp: QApplication,
    qtbot: QtBot,
) -> None:  # fmt: skip
    appearance.choose(look)
    assert qapp.palette().window().color() == QColor(theme.window)
    qtbot.waitUntil(lambda: stored().value("appearance") == look.value)
    again = Preferences(home_dir() / SETTINGS_FILE, services.background)
    next_session = ThemeController(qapp, again, services)
    next_session.begin()
    assert next_session.theme is theme


def test_the_window_is_restored_in_place(build: Callable[..., Nestling], qtbot: QtBot) -> None:
    first = build()
    first.window.resize(900, 640)  # the offscreen screen is 800 pixels wide: the height decides
    first.window.show()
    first.window.close()
    qtbot.waitUntil(lambda: stored().contains("window/geometry"))
    assert build().window.height() == 640


def stored() -> QSettings:
    """The preferences on the disk."""
    return QSettings(str(home_dir() / SETTINGS_FILE), QSettings.Format.IniFormat)


def test_preferences_are_never_written_in_the_gui_thread(
    appearance: ThemeController, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    writers: set[int] = set()

    class Watched(QSettings):
        def sync(self) -> None:
            writers.add(threading.get_ident())
            super().sync()

    monkeypatch.setattr("app.ui.system.stored_preferences.QSettings", Watched)
    appearance.choose(Look.DARK)
    qtbot.waitUntil(lambda: stored().value("appearance") == "dark")
    assert writers
    assert threading.get_ident() not in writers


def test_a_window_closed_at_once_still_remembers(build: Callable[..., Nestling]) -> None:
    nestling = build()
    background = nestling.background  # has something else in hand until the app ends
    background.run(background._is_ending.wait, lambda _: None, lambda _: None)
    nestling.window.show_place(Place.DATA)
    nestling.window.close()
    nestling.shut_down()
    assert stored().value("window/place") == "DATA"


def shown_boxes() -> list[QMessageBox]:
    return [
        w for w in QApplication.topLevelWidgets() if isinstance(w, QMessageBox) and w.isVisible()
    ]


def test_an_unforeseen_error_is_shown_once_with_its_details(qtbot: QtBot) -> None:
    window = QWidget()
    qtbot.addWidget(window)
    window.show()
    sink = ErrorDialog(window)
    before = sys.excepthook
    sink.install()
    try:
        for _ in range(3):
            try:
                raise KeyError("lost")
            except KeyError as error:
                sys.excepthook(type(error), error, error.__traceback__)
    finally:
        sink.uninstall()
        sys.excepthook = before
    boxes = shown_boxes()
    assert len(boxes) == 1
    assert boxes[0].text() == "Something went wrong."
    assert "Traceback" in boxes[0].detailedText()
    boxes[0].close()


def test_a_foreseen_error_is_shown_as_its_sentence(qtbot: QtBot) -> None:
    window = QWidget()
    qtbot.addWidget(window)
    window.show()
    ErrorDialog(window).show_failure(Failure("The disk is full.", "Free some.", "trace", True))
    (box,) = shown_boxes()
    assert (box.text(), box.informativeText(), box.detailedText()) == (
        "The disk is full.", "Free some.", "",
    )  # fmt: skip
    box.close()


def test_start_leaves_no_focus_ring_elsewhere(
    nestling: Nestling, chat_file: Path, qtbot: QtBot
) -> None:
    nestling.commands.open_path(chat_file)
    qtbot.waitUntil(nestling.actions.start.isEnabled)
    header = nestling.new_run.header
    header.start.setFocus()
    qtbot.mouseClick(header.start, Qt.MouseButton.LeftButton)
    assert nestling.window.focusWidget() in (None, nestling.window.centralWidget())
    nestling.actions.stop.trigger()
    qtbot.waitUntil(lambda: not nestling.state.phase.is_active)


# -- one window for all: the last ones, for a new look of the app styles every window ----------


def test_every_control_has_a_name_for_voice_over(shared: Nestling) -> None:
    kinds = (QAbstractButton, QComboBox, QLineEdit, QSpinBox)
    nameless = [
        control
        for control in shared.window.findChildren(QWidget)
        if isinstance(control, kinds)
        and control.objectName()
        not in ("qt_spinbox_lineedit", "qt_menubar_ext_button", "qt_tableview_cornerbutton")
        and not (control.accessibleName() or (hasattr(control, "text") and control.text()))
    ]
    assert not nameless, nameless


def test_all_controls_in_sight_are_reached_by_the_tab_key(shared: Nestling) -> None:
    form = shared.new_run.form
    reached: set[QWidget] = set()
    widget = shared.window.nextInFocusChain()
    while widget is not shared.window and widget is not None:
        if widget.focusPolicy() & Qt.FocusPolicy.TabFocus:
            reached.add(widget)
        widget = widget.nextInFocusChain()
    assert {field.control for field in form.fields.values()} <= reached
    assert {shared.new_run.data.choose, shared.new_run.tiers.assign} <= reached


def test_shortcuts_are_unique(shared: Nestling) -> None:
    of_the_run = (shared.actions.start, shared.actions.pause, shared.actions.stop)
    actions = {*shared.window.findChildren(QAction), *of_the_run}
    keys = [a.shortcut().toString() for a in actions if not a.shortcut().isEmpty()]
    assert len(keys) == len(set(keys)), sorted(keys)


def test_buttons_say_why_they_can_not_be_pressed(shared: Nestling) -> None:
    assert shared.new_run.header.start.toolTip() == "Choose a dataset first."
    assert shared.runs.opened.head.stop.toolTip() == "No run is in progress."


def test_the_sidebar_gives_way_in_a_narrow_window(shared: Nestling, qtbot: QtBot) -> None:
    shared.window.resize(1024, 700)
    qtbot.waitUntil(lambda: shared.window.width() == 1024)
    assert shared.window.sidebar.places[Place.RUNS].text().strip() == "Runs"
    wide = shared.window.sidebar.width()
    shared.window.resize(900, 600)
    qtbot.waitUntil(lambda: shared.window.width() == 900)
    assert shared.window.sidebar.width() < wide


def test_the_sidebar_and_the_menu_lead_to_the_same_places(shared: Nestling) -> None:
    handlers = shared.menus._handlers
    handlers["RUNS"]()
    assert shared.window.place is Place.RUNS
    shared.window.sidebar.choose(Place.NEW_RUN)
    assert shared.window.place is Place.NEW_RUN


def test_a_scroll_bar_shows_no_thumb_where_nothing_scrolls(shared: Nestling, qtbot: QtBot) -> None:
    shared.window.resize(1280, 1400)
    qtbot.waitUntil(lambda: shared.window.height() == 1400)
    for area in shared.new_run.findChildren(QScrollArea):
        bar = area.verticalScrollBar()
        assert bar.isEnabled() == (bar.maximum() > 0)


def test_buttons_of_dialogs_have_no_icons(shared: Nestling) -> None:
    dialog = QFileDialog(shared.window)
    dialog.setOption(QFileDialog.Option.DontUseNativeDialog)
    dialog.show()
    box = dialog.findChild(QDialogButtonBox)
    assert box is not None
    hint = QStyle.StyleHint.SH_DialogButtonBox_ButtonsHaveIcons
    assert not box.style().styleHint(hint, None, box)
    assert all(button.icon().isNull() for button in box.buttons())
    dialog.close()
    shiboken6.delete(dialog)  # at once: it is in the window of the other tests


def test_a_low_window_scrolls_the_plots_and_squeezes_none(
    shared: Nestling, make_run: Callable[..., Path], qtbot: QtBot
) -> None:
    shared.window.show_place(Place.RUNS)
    shared.library_commands.open_run(make_run(runs_dir() / "a", periods=(1, 2, 4)))
    qtbot.waitUntil(lambda: shared.runs.opened_run_dir is not None)
    shared.window.resize(820, 560)
    qtbot.waitUntil(lambda: shared.window.height() == 560)
    plots = shared.runs.opened.plots
    assert plots is not None
    for card in plots.cards:
        assert card.stack.height() >= 80
        title = card.title
        # A card lays its header out again once it has its width.
        qtbot.waitUntil(lambda title=title: title.width() >= title.sizeHint().width())


def test_about_names_the_version_the_commit_and_that_of_mlx(shared: Nestling) -> None:
    shared.commands.show_about()
    (box,) = shared.window.findChildren(QMessageBox)
    assert version_line() in box.informativeText()
    box.close()
