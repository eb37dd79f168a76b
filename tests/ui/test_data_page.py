"""The Data page in the real window: looked at, mapped, measured, mended."""

import json
from collections.abc import Callable
from html import unescape
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from app.application import Nestling
from app.core.config.training_config import MixedDataset, TrainingConfig
from app.ui.data.data_page import COLUMNS, PROBLEMS, STATISTICS
from app.ui.data.dataset_text import DECIDE_PACE, share
from app.ui.new_run.plan_preview import NO_ROWS
from app.ui.state.window_pages import Place
from tests.ui.row_texts import row_text

Drop = Callable[[QWidget, Path], bool]


def tokens_are_there(nestling: Nestling) -> Callable[[], bool]:
    return lambda: nestling.data_work.statistics.statistics is not None


def shown(nestling: Nestling) -> str:
    return nestling.data.rows.text.toPlainText()


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """200 short texts, one of them long."""
    path = tmp_path / "many.jsonl"
    texts = [f"text number {i}" + " and more" * (50 if i == 120 else 0) for i in range(200)]
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return path


@pytest.fixture
def unmapped(tmp_path: Path) -> Path:
    path = tmp_path / "letters.csv"
    rows = "".join(f"{i},the question {i},the answer {i}\n" for i in range(30))
    path.write_text(f"n,asked,answered\n{rows}")
    return path


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    path = tmp_path / "bad.jsonl"
    good = [json.dumps({"text": f"A sentence {i}."}) for i in range(20)]
    path.write_text("\n".join([*good[:9], "{oops", *good[9:], '{"text": ""}', good[3], "{"]) + "\n")
    return path


@pytest.fixture
def bad_is_open(nestling: Nestling, bad: Path, qtbot: QtBot) -> None:
    """The window shows what is wrong with the file."""
    nestling.commands.open_path(bad)
    qtbot.waitUntil(lambda: nestling.window.place is Place.DATA)


def test_a_drop_shows_the_first_rows_and_then_how_the_model_sees_them(
    nestling: Nestling, drop: Drop, chat_file: Path, qtbot: QtBot
) -> None:
    nestling.window.show_place(Place.DATA)
    assert drop(nestling.window, chat_file)
    qtbot.waitUntil(lambda: "What is 0 plus 0?" in shown(nestling))
    qtbot.waitUntil(lambda: "<|im_start|>assistant" in shown(nestling))
    assert nestling.window.place is Place.DATA, "a drop does not lead away from here"
    qtbot.waitUntil(tokens_are_there(nestling))
    assert nestling.data.status.text.text() == "Tokenized. Ready to train."
    assert nestling.data.rows.total.text() == "of 40"


def test_the_data_card_leads_to_the_page(nestling: Nestling, chat_file: Path, qtbot: QtBot) -> None:
    card = nestling.new_run.data
    assert not card.look_closer.isVisible()
    nestling.commands.open_path(chat_file)
    qtbot.waitUntil(nestling.actions.start.isEnabled)
    assert nestling.window.place is Place.NEW_RUN, "a good dataset needs nobody"
    qtbot.mouseClick(card.look_closer, Qt.MouseButton.LeftButton)
    assert nestling.window.place is Place.DATA


def test_any_row_can_be_gone_to(nestling: Nestling, many: Path, qtbot: QtBot) -> None:
    rows, preview = nestling.data.rows, nestling.data_work.preview
    nestling.commands.open_path(many)
    qtbot.waitUntil(tokens_are_there(nestling))
    qtbot.waitUntil(lambda: rows.number.maximum() == 200)
    rows.number.setValue(150)
    qtbot.waitUntil(lambda: preview.first == 149 and "text number 149" in shown(nestling))
    assert "Row 150 · line 150" in shown(nestling)
    rows.next.click()
    qtbot.waitUntil(lambda: "Row 155 " in shown(nestling))
    rows.previous.click()
    rows.previous.click()
    qtbot.waitUntil(lambda: "Row 145 " in shown(nestling))
    rows.first.click()
    qtbot.waitUntil(lambda: "Row 1 " in shown(nestling))
    assert not rows.previous.isEnabled()
    preview.go_to(10**6)
    qtbot.waitUntil(lambda: "Row 200 " in shown(nestling))
    assert not rows.next.isEnabled()


