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
from app.ui.playground.playground_page import EMPTY, LOOKING, READY, TALK, PlaygroundPage
from app.ui.playground.playground_session import IN_PROGRESS, PlaygroundSession
from app.ui.run.run_actions import RunActions
from app.ui.run.run_description import base_model_facts
from app.ui.state.run_loading import read_run
from app.ui.state.run_state import Phase
from app.ui.state.window_pages import Place
from app.window_services import Services
from tests.conftest import write_chats
from tests.homes import copied_run, train_at_home
from tests.other_base_models import CHANGES, copied_model
from tests.patience import PATIENCE_SECONDS
from tests.ui.page_windows import Playground


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
    run_dir: Path, playground: Playground, config: TrainingConfig, qtbot: QtBot
) -> Playground:
    """The Playground in sight, ready to ask the run's best checkpoint."""
    playground.services.state.replace_config(config)
    playground.window.show()
    prepare(playground, qtbot)
    return playground


@pytest.fixture
def whole(
    run_dir: Path, build: Callable[..., Nestling], config: TrainingConfig, qtbot: QtBot
) -> Nestling:
    """The whole window on that page."""
    made = build(config)
    made.window.show()
    made.window.show_place(Place.PLAYGROUND)
    prepare(playground_of(made), qtbot)
    return made


def playground_of(nestling: Nestling) -> Playground:
    return Playground(nestling, nestling.playground, nestling.window, nestling.try_commands)


def prepare(shown: Playground, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: shown.trial.subject is not None)
    shown.page.form.max_tokens.setValue(6)


def ask(shown: Playground, question: str, qtbot: QtBot) -> None:
    begin(shown, question)
    qtbot.waitUntil(lambda: not shown.trial.is_answering)


def begin(shown: Playground, question: str) -> None:
    shown.page.composer.field.setPlainText(question)
    shown.page.composer.send.click()


def answer_text(page: PlaygroundPage, side: str, turn: int = -1) -> str:
    return page.conversation.turns[turn].answers[side].text.toPlainText()  # type: ignore[index]


def test_both_answers_and_their_distance_are_shown(shown: Playground, qtbot: QtBot) -> None:
    page = shown.page
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


def test_a_second_turn_continues_each_side_s_own_answers(shown: Playground, qtbot: QtBot) -> None:
    lengths = []
    shown.trial.event_received.connect(
        lambda e: lengths.append((e.side, e.prompt_tokens)) if isinstance(e, AnswerEnded) else None
    )
    ask(shown, "What is 2 plus 2?", qtbot)
    ask(shown, "And 3?", qtbot)
    earlier = shown.trial._earlier
    assert [exchange.question for exchange in earlier] == ["What is 2 plus 2?", "And 3?"]
    assert earlier[0].tuned == answer_text(shown.page, "tuned", 0)
    assert all(count > 60 for _, count in lengths[2:]), "the first turn was not read again"
    shown.page.clear.click()
    assert shown.page.body.currentIndex() == READY
    lengths.clear()
    ask(shown, "And 3?", qtbot)
    assert all(count < 60 for _, count in lengths)


def test_a_checkpoint_is_tried_from_its_run(whole: Nestling, run_dir: Path, qtbot: QtBot) -> None:
    whole.window.show_place(Place.RUNS)
    whole.library_commands.open_run(run_dir)
    qtbot.waitUntil(lambda: whole.runs.opened_run_dir == run_dir)
    checkpoints = whole.runs.opened.checkpoints
    checkpoints.table.select_rows([1])
    checkpoints.attempt.click()
    assert whole.window.place is Place.PLAYGROUND
    qtbot.waitUntil(lambda: _step(whole) == 2)
    assert whole.playground.chooser.checkpoint.currentText().startswith("Step 2 · ")
    ask(playground_of(whole), "Hi", qtbot)
    assert answer_text(whole.playground, "tuned")


def _step(nestling: Nestling) -> int:
    return nestling.trial.subject.checkpoint.step if nestling.trial.subject else 0


