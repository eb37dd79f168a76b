import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtWidgets import QMessageBox
from pytestqt.qtbot import QtBot

from app.application import Nestling
from app.core.config.training_config import TrainingConfig
from app.engine.evaluation.evaluation import Evaluator
from app.ui.state.run_state import Phase


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
    running.quitting.quit()
    question = running.quitting.question
    assert question is not None
    assert question.text() == "“chats” is still training."
    assert "You can resume the run later" in question.informativeText()
    answer(question, "Stop and Quit")
    assert running.state.phase is Phase.STOPPING
    assert running.runs.opened.head.pill.text() == "Stopping…"
    qtbot.waitUntil(lambda: not running.window.isVisible())
    finished = running.state.finished
    assert finished is not None
    assert finished.adapter_dir is not None
    assert (finished.adapter_dir / "adapters.safetensors").is_file()


@pytest.fixture
def validating(
    nestling: Nestling, chat_file: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Nestling]:
    """A run whose first validation never ends."""

    def mean_loss(_: Evaluator, __: object) -> Iterator[float]:
        while True:
            yield 0.5

    monkeypatch.setattr(Evaluator, "mean_loss", mean_loss)
    nestling.commands.open_path(chat_file)
    qtbot.waitUntil(nestling.actions.start.isEnabled)
    nestling.actions.start.trigger()
    progress = nestling.runs.opened.progress
    qtbot.waitUntil(lambda: progress.status.text().startswith("Validating, "))
    yield nestling
    nestling.control.stop()
    qtbot.waitUntil(lambda: not nestling.state.phase.is_active)


def test_a_run_stopped_in_its_first_validation_leaves_nothing_and_says_so(
    validating: Nestling, qtbot: QtBot
) -> None:
    progress, head = validating.runs.opened.progress, validating.runs.opened.head
    assert progress.status.text() == "Validating, 50 %…"
    started = validating.state.started
    assert started is not None
    validating.actions.stop.trigger()
    assert head.pill.text() == "Stopping…"
    assert progress.status.text() == "Canceling the run."
    qtbot.waitUntil(lambda: not validating.state.phase.is_active)
    assert progress.status.text() == "Stopped before the first step."
    qtbot.waitUntil(lambda: validating.runs.is_attempt_shown)
    assert (head.pill.text(), head.attempt.isVisible()) == ("Stopped", False)
    assert not started.run_dir.exists()


def test_quitting_before_the_first_step_promises_no_checkpoint(
    validating: Nestling, qtbot: QtBot
) -> None:
    validating.quitting.quit()
    question = validating.quitting.question
    assert question is not None
    assert "nothing of it is kept" in question.informativeText()
    assert question.defaultButton().text() == "Keep Training"
    answer(question, "Stop and Quit")
    qtbot.waitUntil(lambda: not validating.window.isVisible())


def test_a_queued_run_stopped_before_its_first_step_waits_again(
    validating: Nestling, qtbot: QtBot
) -> None:
    validating.control.stop()
    qtbot.waitUntil(lambda: not validating.state.phase.is_active)
    validating.queue.add(validating.state.config)
    validating.queue.start()
    progress = validating.runs.opened.progress
    qtbot.waitUntil(lambda: progress.status.text().startswith("Validating, "))
    assert not validating.queue.runs
    validating.control.stop()
    qtbot.waitUntil(lambda: not validating.state.phase.is_active)
    assert [run.config for run in validating.queue.runs] == [validating.state.config]


def test_the_window_is_quit_while_a_chat_template_never_ends(
    build: Callable[..., Nestling], tiny_model: Path, chat_file: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    model = tmp_path / "model"
    shutil.copytree(tiny_model, model)
    loop = "{% for i in range(99999) %}"
    (model / "chat_template.jinja").write_text(f"{loop}{loop}{{% endfor %}}{{% endfor %}}")
    nestling = build(TrainingConfig(model=model, data=chat_file))
    nestling.window.show()
    qtbot.waitUntil(nestling.actions.start.isEnabled)
    nestling.actions.start.trigger()
    status = nestling.runs.opened.progress.status
    qtbot.waitUntil(lambda: status.text().startswith("Trying the chat template"))
    nestling.quitting.stop_and_quit()
    qtbot.waitUntil(lambda: not nestling.window.isVisible())
    assert nestling.state.finished is not None
    assert nestling.state.finished.message == "Stopped before the first step."


def test_keep_training_lets_the_run_go_on(running: Nestling, qtbot: QtBot) -> None:
    running.quitting.quit()
    question = running.quitting.question
    assert question is not None
    answer(question, "Keep Training")
    assert running.window.isVisible()
    assert running.state.step is not None
    step = running.state.step.step
    qtbot.waitUntil(lambda: running.state.step.step > step)


def test_a_paused_run_can_be_quit_too(running: Nestling, qtbot: QtBot) -> None:
    running.actions.pause.trigger()
    qtbot.waitUntil(lambda: running.state.phase is Phase.PAUSED)
    running.quitting.quit()
    assert running.quitting.question is not None
    assert running.quitting.question.text() == "“chats” is paused."
    answer(running.quitting.question, "Stop and Quit")
    qtbot.waitUntil(lambda: not running.window.isVisible())