def test_cut_text_is_struck_through(nestling: Nestling, many: Path, qtbot: QtBot) -> None:
    nestling.state.change_config(max_seq_length=64)
    nestling.commands.open_path(many)
    qtbot.waitUntil(tokens_are_there(nestling))
    nestling.data_work.preview.go_to(120)
    qtbot.waitUntil(lambda: "Row 121 " in shown(nestling))
    page = nestling.data.rows.text
    cut = [row.cut_tokens for row in nestling.data_work.preview.rows]
    assert [count > 0 for count in cut] == [True, False, False, False, False]
    block, struck, plain = page.document().begin(), "", ""
    while block.isValid():
        for piece in block:  # type: ignore[attr-defined]
            fragment = piece.fragment()
            if fragment.charFormat().fontStrikeOut():
                struck += fragment.text()
            else:
                plain += fragment.text()
        block = block.next()
    assert "more" in struck
    assert "text number 121" in plain


def test_dragging_the_line_changes_the_limit_and_its_description(
    nestling: Nestling, many: Path, qtbot: QtBot
) -> None:
    nestling.window.show_place(Place.DATA)
    nestling.data.show_view(STATISTICS)
    nestling.commands.open_path(many)
    qtbot.waitUntil(tokens_are_there(nestling))
    view = nestling.data.statistics
    assert view.effect.text().startswith("No row is cut: the longest has")
    plot = view.plot
    assert plot is not None
    plot.line.setValue(8.0)  # as a drag does
    plot.line.sigDragged.emit(plot.line)
    qtbot.waitUntil(lambda: nestling.state.config.max_seq_length == 256)
    assert view.effect.text() == "1 validation row (5 %) is cut at the limit."
    assert nestling.new_run.form.fields["max_seq_length"].control.value() == 256  # type: ignore[attr-defined]
    figures = {figure.name: figure.value for figure in view.counted.shown}
    statistics = nestling.data_work.statistics.statistics
    assert statistics is not None
    assert figures["Tokens"] == f"{statistics.train.usable_tokens(256):,}"
    assert figures["Examples"] == "180 to train on"
    kinds = nestling.data.problems.counts
    qtbot.waitUntil(lambda: nestling.data.problems.counts.get("too long") == 1)
    assert kinds is not None
    qtbot.waitUntil(lambda: nestling.data.problems.model.rowCount() == 1)
    assert "Line 121" in row_text(nestling.data.problems.model, 0)


def test_the_run_s_time_appears_once_the_speed_was_measured(
    nestling: Nestling, chat_file: Path, make_run: Callable[..., Path], qtbot: QtBot
) -> None:
    nestling.commands.open_path(chat_file)
    qtbot.waitUntil(tokens_are_there(nestling))
    view = nestling.data.statistics
    run = {figure.name: figure for figure in view.run.shown}
    assert run["Steps per epoch"].value == "9", "36 rows in batches of 4"
    assert run["Time"].value == "Not known yet"
    home = Path(nestling.control._runs_dir)
    make_run(home / "20260101-cats", model=nestling.state.config.model)
    nestling.data_work.statistics._look_up_speed()
    qtbot.waitUntil(lambda: nestling.data_work.statistics.speed is not None)
    timed = next(figure for figure in view.run.shown if figure.name == "Time")
    assert timed.value.startswith("about ")
    assert timed.note == "Based on “cats” (8 tokens/s; different settings)"
    config = nestling.state.config
    alike = {name: getattr(config, name) for name in DECIDE_PACE}
    make_run(home / "20270101-dogs", model=config.model, name="dogs", **alike)
    nestling.data_work.statistics._look_up_speed()
    qtbot.waitUntil(lambda: nestling.data_work.statistics.speed.run == "dogs")  # type: ignore[union-attr]
    timed = next(figure for figure in view.run.shown if figure.name == "Time")
    assert timed.note == "Based on “dogs” (8 tokens/s)"