def test_a_run_is_tried_from_the_list_and_after_training(
    whole: Nestling, config: TrainingConfig, run_dir: Path, qtbot: QtBot
) -> None:
    qtbot.waitUntil(lambda: whole.actions.start.isEnabled())
    whole.actions.start.trigger()
    qtbot.waitUntil(lambda: whole.state.phase is Phase.FINISHED)
    qtbot.waitUntil(whole.runs.opened.head.attempt.isVisible)
    whole.runs.opened.head.attempt.click()
    trained = whole.state.finished.run_dir  # type: ignore[union-attr]
    qtbot.waitUntil(lambda: _run_dir(whole.trial) == trained)
    whole.window.show_place(Place.RUNS)
    whole.runs.show_list()
    qtbot.waitUntil(lambda: whole.runs.list.runs.rowCount() == 2)
    whole.runs.list.selection.select(run_dir)
    whole.runs.list.buttons.attempt.click()
    qtbot.waitUntil(lambda: _run_dir(whole.trial) == run_dir)


def _run_dir(trial: PlaygroundSession) -> Path | None:
    subject = trial.subject
    return subject.tried.adapter_dir.parent.parent if subject else None


def test_a_stop_keeps_the_partial_answer_and_the_next_question_is_answered(
    shown: Playground, qtbot: QtBot
) -> None:
    page = shown.page
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
    shown: Playground, qtbot: QtBot, how: str
) -> None:
    page = shown.page
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
    shown: Playground, qtbot: QtBot
) -> None:
    """Another job occupies the compute thread, so that the question still waits."""
    gate = threading.Event()

    def holding(_: Callable[[], bool]) -> Iterator[object]:
        yield gate.wait(PATIENCE_SECONDS)

    shown.services.compute.submit("Holding", holding)
    begin(shown, "Hi")
    answers = shown.page.conversation.turns[0].answers
    assert answers["base"].status.text() == "Waiting…"
    shown.page.composer.stop.click()
    gate.set()
    qtbot.waitUntil(lambda: not shown.trial.is_answering)
    assert shown.trial._earlier == ()
    assert answers["base"].status.text() == "Stopped before the first word."


def choose_other(page: PlaygroundPage) -> None:
    other = page.chooser.checkpoint
    other.setCurrentIndex(1 - other.currentIndex())
    other.activated.emit(other.currentIndex())


def test_return_sends_and_shift_return_breaks_the_line(shown: Playground, qtbot: QtBot) -> None:
    field = shown.page.composer.field
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
    shown: Playground, run_dir: Path, qtbot: QtBot, damage: str
) -> None:
    folder = shown.trial.subject.tried.adapter_dir  # type: ignore[union-attr]
    if damage == "deleted":
        shutil.rmtree(folder)
    else:
        file = folder / "adapters.safetensors"
        file.write_bytes(file.read_bytes()[:-1])
    ask(shown, "Hi", qtbot)
    turn = shown.page.conversation.turns[0]
    words = "There is no checkpoint at" if damage == "deleted" else "changed since it was written"
    assert words in turn.problem.text()
    assert turn.problem.isVisible()
    assert not shown.trial._earlier
    choose_other(shown.page)
    ask(shown, "Hi", qtbot)
    assert answer_text(shown.page, "tuned")


def test_a_run_that_starts_stops_the_answer_and_frees_the_model(
    shown: Playground, actions: RunActions, qtbot: QtBot
) -> None:
    page, state = shown.page, shown.services.state
    shown.services.datasets.read_again()
    state.change_config(steps=100_000)
    page.form.max_tokens.setValue(5_000)
    qtbot.waitUntil(lambda: actions.start.isEnabled())
    begin(shown, "Go on and on")
    qtbot.waitUntil(lambda: len(answer_text(page, "tuned")) > 5)
    models: list[object] = []
    state.run_event_received.connect(lambda _: models.append(shown.trial._model._model))
    actions.start.trigger()
    qtbot.waitUntil(lambda: state.phase is Phase.RUNNING and bool(models))
    assert page.composer.reason.text() == IN_PROGRESS
    assert not page.composer.send.isEnabled()
    begin(shown, "Hi")
    assert len(page.conversation.turns) == 1
    qtbot.waitUntil(lambda: state.step is not None)
    actions.stop.trigger()
    qtbot.waitUntil(lambda: state.phase is Phase.FINISHED)
    assert models
    assert all(model is None for model in models)
    page.form.max_tokens.setValue(6)
    ask(shown, "Hi", qtbot)
    assert len(page.conversation.turns) == 2
    assert answer_text(page, "tuned")


