"""Closing the window and quitting, with and without a Dock. No engine, and no pages."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import QEvent, Qt
from PySide6.QtWidgets import QAbstractButton, QMessageBox, QWidget
from pytestqt.qtbot import QtBot

from app.ui.look.stylesheet import stylesheet
from app.ui.look.theme import LIGHT
from app.ui.state.app_state import AppState
from app.ui.state.run_queue import RunQueue
from app.ui.state.run_state import Phase
from app.ui.state.window_pages import Place
from app.ui.system.qt_application import NestlingApplication
from app.ui.system.stored_preferences import Preferences
from app.ui.window.main_window import MainWindow
from app.ui.window.quit_guard import QuitGuard
from app.workers.background_thread import BackgroundThread
from tests.library.made_up import made_up_step

SMOOTHING_PX = 2
ACTIVE, INACTIVE = Qt.ApplicationState.ApplicationActive, Qt.ApplicationState.ApplicationInactive


class Closing:
    """A window with its question, of a run that is only said to train."""

    def __init__(self, queue: RunQueue, settings: Preferences, has_dock: bool) -> None:
        state = queue.parent()
        assert isinstance(state, AppState)
        self.state, self.control = state, queue._control
        self.window = MainWindow({Place.RUNS: QWidget()}, settings)
        self.quitting = QuitGuard(state, self.control, self.window, has_dock=has_dock)
        self.left: list[str] = []
        self.quitting.ready.connect(lambda: self.left.append("ready"))
        self.quitting.decided.connect(lambda: self.left.append("decided"))
        self.window.show()

    def begin(self, phase: Phase = Phase.RUNNING) -> None:
        self.state.change_config(name="survey")
        self.state.begin_run(self.state.config)
        self.state.set_phase(phase)

    def end(self) -> None:
        self.state.set_phase(Phase.FINISHED)
        self.control.run_ended.emit()

    @property
    def question(self) -> QMessageBox:
        assert self.quitting.question is not None
        return self.quitting.question

    def choices(self) -> list[str]:
        return sorted(button.text() for button in self.question.buttons())

    def choose(self, text: str) -> None:
        next(button for button in self.question.buttons() if button.text() == text).click()


@pytest.fixture
def make(
    queue: RunQueue, tmp_path: Path, qapp: NestlingApplication, qtbot: QtBot
) -> Callable[[bool], Closing]:
    def closing(has_dock: bool) -> Closing:
        made = Closing(queue, Preferences(tmp_path / "s.ini", BackgroundThread(qapp)), has_dock)
        qtbot.addWidget(made.window)
        return made

    return closing


def test_with_a_dock_a_closed_window_is_hidden_and_a_click_on_the_icon_brings_it_back(
    make: Callable[[bool], Closing],
) -> None:
    closing = make(True)
    closing.begin()
    assert closing.window.close()
    assert not closing.window.isVisible()
    closing.quitting.note_application_state(INACTIVE)
    assert not closing.window.isVisible()
    closing.quitting.note_application_state(ACTIVE)
    assert closing.window.isVisible()
    assert closing.state.phase is Phase.RUNNING
    assert closing.left == []


def test_without_a_dock_the_window_is_minimized_and_says_why(
    make: Callable[[bool], Closing],
) -> None:
    closing = make(False)
    closing.begin()
    assert not closing.window.close()
    assert closing.window.isMinimized()
    assert closing.quitting.question is None
    text = closing.window.notice.text.text()
    assert text == "“survey” is still training. To stop it, choose File > Quit Nestling."


def test_the_run_s_end_takes_the_notice_away(make: Callable[[bool], Closing]) -> None:
    closing = make(False)
    closing.begin()
    closing.window.close()
    closing.window.come_forward()
    assert closing.window.notice.isVisible()
    closing.end()
    assert not closing.window.notice.isVisible()
    closing.window.notice.tell("Another.", is_lasting=True)
    closing.end()
    assert closing.window.notice.isVisible()


def test_without_a_dock_and_without_a_run_it_closes(make: Callable[[bool], Closing]) -> None:
    assert make(False).window.close()


def test_close_is_about_the_window_in_front(make: Callable[[bool], Closing], qtbot: QtBot) -> None:
    closing = make(False)
    front = QWidget(closing.window, Qt.WindowType.Window)
    with qtbot.waitActive(front):
        front.show()
        front.activateWindow()
    closing.quitting.close_front()
    assert not front.isVisible()
    assert closing.window.isVisible()
    with qtbot.waitActive(closing.window):
        closing.window.activateWindow()
    closing.quitting.close_front()
    assert not closing.window.isVisible()


@pytest.mark.parametrize("has_dock", [True, False])
def test_quitting_offers_what_the_platform_has(
    make: Callable[[bool], Closing], has_dock: bool
) -> None:
    closing = make(has_dock)
    closing.begin()
    closing.quitting.quit()
    hide = ["Hide Window and Keep Training"] if has_dock else []
    assert closing.choices() == [*hide, "Keep Training", "Stop and Quit"]
    closing.choose("Keep Training")
    assert closing.window.isVisible()
    assert closing.left == []


def width_of_text(button: QAbstractButton) -> int:
    """In pixels, as it is drawn."""
    picture = button.grab().toImage()
    ground = picture.pixelColor(picture.width() // 2, 4)
    columns = [
        x
        for x in range(6, picture.width() - 6)
        if any(picture.pixelColor(x, y) != ground for y in range(6, picture.height() - 6))
    ]
    return columns[-1] - columns[0]


def test_no_button_of_the_question_is_clipped(
    make: Callable[[bool], Closing], qapp: NestlingApplication
) -> None:
    closing = make(True)
    qapp.setStyleSheet(stylesheet(LIGHT))
    try:
        closing.begin()
        closing.state.take_event(made_up_step(1))
        closing.quitting.quit()
        assert closing.question.defaultButton().text() == "Stop and Quit"
        for button in closing.question.buttons():
            drawn = width_of_text(button)
            button.setFixedWidth(2 * button.width())
            assert width_of_text(button) <= drawn + SMOOTHING_PX, button.text()
    finally:
        qapp.setStyleSheet("")


def test_hiding_the_window_keeps_the_run(make: Callable[[bool], Closing]) -> None:
    closing = make(True)
    closing.begin()
    closing.quitting.quit()
    closing.choose("Hide Window and Keep Training")
    assert not closing.window.isVisible()
    assert closing.quitting.question is None
    assert closing.left == []


def test_quitting_a_hidden_window_brings_it_forward_to_ask(
    make: Callable[[bool], Closing],
) -> None:
    closing = make(True)
    closing.begin()
    closing.window.close()
    closing.quitting.quit()
    assert closing.window.isVisible()
    assert closing.question.isVisible()


def test_a_run_that_ends_while_it_is_asked_about_takes_the_question_away(
    make: Callable[[bool], Closing],
) -> None:
    closing = make(False)
    closing.begin()
    closing.quitting.quit()
    closing.end()
    assert closing.quitting.question is None
    assert closing.left == []
    closing.quitting.quit()
    assert closing.left == ["ready"]


def test_a_run_that_the_user_has_stopped_is_waited_for_without_a_question(
    make: Callable[[bool], Closing],
) -> None:
    closing = make(False)
    closing.begin(Phase.STOPPING)
    closing.quitting.quit()
    assert closing.quitting.question is None
    closing.end()
    assert closing.left == ["ready"]


def test_a_resumed_run_keeps_its_checkpoint_before_its_first_step(
    make: Callable[[bool], Closing],
) -> None:
    closing = make(False)
    closing.state.begin_run(closing.state.config, run_dir=Path("/runs/survey"))
    closing.quitting.quit()
    assert "You can resume the run later" in closing.question.informativeText()


def test_the_system_ends_the_app_only_if_nothing_is_in_the_way(
    make: Callable[[bool], Closing], qapp: NestlingApplication
) -> None:
    """From the Dock's menu, or to log out."""
    closing = make(True)
    closing.begin()
    qapp.about_to_quit.connect(closing.quitting.answer_quit)
    try:
        asked = QEvent(QEvent.Type.Quit)
        qapp.sendEvent(qapp, asked)
        assert not asked.isAccepted()
        assert closing.question.isVisible()
        assert closing.window.isVisible()
    finally:
        qapp.about_to_quit.disconnect(closing.quitting.answer_quit)
