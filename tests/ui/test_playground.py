"""The Try page on a real run of the tiny model: asked, stopped, refused, freed."""

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from pytestqt.qtbot import QtBot

from app.application import Nestling
from app.core.config.training_config import TierConfig, TrainingConfig
from app.core.files.paths import runs_dir
from app.core.generation_events import AnswerEnded, Sampling, TextAdded
from app.engine.training.trainer import train
from app.ui.playground.chat_session import IN_PROGRESS
from app.ui.playground.playground_page import EMPTY, LOOKING, READY, TALK, PlaygroundPage
from app.ui.run.run_description import base_model_facts
from app.ui.state.run_loading import read_run
from app.ui.state.run_state import Phase
from app.ui.state.window_pages import Place
from tests.conftest import write_chats
from tests.homes import copied_run, train_at_home
from tests.other_base_models import CHANGES, copied_model
from tests.patience import PATIENCE_SECONDS


@pytest.fixture(scope="module")
def config(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainingConfig:
    data = tmp_path_factory.mktemp("data") / "chats"
    data.mkdir()
    write_chats(data / "train.jsonl", 24)
    write_chats(data / "valid.jsonl", 5)
    return TrainingConfig(
        model=tiny_model, data=data, name="chatty", steps=4, batch_size=4, learning_rate=1e-2,
        steps_per_eval=2, steps_per_save=2, tiers=(TierConfig(1), TierConfig(2)),
    )  # fmt: skip


@pytest.fixture(scope="module")
def home_of_a_run(config: TrainingConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home-of-a-run")
    return train_at_home(home, config)


@pytest.fixture
def run_dir(home_of_a_run: Path, own_home: Path) -> Path:
    """In the library, a copy of its own for every test, with checkpoints at steps 2 and 4."""
    return copied_run(home_of_a_run, own_home)


@pytest.fixture
def shown(
    run_dir: Path, build: Callable[..., Nestling], config: TrainingConfig, qtbot: QtBot
) -> Nestling:
    """The Try page in sight, ready to ask the run's best checkpoint."""
    made = build(config)
    made.window.show()
    made.window.show_place(Place.PLAYGROUND)
    qtbot.waitUntil(lambda: made.trial.subject is not None)
    made.playground.form.max_tokens.setValue(6)
    return made


def ask(nestling: Nestling, question: str, qtbot: QtBot) -> None:
    begin(nestling, question)
    qtbot.waitUntil(lambda: not nestling.trial.is_answering)


def begin(nestling: Nestling, question: str) -> None:
    nestling.playground.composer.field.setPlainText(question)
    nestling.playground.composer.send.click()


def answer_text(page: PlaygroundPage, side: str, turn: int = -1) -> str:
    return page.conversation.turns[turn].answers[side].text.toPlainText()  # type: ignore[index]


def test_both_answers_and_their_distance_are_shown(shown: Nestling, qtbot: QtBot) -> None:
    page = shown.playground
    assert page.body.currentIndex() == READY
    events: list[object] = []
    shown.trial.event_received.connect(events.append)
    ask(shown, "What is 2 plus 2?", qtbot)
    assert page.body.currentIndex() == TALK
    for side in ("base", "tuned"):
        streamed = [e.text for e in events if isinstance(e, TextAdded) and e.side == side]
        assert answer_text(page, side) == "".join(streamed) != ""
    turn = page.conversation.turns[0]
    assert "6 tokens" in turn.answers["base"].status.text()
    assert "cut at max tokens" in turn.answers["tuned"].status.text()
    assert turn.compared.text().startswith("The answers diverge at ")
    needed = turn.compared.fontMetrics().horizontalAdvance(turn.compared.text())
    assert turn.compared.width() >= needed  # in one line
    assert turn.logits.isHidden()
    turn.details.click()
    assert turn.logits.isVisible()
    assert turn.logits.text().startswith("First token: logits differ by up to ")
    turn.details.click()
    assert turn.logits.isHidden()
    assert page.composer.field.toPlainText() == ""


def test_a_second_turn_continues_each_side_s_own_answers(shown: Nestling, qtbot: QtBot) -> None:
    lengths = []
    shown.trial.event_received.connect(
        lambda e: lengths.append((e.side, e.prompt_tokens)) if isinstance(e, AnswerEnded) else None
    )
    ask(shown, "What is 2 plus 2?", qtbot)
    ask(shown, "And 3?", qtbot)
    earlier = shown.trial._earlier
    assert [exchange.question for exchange in earlier] == ["What is 2 plus 2?", "And 3?"]
    assert earlier[0].tuned == answer_text(shown.playground, "tuned", 0)
    assert all(count > 60 for _, count in lengths[2:]), "the first turn was not read again"
    shown.playground.clear.click()
    assert shown.playground.body.currentIndex() == READY
    lengths.clear()
    ask(shown, "And 3?", qtbot)
    assert all(count < 60 for _, count in lengths)


def test_a_checkpoint_is_tried_from_its_run(shown: Nestling, run_dir: Path, qtbot: QtBot) -> None:
    shown.window.show_place(Place.RUNS)
    shown.library_commands.open_run(run_dir)
    qtbot.waitUntil(lambda: shown.runs.opened_run_dir == run_dir)
    checkpoints = shown.runs.opened.checkpoints
    checkpoints.table.select_rows([1])
    checkpoints.attempt.click()
    assert shown.window.place is Place.PLAYGROUND
    qtbot.waitUntil(lambda: _step(shown) == 2)
    assert shown.playground.chooser.checkpoint.currentText().startswith("Step 2 · ")
    ask(shown, "Hi", qtbot)
    assert answer_text(shown.playground, "tuned")


def _step(nestling: Nestling) -> int:
    return nestling.trial.subject.checkpoint.step if nestling.trial.subject else 0


def test_a_run_is_tried_from_the_list_and_after_training(
    shown: Nestling, config: TrainingConfig, run_dir: Path, qtbot: QtBot
) -> None:
    qtbot.waitUntil(lambda: shown.actions.start.isEnabled())
    shown.actions.start.trigger()
    qtbot.waitUntil(lambda: shown.state.phase is Phase.FINISHED)
    qtbot.waitUntil(shown.runs.opened.head.attempt.isVisible)
    shown.runs.opened.head.attempt.click()
    trained = shown.state.finished.run_dir  # type: ignore[union-attr]
    qtbot.waitUntil(lambda: _run_dir(shown) == trained)
    shown.window.show_place(Place.RUNS)
    shown.runs.show_list()
    qtbot.waitUntil(lambda: shown.runs.list.runs.rowCount() == 2)
    shown.runs.list.selection.select(run_dir)
    shown.runs.list.buttons.attempt.click()
    qtbot.waitUntil(lambda: _run_dir(shown) == run_dir)


def _run_dir(nestling: Nestling) -> Path | None:
    subject = nestling.trial.subject
    return subject.tried.adapter_dir.parent.parent if subject else None


def test_a_stop_keeps_the_partial_answer_and_the_next_question_is_answered(
    shown: Nestling, qtbot: QtBot
) -> None:
    page = shown.playground
    page.form.temperature.show_number(1.0)
    page.form.max_tokens.setValue(5_000)
    begin(shown, "Go on and on")
    qtbot.waitUntil(lambda: len(answer_text(page, "tuned")) > 5)
    assert page.composer.stop.isVisible()
    qtbot.keyClick(page.composer.field, Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: not shown.trial.is_answering)
    assert "stopped" in page.conversation.turns[0].answers["base"].status.text()
    assert shown.trial._earlier[0].tuned == answer_text(page, "tuned")
    page.form.max_tokens.setValue(3)
    ask(shown, "Hi", qtbot)
    assert answer_text(page, "base")


@pytest.mark.parametrize("how", ["cleared", "another checkpoint"])
def test_a_late_answer_is_not_part_of_a_new_conversation(
    shown: Nestling, qtbot: QtBot, how: str
) -> None:
    page = shown.playground
    page.form.max_tokens.setValue(5_000)
    begin(shown, "Go on and on")
    qtbot.waitUntil(lambda: len(answer_text(page, "tuned")) > 5)
    if how == "cleared":
        page.clear.click()
        assert page.body.currentIndex() == READY
    else:
        choose_other(page)
    qtbot.waitUntil(lambda: not shown.trial.is_answering)
    assert shown.trial._earlier == ()
    page.form.max_tokens.setValue(3)
    ask(shown, "Hi", qtbot)
    assert [exchange.question for exchange in shown.trial._earlier] == ["Hi"]


def test_a_question_stopped_before_the_first_word_is_not_remembered(
    shown: Nestling, qtbot: QtBot
) -> None:
    """Another job occupies the compute thread, so that the question still waits."""
    gate = threading.Event()

    def holding(_: Callable[[], bool]) -> Iterator[object]:
        yield gate.wait(PATIENCE_SECONDS)

    shown.compute.submit("Holding", holding)
    begin(shown, "Hi")
    answers = shown.playground.conversation.turns[0].answers
    assert answers["base"].status.text() == "Waiting…"
    shown.playground.composer.stop.click()
    gate.set()
    qtbot.waitUntil(lambda: not shown.trial.is_answering)
    assert shown.trial._earlier == ()
    assert answers["base"].status.text() == "Stopped before the first word."


def choose_other(page: PlaygroundPage) -> None:
    other = page.chooser.checkpoint
    other.setCurrentIndex(1 - other.currentIndex())
    other.activated.emit(other.currentIndex())


def test_return_sends_and_shift_return_breaks_the_line(shown: Nestling, qtbot: QtBot) -> None:
    field = shown.playground.composer.field
    qtbot.keyClick(field, Qt.Key.Key_Return)
    assert not shown.trial.is_answering, "nothing was written"
    qtbot.keyClicks(field, "one")
    qtbot.keyClick(field, Qt.Key.Key_Return, Qt.KeyboardModifier.ShiftModifier)
    qtbot.keyClicks(field, "two")
    asked: list[str] = []
    shown.trial.asked.connect(asked.append)
    qtbot.keyClick(field, Qt.Key.Key_Return)
    assert asked == ["one\ntwo"]
    qtbot.keyClicks(field, "next")
    qtbot.keyClick(field, Qt.Key.Key_Return)
    assert field.toPlainText() == "next", "what is written while both answer stays"
    qtbot.waitUntil(lambda: not shown.trial.is_answering)


@pytest.mark.parametrize("damage", ["deleted", "truncated"])
def test_a_damaged_checkpoint_is_reported_in_a_sentence(
    shown: Nestling, run_dir: Path, qtbot: QtBot, damage: str
) -> None:
    folder = shown.trial.subject.tried.adapter_dir  # type: ignore[union-attr]
    if damage == "deleted":
        shutil.rmtree(folder)
    else:
        file = folder / "adapters.safetensors"
        file.write_bytes(file.read_bytes()[:-1])
    ask(shown, "Hi", qtbot)
    turn = shown.playground.conversation.turns[0]
    words = "There is no checkpoint at" if damage == "deleted" else "is not as it was written"
    assert words in turn.problem.text()
    assert turn.problem.isVisible()
    assert not shown.trial._earlier
    choose_other(shown.playground)
    ask(shown, "Hi", qtbot)
    assert answer_text(shown.playground, "tuned")


def test_a_run_that_starts_stops_the_answer_and_frees_the_model(
    shown: Nestling, qtbot: QtBot
) -> None:
    page = shown.playground
    page.form.max_tokens.setValue(5_000)
    qtbot.waitUntil(lambda: shown.actions.start.isEnabled())
    begin(shown, "Go on and on")
    qtbot.waitUntil(lambda: len(answer_text(page, "tuned")) > 5)
    models: list[object] = []
    shown.state.run_event_received.connect(lambda _: models.append(shown.trial._model._model))
    shown.actions.start.trigger()
    qtbot.waitUntil(lambda: shown.state.phase is Phase.RUNNING and bool(models))
    assert page.composer.reason.text() == IN_PROGRESS
    assert not page.composer.send.isEnabled()
    begin(shown, "Hi")
    assert len(page.conversation.turns) == 1
    qtbot.waitUntil(lambda: shown.state.phase is Phase.FINISHED)
    assert models
    assert all(model is None for model in models)
    page.form.max_tokens.setValue(6)
    ask(shown, "Hi", qtbot)
    assert len(page.conversation.turns) == 2
    assert answer_text(page, "tuned")


def test_the_model_goes_some_time_after_the_page_was_left(shown: Nestling, qtbot: QtBot) -> None:
    ask(shown, "Hi", qtbot)
    assert shown.trial._model._model is not None
    shown.playground._idle.setInterval(0)
    shown.window.show_place(Place.NEW_RUN)
    qtbot.waitUntil(lambda: shown.trial._model._model is None)


def test_another_checkpoint_starts_a_new_conversation_and_nothing_is_lost(
    shown: Nestling, qtbot: QtBot
) -> None:
    page = shown.playground
    ask(shown, "What is 2 plus 2?", qtbot)
    first = answer_text(page, "tuned")
    choose_other(page)
    assert shown.trial._earlier == ()
    assert page.composer.field.toPlainText() == "What is 2 plus 2?", "asked the same once more"
    page.composer.send.click()
    qtbot.waitUntil(lambda: not shown.trial.is_answering)
    assert answer_text(page, "tuned", 0) == first
    assert len(page.conversation.turns) == 2
    assert len(shown.trial._earlier) == 1


def test_an_answer_is_plain_text_and_is_copied_whole(shown: Nestling, qtbot: QtBot) -> None:
    text = "<b>bold</b> & <img src='x'>\n```\ncode\n```\nשלום 😀"
    shown.trial.asked.emit("Hi")
    shown.trial.event_received.emit(TextAdded("tuned", text))
    page = shown.playground
    assert answer_text(page, "tuned") == "", "drawn with the next refresh, not at once"
    qtbot.waitUntil(lambda: answer_text(page, "tuned") == text)
    answer = page.conversation.turns[0].answers["tuned"]
    answer.copy.click()
    assert QGuiApplication.clipboard().text() == text
    assert answer.text.height() > 5 * answer.text.fontMetrics().lineSpacing()


def test_a_long_answer_stays_in_sight_unless_one_scrolls_up(shown: Nestling, qtbot: QtBot) -> None:
    bar = shown.playground.conversation.verticalScrollBar()
    shown.trial.asked.emit("Hi")

    def add() -> None:
        shown.trial.event_received.emit(TextAdded("base", "line\n" * 60))

    add()
    qtbot.waitUntil(lambda: bar.maximum() > 300)
    assert bar.value() == bar.maximum()
    bar.setValue(0)
    before = bar.maximum()
    add()
    qtbot.waitUntil(lambda: bar.maximum() > before)
    assert bar.value() == 0


def test_starters_are_the_run_s_own_validation_questions(shown: Nestling, qtbot: QtBot) -> None:
    starters = shown.playground.starters
    assert [button.text() for button in starters] == [
        "What is 0 plus 0?", "What is 1 plus 1?", "What is 2 plus 2?",
    ]  # fmt: skip
    starters[1].click()
    assert shown.trial.is_answering
    qtbot.waitUntil(lambda: not shown.trial.is_answering)
    assert answer_text(shown.playground, "base")


def test_settings_hold_for_the_question_and_are_remembered(
    shown: Nestling, build: Callable[..., Nestling], qtbot: QtBot
) -> None:
    form = shown.playground.form
    form.temperature.setText("0.7")
    form.temperature.textEdited.emit("0.7")
    form.seed.setValue(5)
    assert form.sampling() == Sampling(0.7, 1.0, 6, 5)
    form.top_p.setText("3")
    form.top_p.textEdited.emit("3")
    assert "Top-p must be" in form.problem.text()
    begin(shown, "Hi")
    assert not shown.trial.is_answering
    assert shown.playground.composer.field.toPlainText() == "Hi"
    shown.shut_down()
    assert build().playground.form.sampling() == Sampling(0.7, 1.0, 6, 5)


def test_no_text_about_runs_appears_until_they_are_listed(
    shown: Nestling, build: Callable[..., Nestling], qtbot: QtBot
) -> None:
    second = build()
    second.window.show()
    second.window.show_place(Place.PLAYGROUND)
    seen = [second.playground.body.currentIndex()]
    second.playground.body.currentChanged.connect(seen.append)
    qtbot.waitUntil(lambda: second.trial.subject is not None)
    assert seen == [LOOKING, READY]
    assert second.window.focusWidget() is second.playground.composer.field


def test_a_question_goes_before_the_count_of_parameters(shown: Nestling, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: shown.state.preview is not None)
    gate = threading.Event()

    def hold(_should_stop: Callable[[], bool]) -> Iterator[object]:
        gate.wait()
        yield None

    shown.compute.submit("Holding the thread", hold)
    shown.preview.ask_again()
    qtbot.waitUntil(lambda: shown.preview._job is not None)
    begin(shown, "Hi")
    gate.set()
    with_counts: list[bool] = []
    shown.trial.ended.connect(lambda _: with_counts.append(shown.state.preview is not None))
    qtbot.waitUntil(lambda: not shown.trial.is_answering)
    assert with_counts == [False]
    qtbot.waitUntil(lambda: shown.state.preview is not None)


def test_an_empty_library_offers_the_sample(build: Callable[..., Nestling], qtbot: QtBot) -> None:
    nestling = build()
    nestling.window.show()
    nestling.window.show_place(Place.PLAYGROUND)
    page = nestling.playground
    assert page.body.currentIndex() == LOOKING
    qtbot.waitUntil(lambda: page.body.currentIndex() == EMPTY)
    assert not page.composer.isVisible()
    page.sample.click()
    assert nestling.window.place is Place.NEW_RUN
    qtbot.waitUntil(lambda: nestling.state.dataset is not None)


def test_a_run_that_was_deleted_makes_way_for_another(
    shown: Nestling, run_dir: Path, config: TrainingConfig, qtbot: QtBot
) -> None:
    list(train(config, runs_dir=runs_dir()))
    shutil.rmtree(run_dir)
    shown.try_commands.refresh()
    qtbot.waitUntil(lambda: _run_dir(shown) not in (run_dir, None))
    shutil.rmtree(runs_dir())
    shown.try_commands.refresh()
    qtbot.waitUntil(lambda: shown.trial.subject is None)
    assert shown.playground.body.currentIndex() == EMPTY


def test_closing_the_window_in_the_middle_of_an_answer_ends_well(
    shown: Nestling, qtbot: QtBot
) -> None:
    shown.playground.form.max_tokens.setValue(20_000)
    begin(shown, "Go on and on")
    qtbot.waitUntil(lambda: len(answer_text(shown.playground, "tuned")) > 5)
    shown.shut_down()
    assert not shown.compute._thread.isRunning()


def test_a_base_model_that_was_moved_is_found_again(
    make_model: Callable[..., Path],
    build: Callable[..., Nestling],
    config: TrainingConfig,
    tmp_path: Path,
    qtbot: QtBot,
) -> None:
    model = tmp_path / "model"
    shutil.copytree(config.model, model)
    list(train(replace(config, model=model), runs_dir=runs_dir()))
    model.rename(tmp_path / "moved")
    nestling = build(config)
    nestling.window.show()
    nestling.window.show_place(Place.PLAYGROUND)
    page = nestling.playground
    qtbot.waitUntil(lambda: page.find_model.isVisible())
    assert "is no longer at" in page.problem.text()
    page.form.max_tokens.setValue(3)
    ask(nestling, "Hi", qtbot)
    assert "There is no model folder at" in page.conversation.turns[0].problem.text()
    nestling.try_commands.use_model(make_model(hidden=64))
    assert not page.find_model.isVisible()
    ask(nestling, "Hi", qtbot)
    assert "does not fit the model" in page.conversation.turns[1].problem.text()
    nestling.try_commands.use_model(tmp_path / "moved")
    ask(nestling, "Hi", qtbot)
    assert answer_text(page, "tuned")


def test_a_base_model_other_than_the_run_s_is_noted_with_the_answers(
    shown: Nestling, tiny_model: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    change, sentence, _ = CHANGES["the template"]
    other = copied_model(tiny_model, tmp_path / "other")
    change(other)
    ask(shown, "Hi", qtbot)
    assert shown.playground.conversation.turns[-1].remark.text() == ""
    shown.try_commands.use_model(other)
    ask(shown, "Hi", qtbot)
    assert shown.playground.conversation.turns[-1].remark.text() == sentence.format(other)


def test_a_checkpoint_exported_while_its_base_model_is_another_says_so(
    shown: Nestling, run_dir: Path, tiny_model: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    _, sentence, hint = CHANGES["rope_theta"]
    other = copied_model(tiny_model, tmp_path / "other")
    manifest = json.loads((run_dir / "run.json").read_text())
    manifest["config"]["model"] = str(other)
    (run_dir / "run.json").write_text(json.dumps(manifest))
    notice = shown.window.notice.text
    shown.export.export_into(tmp_path, run_dir / "checkpoints" / "step-000004", "first")
    qtbot.waitUntil(lambda: f"{tmp_path / 'first-adapter'}. " in notice.text())
    assert notice.text().endswith("Copy the command that creates it.")
    CHANGES["rope_theta"][0](other)
    shown.export.export_into(tmp_path, run_dir / "checkpoints" / "step-000004", "second")
    qtbot.waitUntil(lambda: f"{tmp_path / 'second-adapter'}. " in notice.text())
    assert notice.text().endswith(f" {sentence.format(other)}")
    shown.window.show_place(Place.RUNS)
    shown.library_commands.open_run(run_dir)
    warning = shown.runs.opened.head.warning
    qtbot.waitUntil(lambda: warning.text() == sentence.format(other))
    assert warning.isVisible()
    facts = dict(base_model_facts(read_run(run_dir).details, read_run(run_dir).base_model))
    assert facts["Status"] == f"{sentence.format(other)} {hint}"
    assert facts["Weights"].startswith("model.safetensors ")
