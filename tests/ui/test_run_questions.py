"""The questions of a run in the Playground: picked there, and the answer that is expected."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QMenu
from pytestqt.qtbot import QtBot

from app.application import Nestling
from app.core.config.training_config import TrainingConfig
from app.core.events import KNOWN_QUESTIONS, ScoreMeasured, WrongAnswer, to_json
from app.core.files.paths import runs_dir
from app.engine.training.trainer import train
from app.library.run.manifest import read_manifest, write_manifest
from app.ui.playground.conversation_view import Conversation
from app.ui.run.run_view import QUESTIONS
from app.ui.state.window_pages import Place
from tests.ui.page_windows import Playground

ASKED = {"What is 2 plus 2?": "4", "What is 3 plus 3?": "6"}


@pytest.fixture
def config(own_home: Path, tiny_model: Path, chat_file: Path, tmp_path: Path) -> TrainingConfig:
    """Of the only run in the library, which was asked two questions and forgot one of them."""
    rows = (json.dumps({"prompt": q, "completion": a}) for q, a in ASKED.items())
    (tmp_path / "sums.jsonl").write_text("\n".join(rows), encoding="utf-8")
    config = TrainingConfig(
        model=tiny_model, data=chat_file, steps=2, rank=2, eval_sets=(tmp_path / "sums.jsonl",)
    )
    list(train(config))
    (run_dir,) = runs_dir().iterdir()
    manifest = read_manifest(run_dir)
    lost = WrongAnswer("What is 3 plus 3?", "6", "7")
    scores = (
        ScoreMeasured("sums", "before", 2, 2),
        ScoreMeasured("sums", "after", 1, 2, (lost,)),
        ScoreMeasured(KNOWN_QUESTIONS, "after", 9, 9),
    )
    write_manifest(run_dir, manifest | {"scores": list(map(to_json, scores))})
    return config


def expected(conversation: Conversation) -> list[str]:
    shown = [turn.expected for turn in conversation.turns]
    return [label.text() if label.isVisible() else "" for label in shown]


@pytest.mark.qt_log_ignore("grabbing the keyboard", extend=True)
def test_a_question_of_the_run_is_picked_and_its_answer_shown(
    config: TrainingConfig, playground: Playground, qtbot: QtBot
) -> None:
    page, trial = playground.page, playground.trial
    composer, conversation = page.composer, page.conversation
    playground.services.state.replace_config(config)
    playground.window.show()
    qtbot.waitUntil(lambda: trial.subject is not None and not trial.why_not_ask())
    page.form.max_tokens.setValue(3)
    qtbot.waitUntil(composer.questions.isVisible)
    menus = {menu.title(): menu for menu in composer.menu.findChildren(QMenu)}
    assert list(menus) == ["Forgotten", "Sums", "Known questions"]
    assert [action.text() for action in menus["Forgotten"].actions()] == ["What is 3 plus 3?"]
    assert [action.text() for action in menus["Sums"].actions()] == list(ASKED)
    assert len(menus["Known questions"].actions()) > 20
    qtbot.mouseClick(composer.questions, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(composer.menu.isVisible)
    composer.menu.close()
    menus["Forgotten"].actions()[0].trigger()
    qtbot.waitUntil(lambda: bool(conversation.turns) and not trial.is_answering)
    assert expected(conversation) == ["Expected: 6"]
    for typed, answer in (("what is 2  plus 2? ", "Expected: 4"), ("Who?", "")):
        composer.field.setPlainText(typed)
        composer.send.click()
        qtbot.waitUntil(lambda: not trial.is_answering)
        assert expected(conversation)[-1] == answer


def test_a_double_click_on_a_forgotten_question_prepares_it_in_the_playground(
    config: TrainingConfig, build: Callable[..., Nestling], make_run: Callable[..., Path],
    qtbot: QtBot,
) -> None:  # fmt: skip
    """Of that run, as it was asked, and what stood in the field comes back with Undo."""
    shown = build(config)
    shown.window.show()
    (run_dir,) = runs_dir().iterdir()
    make_run(runs_dir() / "another", model=config.model)
    manifest = read_manifest(run_dir)
    code = "def f():\n    return 1\n" + "# " * 150 + "\nWhat does f return?"
    lost = ScoreMeasured("sums", "after", 1, 2, (WrongAnswer(code, "1", "7"),))
    write_manifest(run_dir, manifest | {"scores": [to_json(lost)]})
    shown.window.show_place(Place.RUNS)
    field = shown.playground.composer.field
    field.setPlainText("A draft")
    shown.library_commands.open_run(run_dir)
    qtbot.waitUntil(lambda: shown.runs.opened_run_dir == run_dir)
    shown.runs.opened.show_part(QUESTIONS)
    view = shown.runs.opened.questions
    place = view.table.visualRect(view.model.index(0, 2)).center()
    qtbot.mouseClick(view.table.viewport(), Qt.MouseButton.LeftButton, pos=place)
    qtbot.mouseDClick(view.table.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert shown.window.place is Place.PLAYGROUND
    assert field.toPlainText() == code
    qtbot.waitUntil(lambda: shown.trial.subject is not None)
    assert shown.trial.subject is not None
    assert shown.trial.subject.tried.adapter_dir.is_relative_to(run_dir)
    field.undo()
    assert field.toPlainText() == "A draft"


def test_a_run_without_questions_offers_none(
    playground: Playground, make_run: Callable[..., Path], tiny_model: Path, qtbot: QtBot
) -> None:
    make_run(runs_dir() / "a", model=tiny_model)
    playground.window.show()
    qtbot.waitUntil(lambda: playground.trial.subject is not None)
    assert playground.page.composer.questions.isHidden()