def test_the_model_goes_some_time_after_the_page_was_left(shown: Playground, qtbot: QtBot) -> None:
    ask(shown, "Hi", qtbot)
    assert shown.trial._model._model is not None
    shown.page._idle.setInterval(0)
    shown.window.show_place(Place.NEW_RUN)
    qtbot.waitUntil(lambda: shown.trial._model._model is None)


def test_another_checkpoint_starts_a_new_conversation_and_nothing_is_lost(
    shown: Playground, qtbot: QtBot
) -> None:
    page = shown.page
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


def test_an_answer_is_plain_text_and_is_copied_whole(shown: Playground, qtbot: QtBot) -> None:
    text = "<b>bold</b> & <img src='x'>\n```\ncode\n```\nשלום 😀"
    shown.trial.asked.emit("Hi")
    shown.trial.event_received.emit(TextAdded("tuned", text))
    page = shown.page
    assert answer_text(page, "tuned") == "", "drawn with the next refresh, not at once"
    qtbot.waitUntil(lambda: answer_text(page, "tuned") == text)
    answer = page.conversation.turns[0].answers["tuned"]
    answer.copy.click()
    assert QGuiApplication.clipboard().text() == text
    assert answer.text.height() > 5 * answer.text.fontMetrics().lineSpacing()


def test_a_long_answer_stays_in_sight_unless_one_scrolls_up(whole: Nestling, qtbot: QtBot) -> None:
    bar = whole.playground.conversation.verticalScrollBar()
    whole.trial.asked.emit("Hi")

    def add() -> None:
        whole.trial.event_received.emit(TextAdded("base", "line\n" * 60))

    add()
    qtbot.waitUntil(lambda: bar.maximum() > 300)
    assert bar.value() == bar.maximum()
    bar.setValue(0)
    before = bar.maximum()
    add()
    qtbot.waitUntil(lambda: bar.maximum() > before)
    assert bar.value() == 0


def test_starters_are_the_run_s_own_validation_questions(shown: Playground, qtbot: QtBot) -> None:
    starters = shown.page.starters
    assert [button.text() for button in starters] == [
        "What is 0 plus 0?", "What is 1 plus 1?", "What is 2 plus 2?",
    ]  # fmt: skip
    starters[1].click()
    assert shown.trial.is_answering
    qtbot.waitUntil(lambda: not shown.trial.is_answering)
    assert answer_text(shown.page, "base")


def test_settings_hold_for_the_question_and_are_remembered(shown: Playground, qtbot: QtBot) -> None:
    form = shown.page.form
    form.temperature.setText("0.7")
    form.temperature.textEdited.emit("0.7")
    form.seed.setValue(5)
    assert form.sampling() == Sampling(0.7, 1.0, 6, 5)
    form.top_p.setText("3")
    form.top_p.textEdited.emit("3")
    assert "Top-p must be" in form.problem.text()
    begin(shown, "Hi")
    assert not shown.trial.is_answering
    assert shown.page.composer.field.toPlainText() == "Hi"
    shown.services.shut_down()
    again = Services()
    page = PlaygroundPage(again.trial, again.settings)
    qtbot.addWidget(page)
    again.shut_down()
    assert page.form.sampling() == Sampling(0.7, 1.0, 6, 5)


@pytest.mark.usefixtures("run_dir")
def test_no_text_about_runs_appears_until_they_are_listed(
    playground: Playground, qtbot: QtBot
) -> None:
    page = playground.page
    seen = [page.body.currentIndex()]
    page.body.currentChanged.connect(seen.append)
    playground.window.show()
    qtbot.waitUntil(lambda: playground.trial.subject is not None)
    assert seen == [LOOKING, READY]
    assert playground.window.focusWidget() is page.composer.field