def test_a_double_click_and_return_show_the_whole_row(
    nestling: Nestling, drop: Drop, bad: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Path] = []
    monkeypatch.setattr("app.ui.system.file_manager.open_text", lambda path: asked.append(path))
    assert drop(nestling.window, bad)
    qtbot.waitUntil(lambda: nestling.window.place is Place.DATA)
    view = nestling.data.problems
    lines = bad.read_text().splitlines()
    view.kind.setCurrentIndex(view.kind.findData("empty"))
    table = view.table
    place = table.visualRect(view.model.index(0, 1)).center()
    qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=place)
    qtbot.mouseDClick(table.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert view.opened is not None
    assert view.opened.windowTitle() == "bad.jsonl, line 22"
    qtbot.waitUntil(lambda: view.opened.text.toPlainText() == lines[21])
    qtbot.mouseClick(view.opened.copy, Qt.MouseButton.LeftButton)
    assert QGuiApplication.clipboard().text() == lines[21]
    assert "line 22" in view.opened.open_file.toolTip()
    qtbot.mouseClick(view.opened.open_file, Qt.MouseButton.LeftButton)
    assert asked == [bad]
    assert nestling.window.notice.isVisible()  # no program opens it here
    view.opened.accept()
    qtbot.waitUntil(lambda: view.opened is None)
    view.kind.setCurrentIndex(0)
    view.table.select_rows([0])
    qtbot.keyClick(table, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: view.opened and view.opened.text.toPlainText() == lines[9])


def test_a_dataset_with_bad_rows_leads_to_its_problems(
    nestling: Nestling, drop: Drop, bad: Path, qtbot: QtBot
) -> None:
    assert drop(nestling.window, bad)
    qtbot.waitUntil(lambda: nestling.window.place is Place.DATA)
    view = nestling.data.problems
    assert nestling.data.tabs.currentIndex() == PROBLEMS
    assert view.counts == {"broken json": 2, "empty": 1, "duplicate": 1}
    assert nestling.data.tabs.tabText(PROBLEMS) == "Problems (4)"
    assert "Line 10" in row_text(view.model, 0)
    view.kind.setCurrentIndex(view.kind.findData("empty"))
    assert view.kind.currentText() == "Empty (1)"
    assert view.model.rowCount() == 1
    view.table.select_rows([0])
    qtbot.waitUntil(lambda: view.line.text() == bad.read_text().splitlines()[21])
    view.copy.click()
    copied = QGuiApplication.clipboard().text()
    assert copied.split("\t")[:3] == ["Empty", "bad.jsonl", "Line 22"]
    status = nestling.data.status.text.text()
    assert status == "Not tokenized: fix or skip the rows that can't be used."
    revealed: list[Path] = []
    nestling.data.reveal_requested.disconnect(nestling.commands.reveal)
    nestling.data.reveal_requested.connect(revealed.append)
    view.reveal.click()
    assert revealed == [bad]


def write_calls(path: Path, plain: int) -> Path:
    """Chats with calls of tools, which the starter model's template refuses, and plain ones."""
    asked = {"role": "user", "content": "add 1 and 2"}
    reply = {"role": "assistant", "content": "three"}
    call = {"type": "function", "function": {"name": "add", "arguments": {"a": 1}}}
    calling = {"role": "assistant", "content": "", "tool_calls": [call]}
    result = {"role": "tool", "content": "3"}
    rows = [{"messages": [asked, calling, result, reply]}] * 6 + [
        {"messages": [asked, reply]}
    ] * plain
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_dataset_refused_by_the_model_is_reported(
    nestling: Nestling, tmp_path: Path, qtbot: QtBot
) -> None:
    nestling.file_opener.use_starter_model()
    nestling.commands.open_path(write_calls(tmp_path / "calls.jsonl", plain=0))
    work, page = nestling.data_work, nestling.data
    qtbot.waitUntil(lambda: work.tokenization.done is not None)
    qtbot.waitUntil(lambda: not nestling.actions.start.isEnabled())
    reason = "No training row can be used: calls.jsonl, line 1: the model's chat template "
    assert page.status.problem.text().startswith(reason)
    assert not page.status.text.text()
    assert nestling.state.start_blocker().startswith(reason)
    assert nestling.new_run.header.problem.text().startswith(reason)
    assert nestling.actions.start.toolTip().startswith(reason)
    assert not nestling.actions.queue.isEnabled()
    (figure,) = page.statistics.run.shown
    assert (figure.value, figure.note) == ("Can't start", nestling.state.rows_problem)
    assert work.preview.total == 6, "its rows can be looked at all the same"
    qtbot.waitUntil(lambda: "add 1 and 2" in shown(nestling))
    nothing_follows = "As in the file. The model can use none of these."
    qtbot.waitUntil(lambda: page.rows.note.text() == nothing_follows)
    assert page.statistics._waiting.text() == "No row could be tokenized."
    assert nestling.new_run.data.problem.text() == nestling.state.rows_problem
    qtbot.waitUntil(lambda: page.problems.counts == {"refused by the model": 6, "duplicate": 5})
    nestling.commands.open_path(write_calls(tmp_path / "some.jsonl", plain=5))
    qtbot.waitUntil(lambda: work.preview.total == 5)
    assert page.status.text.text() == (
        "Tokenized. The model refuses 6 rows, which are left out; see Problems."
    )
    assert nestling.actions.start.isEnabled()


def test_a_run_of_too_few_rows_can_t_be_started(
    nestling: Nestling, many: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    """Each time the same sentence that a run would end with."""
    state, start = nestling.state, nestling.actions.start
    state.change_config(batch_size=200, validation_split=0.5)
    nestling.commands.open_path(many)
    qtbot.waitUntil(lambda: bool(state.rows_problem))
    assert not start.isEnabled()
    assert state.start_blocker() == (
        "There are 100 training rows, fewer than the batch size of 200. "
        "Lower the batch size, or add rows."
    )
    state.change_config(batch_size=4)
    assert start.isEnabled(), "told at once: the rows are the same"
    state.change_config(max_seq_length=8)
    assert not start.isEnabled()
    assert state.start_blocker().startswith(
        "Every training row is longer than the limit of 8 tokens; the shortest has 1"
    )
    state.change_config(max_seq_length=2048)
    assert start.isEnabled()
    old = tmp_path / "old.jsonl"
    old.write_text("".join(many.read_text().splitlines(keepends=True)[:1]))
    state.change_config(mix=(MixedDataset(old, 0.1),))
    qtbot.waitUntil(lambda: len(nestling.data_work.statistics.all) == 2)
    seeds = 0
    while start.isEnabled():  # until its only row is drawn for validation
        seeds += 1
        state.change_config(seed=seeds)
        measured = nestling.data_work.statistics.all
        qtbot.waitUntil(lambda before=measured: nestling.data_work.statistics.all is not before)
    assert state.start_blocker() == (
        "No row of the mixed-in old is left to train on: all are validation rows. "
        "Use a smaller validation split, or none."
    )


@pytest.mark.usefixtures("bad_is_open")
def test_bad_rows_are_left_out_on_request(nestling: Nestling, qtbot: QtBot) -> None:
    assert not nestling.actions.start.isEnabled()
    qtbot.mouseClick(nestling.data.problems.leave_out, Qt.MouseButton.LeftButton)
    assert nestling.state.config.bad_rows == "skip"
    qtbot.waitUntil(tokens_are_there(nestling))
    assert nestling.actions.start.isEnabled()
    assert nestling.data_work.preview.total == 21
    assert nestling.data.problems.counts.get("refused by the model") is None


@pytest.mark.usefixtures("bad_is_open")
def test_a_corrected_file_is_read_again(nestling: Nestling, bad: Path, qtbot: QtBot) -> None:
    bad.write_text("".join(json.dumps({"text": f"Right {i}."}) + "\n" for i in range(30)))
    nestling.data.problems.reread.click()
    assert nestling.state.is_inspecting
    qtbot.waitUntil(tokens_are_there(nestling))
    qtbot.waitUntil(lambda: "Right 0." in shown(nestling))
    assert nestling.data_work.preview.total == 30
    assert nestling.data.problems.counts == {}


def test_columns_are_mapped_tried_used_and_remembered(
    nestling: Nestling, unmapped: Path, chat_file: Path, qtbot: QtBot
) -> None:
    nestling.commands.open_path(unmapped)
    qtbot.waitUntil(lambda: nestling.window.place is Place.DATA)
    view = nestling.data.columns
    assert nestling.data.tabs.currentIndex() == COLUMNS
    qtbot.waitUntil(lambda: list(view.roles) == ["n", "asked", "answered"])
    assert "needs messages" in nestling.new_run.rows.problem.text()
    assert nestling.new_run.header.show_data.text() == "Map Columns…"
    assert not view.use.isEnabled()
    assert {box.itemText(0) for box in view.roles.values()} == {"Not used"}
    choose(view.roles["asked"], "prompt")
    assert "but none to completion" in view.problem.text()
    assert not view.use.isEnabled()
    choose(view.roles["answered"], "completion")
    qtbot.waitUntil(lambda: "the answer 2" in view.tried.toPlainText())
    qtbot.mouseClick(view.use, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(tokens_are_there(nestling))
    assert nestling.state.config.columns == "prompt=asked, completion=answered"
    assert nestling.actions.start.isEnabled()

    nestling.commands.open_path(chat_file)  # another file's columns are not this one's
    qtbot.waitUntil(lambda: nestling.state.config.data == chat_file)
    assert nestling.state.config.columns == ""
    nestling.commands.open_path(unmapped)
    qtbot.waitUntil(lambda: nestling.state.config.data == unmapped)
    assert nestling.state.config.columns == "prompt=asked, completion=answered"
    qtbot.waitUntil(lambda: "asked" in view.roles)
    assert view.roles["asked"].currentData() == "prompt"

    qtbot.mouseClick(view.reset, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: nestling.state.config.columns == "")
    qtbot.waitUntil(lambda: not nestling.state.is_inspecting)
    nestling.commands.open_path(unmapped)
    qtbot.waitUntil(lambda: not nestling.state.is_inspecting)
    assert nestling.state.config.columns == "", "forgotten"


def test_while_columns_are_unmapped_only_the_mapping_is_offered(
    nestling: Nestling, unmapped: Path, qtbot: QtBot
) -> None:
    nestling.commands.open_path(unmapped)
    qtbot.waitUntil(lambda: nestling.window.place is Place.DATA)
    page, view = nestling.data, nestling.data.columns
    qtbot.waitUntil(lambda: list(view.roles) == ["n", "asked", "answered"])
    reason = (
        "These columns aren't recognized: line 2 needs messages, prompt and completion, or text; "
        "found n, asked, answered. Choose their roles."
    )
    qtbot.waitUntil(lambda: view.how.text() == reason)
    assert (page.use.isEnabled(), page.use.objectName()) == (False, "")
    assert "Choose roles under Columns first." in page.use.toolTip()
    card, header = nestling.new_run.data, nestling.new_run.header
    unrecognized = "These columns aren't recognized. Map them first."
    assert header.problem.text() == nestling.state.start_blocker() == unrecognized
    assert (header.show_data.text(), card.problem.isHidden()) == ("Map Columns…", True)
    rows = nestling.new_run.rows.text
    assert (rows.toPlainText(), rows.placeholderText()) == ("", NO_ROWS)
    assert header.pill.text() == "Not ready"
    choose(view.roles["asked"], "prompt")
    choose(view.roles["answered"], "completion")
    assert (view.use.isEnabled(), view.use.objectName()) == (True, "primary")
    assert page.use.objectName() == ""
    view.use.click()
    qtbot.waitUntil(tokens_are_there(nestling))
    assert (page.use.isEnabled(), page.use.objectName()) == (True, "primary")
    assert page.use.toolTip() == ""
    assert card.problem.isHidden()


@pytest.mark.usefixtures("bad_is_open")
def test_rows_that_can_t_be_used_are_put_right_before_the_run_is_shown(
    nestling: Nestling, qtbot: QtBot
) -> None:
    assert not nestling.data.use.isEnabled()
    tip = unescape(nestling.data.use.toolTip())
    assert "The dataset has rows that can't be used." in tip
    nestling.data.problems.leave_out.click()
    assert nestling.data.use.isEnabled()


def test_a_column_used_by_its_name_is_not_marked_unused(
    nestling: Nestling, tmp_path: Path, qtbot: QtBot
) -> None:
    path = tmp_path / "named.csv"
    path.write_text("question,answer\n" + "".join(f"what {i},that {i}\n" for i in range(20)))
    nestling.commands.open_path(path)
    view = nestling.data.columns
    qtbot.waitUntil(lambda: list(view.roles) == ["question", "answer"])
    assert {box.currentText() for box in view.roles.values()} == {"Automatic"}
    choose(view.roles["question"], "prompt")
    assert view.roles["answer"].currentText() == "Not used", "roles decide alone"


def test_rows_nested_in_one_column_are_reported_and_no_mapping_is_offered(
    nestling: Nestling, tmp_path: Path, qtbot: QtBot
) -> None:
    path = tmp_path / "inside.jsonl"
    path.write_text('{"id": 1, "talk": {"question": "what", "answer": "that"}}\n' * 3)
    nestling.commands.open_path(path)
    qtbot.waitUntil(lambda: nestling.data.tabs.currentIndex() == PROBLEMS)
    assert "Keeps question, answer inside 'talk'" in row_text(nestling.data.problems.model, 0)
    qtbot.waitUntil(lambda: nestling.data_work.preview.looked is not None)
    rows = nestling.data.rows
    assert rows.map.isHidden()
    assert rows.text.placeholderText() == ""
    (figure,) = nestling.data.statistics.run.shown
    assert (figure.value, figure.note) == (
        "Can't start", "The dataset has no example that can be trained on."
    )  # fmt: skip


def choose(box: object, role: str) -> None:
    box.choose(role)  # type: ignore[attr-defined]
    box.activated.emit(box.currentIndex())  # type: ignore[attr-defined]


def test_the_split_is_counted_on_both_sides(
    nestling: Nestling, chat_file: Path, qtbot: QtBot
) -> None:
    nestling.commands.open_path(chat_file)
    qtbot.waitUntil(tokens_are_there(nestling))
    split = nestling.data.statistics.split
    assert split.counts.text() == "36 rows to train on, 4 to validate on."
    split.slider.setValue(50)
    assert nestling.state.config.validation_split == 0.25
    qtbot.waitUntil(lambda: split.counts.text() == "30 rows to train on, 10 to validate on.")
    split.slider.setValue(0)
    everything = "40 rows to train on; nothing is validated."
    qtbot.waitUntil(lambda: split.counts.text() == everything)
    seed = nestling.state.config.seed
    split.draw.click()
    assert nestling.state.config.seed == seed + 1


def test_without_a_dataset_the_page_says_how_to_give_one(
    build: Callable[..., Nestling], tiny_model: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    nestling = build(TrainingConfig(model=tiny_model))
    nestling.window.show()
    nestling.window.show_place(Place.DATA)
    assert nestling.data._title.text() == "No Dataset Yet"
    assert nestling.data.sample.isVisible()
    path = tmp_path / "empty.csv"
    path.write_text("a,b\n")
    nestling.commands.open_path(path)
    assert nestling.data._title.text() == "Reading…"
    assert nestling.data.cancel.isVisible()
    qtbot.waitUntil(lambda: nestling.state.dataset_failure is not None)
    assert nestling.data._title.text() == "This can't be used"
    assert "empty.csv" in nestling.data.problem.text()


def test_reading_can_be_cancelled_and_the_dataset_before_stays(
    nestling: Nestling, chat_file: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    nestling.window.show_place(Place.DATA)
    nestling.commands.open_path(chat_file)
    qtbot.waitUntil(tokens_are_there(nestling))
    big = tmp_path / "big.jsonl"
    line = json.dumps({"text": "words " * 50})
    big.write_text(f"{line}\n" * 200_000)
    nestling.commands.open_path(big)
    qtbot.waitUntil(lambda: "words" in shown(nestling))
    qtbot.mouseClick(nestling.data.status.stop, Qt.MouseButton.LeftButton)
    assert not nestling.state.is_inspecting
    assert nestling.state.config.data == chat_file
    qtbot.waitUntil(lambda: "What is 0 plus 0?" in shown(nestling))
    qtbot.waitUntil(tokens_are_there(nestling))


@pytest.mark.parametrize(
    ("part", "whole", "words"),
    [(0, 9, "0 %"), (1, 3, "33.3 %"), (1, 10**6, "less than 0.1 %"),
     (10**6 - 1, 10**6, "more than 99.9 %"), (5, 5, "100 %"), (0, 0, "0 %")],
)  # fmt: skip
def test_a_share_is_never_rounded_to_nothing_or_all(part: int, whole: int, words: str) -> None:
    assert share(part, whole) == words


def test_rows_that_share_a_line_are_all_listed(
    nestling: Nestling, tmp_path: Path, qtbot: QtBot
) -> None:
    path = tmp_path / "one_line.json"
    first, last = (
        {"messages": [{"role": "assistant", "content": content}]} for content in ("first", "last")
    )
    good = [{"text": f"A sentence {i}."} for i in range(12)]
    path.write_text(json.dumps([{"text": ""}, first, *good, last]))
    nestling.state.change_config(bad_rows="skip")
    nestling.commands.open_path(path)
    qtbot.waitUntil(tokens_are_there(nestling))
    view = nestling.data.problems
    assert view.counts == {"empty": 1, "refused by the model": 2}
    listed = [row_text(view.model, row).split("\t") for row in range(view.model.rowCount())]
    assert [cells[2] for cells in listed] == ["Row 1", "Row 2", "Row 15"]
    assert "Row 1 · row 3 of the file ·" in shown(nestling)


def test_parts_left_out_by_the_model_are_shown_at_the_row_and_among_the_problems(
    nestling: Nestling, tmp_path: Path, qtbot: QtBot
) -> None:
    """Which keys it leaves out is measured, and no longer guessed, once there are tokens."""
    folder = tmp_path / "chats"
    folder.mkdir()
    reply = {"role": "assistant", "content": "good"}
    rows = [
        [{"role": "user", "content": "how?"}, {**reply, "reasoning_content": "they ask"}],
        *([{"role": "user", "content": "and?", key: "x"}, reply] for key in ("mood", "name")),
    ]
    lines = "".join(json.dumps({"messages": turns}) + "\n" for turns in rows)
    (folder / "train.jsonl").write_text(lines)
    (folder / "test.jsonl").write_text(lines)
    nestling.commands.open_path(folder)
    qtbot.waitUntil(tokens_are_there(nestling))
    problems = nestling.data.problems
    qtbot.waitUntil(lambda: problems.counts == {"thoughts left out": 1, "unused key": 2})
    model = problems.model
    assert [[model.index(row, column).data() for column in (0, 2, 3)] for row in range(3)] == [
        ["Thoughts left out", "Line 1", "Has thoughts that the model's chat template leaves out."],
        ["Unused key", "Line 2", "Has mood in its turns, which few chat templates write."],
        ["Unused key", "Line 3", "Has keys in its turns that are left out."],
    ]
    qtbot.waitUntil(lambda: "trained · thoughts left out" in shown(nestling))
    assert ("Not read", "test.jsonl") in [
        (figure.name, figure.value) for figure in nestling.data.statistics.counted.shown
    ]


def test_a_long_name_ends_in_an_ellipsis(
    nestling: Nestling, chat_file: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    long = tmp_path / f"{'a_very_long_name_' * 8}.jsonl"
    long.write_bytes(chat_file.read_bytes())
    nestling.window.resize(820, 560)
    nestling.commands.open_path(long)
    nestling.window.show_place(Place.DATA)
    qtbot.waitUntil(lambda: nestling.data.name.shown_text().endswith("…"))
    assert nestling.data.use.geometry().right() <= nestling.data.width()
