from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtWidgets import QMessageBox
from pytestqt.qtbot import QtBot

from app.application import Nestling
from app.ui.app_state import Phase


@pytest.fixture
def running(nestling: Nestling, chat_file: Path, qtbot: QtBot) -> Iterator[Nestling]:
    nestling.commands.open_path(chat_file)
    qtbot.waitUntil(nestling.actions.start.isEnabled)
    nestling.state.change_config(steps=100_000)
    nestling.actions.start.trigger()
    qtbot.waitUntil(lambda: nestling.state.step is not None)
    yield nestling
    nestling.control.stop()
    qtbot.waitUntil(lambda: not nestling.state.phase.is_active)


def answer(box: QMessageBox, text: str) -> None:
    next(button for button in box.buttons() if button.text() == text).click()


def test_an_idle_window_closes_without_asking(nestling: Nestling) -> None:
    assert nestling.window.close()
    assert nestling.quitting.question is None


def test_quitting_during_a_run_asks_and_leaves_a_checkpoint(
    running: Nestling, qtbot: QtBot
) -> None:
    assert not running.window.close()
    question = running.quitting.question
    assert question is not None
    assert question.text() == "A run is in progress."
    answer(question, "Stop and Quit")
    assert running.state.phase is Phase.STOPPING
    assert running.train.header.status.text() == "Saving a checkpoint…"
    qtbot.waitUntil(lambda: not running.window.isVisible())
    finished = running.state.finished
    assert finished is not None
    assert finished.adapter_dir is not None
    assert (finished.adapter_dir / "adapters.safetensors").is_file()


def test_cancel_lets_the_run_go_on(running: Nestling, qtbot: QtBot) -> None:
    assert not running.window.close()
    question = running.quitting.question
    assert question is not None
    button = question.button(QMessageBox.StandardButton.Cancel)
    assert button is not None
    button.click()
    assert running.window.isVisible()
    assert running.state.step is not None
    step = running.state.step.step
    qtbot.waitUntil(lambda: running.state.step.step > step)


def test_a_paused_run_can_be_quit_too(running: Nestling, qtbot: QtBot) -> None:
    running.actions.pause.trigger()
    qtbot.waitUntil(lambda: running.state.phase is Phase.PAUSED)
    running.window.close()
    assert running.quitting.question is not None
    answer(running.quitting.question, "Stop and Quit")
    qtbot.waitUntil(lambda: not running.window.isVisible())