def test_a_question_goes_before_the_count_of_parameters(whole: Nestling, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: whole.state.preview is not None)
    gate = threading.Event()

    def hold(_should_stop: Callable[[], bool]) -> Iterator[object]:
        gate.wait()
        yield None

    whole.compute.submit("Holding the thread", hold)
    whole.preview.ask_again()
    qtbot.waitUntil(lambda: whole.preview._job is not None)
    begin(playground_of(whole), "Hi")
    gate.set()
    with_counts: list[bool] = []
    state = whole.state
    whole.trial.ended.connect(lambda _: with_counts.append(state.preview is not None))
    qtbot.waitUntil(lambda: not whole.trial.is_answering)
    assert with_counts == [False]
    qtbot.waitUntil(lambda: whole.state.preview is not None)


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
    shown: Playground, run_dir: Path, config: TrainingConfig, qtbot: QtBot
) -> None:
    list(train(config, runs_dir=runs_dir()))
    shutil.rmtree(run_dir)
    shown.commands.refresh()
    qtbot.waitUntil(lambda: _run_dir(shown.trial) not in (run_dir, None))
    shutil.rmtree(runs_dir())
    shown.commands.refresh()
    qtbot.waitUntil(lambda: shown.trial.subject is None)
    assert shown.page.body.currentIndex() == EMPTY


def test_closing_the_window_in_the_middle_of_an_answer_ends_well(
    shown: Playground, qtbot: QtBot
) -> None:
    shown.page.form.max_tokens.setValue(20_000)
    begin(shown, "Go on and on")
    qtbot.waitUntil(lambda: len(answer_text(shown.page, "tuned")) > 5)
    shown.services.shut_down()
    assert not shown.services.compute._thread.isRunning()


def test_a_base_model_that_was_moved_is_found_again(
    make_model: Callable[..., Path], playground: Playground, config: TrainingConfig, tmp_path: Path,
    qtbot: QtBot,
) -> None:  # fmt: skip
    model = tmp_path / "model"
    shutil.copytree(config.model, model)
    list(train(replace(config, model=model), runs_dir=runs_dir()))
    model.rename(tmp_path / "moved")
    playground.window.show()
    page = playground.page
    qtbot.waitUntil(lambda: page.find_model.isVisible())
    assert "is no longer at" in page.problem.text()
    page.form.max_tokens.setValue(3)
    ask(playground, "Hi", qtbot)
    assert "There is no model folder at" in page.conversation.turns[0].problem.text()
    playground.commands.use_model(make_model(hidden=64))
    assert not page.find_model.isVisible()
    ask(playground, "Hi", qtbot)
    assert "does not fit the model" in page.conversation.turns[1].problem.text()
    playground.commands.use_model(tmp_path / "moved")
    ask(playground, "Hi", qtbot)
    assert answer_text(page, "tuned")


def test_a_base_model_other_than_the_run_s_is_noted_with_the_answers(
    shown: Playground, tiny_model: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    change, sentence, _ = CHANGES["the template"]
    other = copied_model(tiny_model, tmp_path / "other")
    change(other)
    ask(shown, "Hi", qtbot)
    assert shown.page.conversation.turns[-1].remark.text() == ""
    shown.commands.use_model(other)
    ask(shown, "Hi", qtbot)
    assert shown.page.conversation.turns[-1].remark.text() == sentence.format(other)


def test_a_checkpoint_exported_while_its_base_model_is_another_says_so(
    whole: Nestling, run_dir: Path, tiny_model: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    _, sentence, hint = CHANGES["rope_theta"]
    other = copied_model(tiny_model, tmp_path / "other")
    manifest = json.loads((run_dir / "run.json").read_text())
    manifest["config"]["model"] = str(other)
    (run_dir / "run.json").write_text(json.dumps(manifest))
    notice = whole.window.notice.text
    whole.export.export_into(tmp_path, run_dir / "checkpoints" / "step-000004", "first")
    qtbot.waitUntil(lambda: f"{tmp_path / 'first-adapter'}. " in notice.text())
    assert notice.text().endswith("Copy the command that creates it.")
    CHANGES["rope_theta"][0](other)
    whole.export.export_into(tmp_path, run_dir / "checkpoints" / "step-000004", "second")
    qtbot.waitUntil(lambda: f"{tmp_path / 'second-adapter'}. " in notice.text())
    assert notice.text().endswith(f" {sentence.format(other)}")
    whole.window.show_place(Place.RUNS)
    whole.library_commands.open_run(run_dir)
    warning = whole.runs.opened.head.warning
    qtbot.waitUntil(lambda: warning.text() == sentence.format(other))
    assert warning.isVisible()
    facts = dict(base_model_facts(read_run(run_dir).details, read_run(run_dir).base_model))
    assert facts["Status"] == f"{sentence.format(other)} {hint}"
    assert facts["Weights"].startswith("model.safetensors ")
