"""The Data page: looked at, mapped, measured, mended."""

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
from app.core.config.training_config import MixedDataset
from app.ui.data.data_page import COLUMNS, PROBLEMS, STATISTICS, DataPage
from app.ui.data.dataset_text import DECIDE_PACE, share
from app.ui.new_run.new_run_page import NewRunPage
from app.ui.new_run.plan_preview import NO_ROWS
from app.ui.run.run_actions import RunActions
from app.ui.state.window_pages import Place
from app.window_services import Services
from tests.ui.resting_jobs import INSPECTION, RestingInspection
from tests.ui.row_texts import row_text

Drop = Callable[[QWidget, Path], bool]


def tokens_are_there(services: Services) -> Callable[[], bool]:
    return lambda: services.data_work.statistics.statistics is not None


def shown(page: DataPage) -> str:
    return page.rows.text.toPlainText()


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
def bad_is_open(services: Services, data_page: DataPage, bad: Path, qtbot: QtBot) -> None:
    """The window shows what is wrong with the file."""
    services.file_opener.open_path(bad)
    qtbot.waitUntil(lambda: data_page.tabs.currentIndex() == PROBLEMS)


def test_a_drop_shows_the_first_rows_and_then_how_the_model_sees_them(
    nestling: Nestling, drop: Drop, chat_file: Path, qtbot: QtBot
) -> None:
    nestling.window.show_place(Place.DATA)
    assert drop(nestling.window, chat_file)
    qtbot.waitUntil(lambda: "What is 0 plus 0?" in shown(nestling.data))
    qtbot.waitUntil(lambda: "<|im_start|>assistant" in shown(nestling.data))
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


def test_any_row_can_be_gone_to(
    services: Services, data_page: DataPage, many: Path, qtbot: QtBot
) -> None:
    rows, preview = data_page.rows, services.data_work.preview
    services.file_opener.open_path(many)
    qtbot.waitUntil(tokens_are_there(services))
    qtbot.waitUntil(lambda: rows.number.maximum() == 200)
    rows.number.setValue(150)
    qtbot.waitUntil(lambda: preview.first == 149 and "text number 149" in shown(data_page))
    assert "Row 150 · line 150" in shown(data_page)
    rows.next.click()
    qtbot.waitUntil(lambda: "Row 155 " in shown(data_page))
    rows.previous.click()
    rows.previous.click()
    qtbot.waitUntil(lambda: "Row 145 " in shown(data_page))
    rows.first.click()
    qtbot.waitUntil(lambda: "Row 1 " in shown(data_page))
    assert not rows.previous.isEnabled()
    preview.go_to(10**6)
    qtbot.waitUntil(lambda: "Row 200 " in shown(data_page))
    assert not rows.next.isEnabled()


def test_cut_text_is_struck_through(
    services: Services, data_page: DataPage, many: Path, qtbot: QtBot
) -> None:
    services.state.change_config(max_seq_length=64)
    services.file_opener.open_path(many)
    qtbot.waitUntil(tokens_are_there(services))
    services.data_work.preview.go_to(120)
    qtbot.waitUntil(lambda: "Row 121 " in shown(data_page))
    page = data_page.rows.text
    cut = [row.cut_tokens for row in services.data_work.preview.rows]
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
    services: Services, new_run_page: NewRunPage, data_page: DataPage, many: Path, qtbot: QtBot
) -> None:
    data_page.statistics.load()
    data_page.show_view(STATISTICS)
    services.file_opener.open_path(many)
    qtbot.waitUntil(tokens_are_there(services))
    view = data_page.statistics
    assert view.effect.text().startswith("No row is cut: the longest has")
    plot = view.plot
    assert plot is not None
    plot.line.setValue(8.0)  # as a drag does
    plot.line.sigDragged.emit(plot.line)
    qtbot.waitUntil(lambda: services.state.config.max_seq_length == 256)
    assert view.effect.text() == "1 validation row (5 %) is cut at the limit."
    assert new_run_page.form.fields["max_seq_length"].control.value() == 256  # type: ignore[attr-defined]
    figures = {figure.name: figure.value for figure in view.counted.shown}
    statistics = services.data_work.statistics.statistics
    assert statistics is not None
    assert figures["Tokens"] == f"{statistics.train.usable_tokens(256):,}"
    assert figures["Examples"] == "180 to train on"
    kinds = data_page.problems.counts
    qtbot.waitUntil(lambda: data_page.problems.counts.get("too long") == 1)
    assert kinds is not None
    qtbot.waitUntil(lambda: data_page.problems.model.rowCount() == 1)
    assert "Line 121" in row_text(data_page.problems.model, 0)


def test_the_run_s_time_appears_once_the_speed_was_measured(
    services: Services,
    data_page: DataPage,
    chat_file: Path,
    make_run: Callable[..., Path],
    qtbot: QtBot,
) -> None:
    services.file_opener.open_path(chat_file)
    qtbot.waitUntil(tokens_are_there(services))
    view = data_page.statistics
    run = {figure.name: figure for figure in view.run.shown}
    assert run["Steps per epoch"].value == "9", "36 rows in batches of 4"
    assert run["Time"].value == "Not known yet"
    home = Path(services.control._runs_dir)
    make_run(home / "20260101-cats", model=services.state.config.model)
    services.data_work.statistics._look_up_speed()
    qtbot.waitUntil(lambda: services.data_work.statistics.speed is not None)
    timed = next(figure for figure in view.run.shown if figure.name == "Time")
    assert timed.value.startswith("about ")
    assert timed.note == "Based on “cats” (8 tokens/s; different settings)"
    config = services.state.config
    alike = {name: getattr(config, name) for name in DECIDE_PACE}
    make_run(home / "20270101-dogs", model=config.model, name="dogs", **alike)
    services.data_work.statistics._look_up_speed()
    qtbot.waitUntil(lambda: services.data_work.statistics.speed.run == "dogs")  # type: ignore[union-attr]
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
    services: Services,
    new_run_page: NewRunPage,
    data_page: DataPage,
    actions: RunActions,
    tmp_path: Path,
    qtbot: QtBot,
) -> None:
    services.file_opener.use_starter_model()
    services.file_opener.open_path(write_calls(tmp_path / "calls.jsonl", plain=0))
    work, page = services.data_work, data_page
    qtbot.waitUntil(lambda: work.tokenization.done is not None)
    qtbot.waitUntil(lambda: not actions.start.isEnabled())
    reason = "No training row can be used: calls.jsonl, line 1: the model's chat template "
    assert page.status.problem.text().startswith(reason)
    assert not page.status.text.text()
    assert services.state.start_blocker().startswith(reason)
    assert new_run_page.header.problem.text().startswith(reason)
    assert actions.start.toolTip().startswith(reason)
    assert not actions.queue.isEnabled()
    (figure,) = page.statistics.run.shown
    assert (figure.value, figure.note) == ("Can't start", services.state.rows_problem)
    assert work.preview.total == 6, "its rows can be looked at all the same"
    qtbot.waitUntil(lambda: "add 1 and 2" in shown(data_page))
    nothing_follows = "As in the file. The model can use none of these."
    qtbot.waitUntil(lambda: page.rows.note.text() == nothing_follows)
    assert page.statistics._waiting.text() == "No row could be tokenized."
    assert new_run_page.data.problem.text() == services.state.rows_problem
    qtbot.waitUntil(lambda: page.problems.counts == {"refused by the model": 6, "duplicate": 5})
    services.file_opener.open_path(write_calls(tmp_path / "some.jsonl", plain=5))
    qtbot.waitUntil(lambda: work.preview.total == 5)
    assert page.status.text.text() == (
        "Tokenized. The model refuses 6 rows, which are left out; see Problems."
    )
    assert actions.start.isEnabled()


def test_a_run_of_too_few_rows_can_t_be_started(
    services: Services, actions: RunActions, many: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    """Each time the same sentence that a run would end with."""
    state, start = services.state, actions.start
    state.change_config(batch_size=200, validation_split=0.5)
    services.file_opener.open_path(many)
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
    qtbot.waitUntil(lambda: len(services.data_work.statistics.all) == 2)
    seeds = 0
    while start.isEnabled():  # until its only row is drawn for validation
        seeds += 1
        state.change_config(seed=seeds)
        measured = services.data_work.statistics.all
        qtbot.waitUntil(lambda before=measured: services.data_work.statistics.all is not before)
    assert state.start_blocker() == (
        "No row of the mixed-in old is left to train on: all are validation rows. "
        "Use a smaller validation split, or none."
    )


@pytest.mark.usefixtures("bad_is_open")
def test_bad_rows_are_left_out_on_request(
    services: Services, data_page: DataPage, actions: RunActions, qtbot: QtBot
) -> None:
    assert not actions.start.isEnabled()
    qtbot.mouseClick(data_page.problems.leave_out, Qt.MouseButton.LeftButton)
    assert services.state.config.bad_rows == "skip"
    qtbot.waitUntil(tokens_are_there(services))
    assert actions.start.isEnabled()
    assert services.data_work.preview.total == 21
    assert data_page.problems.counts.get("refused by the model") is None


@pytest.mark.usefixtures("bad_is_open")
def test_a_corrected_file_is_read_again(
    services: Services, data_page: DataPage, bad: Path, qtbot: QtBot
) -> None:
    bad.write_text("".join(json.dumps({"text": f"Right {i}."}) + "\n" for i in range(30)))
    data_page.problems.reread.click()
    assert services.state.is_inspecting
    qtbot.waitUntil(tokens_are_there(services))
    qtbot.waitUntil(lambda: "Right 0." in shown(data_page))
    assert services.data_work.preview.total == 30
    assert data_page.problems.counts == {}


def chain(first: QWidget) -> list[QWidget]:
    """A widget and those after it in the order of the Tab key."""
    found = [first]
    while (following := found[-1].nextInFocusChain()) is not first:
        found.append(following)
    return found


def test_columns_are_mapped_tried_used_and_remembered(
    services: Services,
    new_run_page: NewRunPage,
    data_page: DataPage,
    actions: RunActions,
    unmapped: Path,
    chat_file: Path,
    qtbot: QtBot,
) -> None:
    services.file_opener.open_path(unmapped)
    view = data_page.columns
    qtbot.waitUntil(lambda: data_page.tabs.currentIndex() == COLUMNS)
    qtbot.waitUntil(lambda: list(view.roles) == ["n", "asked", "answered"])
    assert "needs messages" in new_run_page.rows.problem.text()
    assert new_run_page.header.show_data.text() == "Map Columns…"
    assert not view.use.isEnabled()
    assert {box.itemText(0) for box in view.roles.values()} == {"Not used"}
    following = chain(view)
    assert following.index(view.roles["answered"]) < following.index(view.use)
    choose(view.roles["asked"], "prompt")
    assert "but none to completion" in view.problem.text()
    assert not view.use.isEnabled()
    choose(view.roles["answered"], "completion")
    qtbot.waitUntil(lambda: "the answer 2" in view.tried.toPlainText())
    qtbot.mouseClick(view.use, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(tokens_are_there(services))
    assert services.state.config.columns == "prompt=asked, completion=answered"
    assert actions.start.isEnabled()

    services.file_opener.open_path(chat_file)  # another file's columns are not this one's
    qtbot.waitUntil(lambda: services.state.config.data == chat_file)
    assert services.state.config.columns == ""
    services.file_opener.open_path(unmapped)
    qtbot.waitUntil(lambda: services.state.config.data == unmapped)
    assert services.state.config.columns == "prompt=asked, completion=answered"
    qtbot.waitUntil(lambda: "asked" in view.roles)
    assert view.roles["asked"].currentData() == "prompt"

    qtbot.mouseClick(view.reset, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: services.state.config.columns == "")
    qtbot.waitUntil(lambda: not services.state.is_inspecting)
    services.file_opener.open_path(unmapped)
    qtbot.waitUntil(lambda: not services.state.is_inspecting)
    assert services.state.config.columns == "", "forgotten"


def test_while_columns_are_unmapped_only_the_mapping_is_offered(
    services: Services, new_run_page: NewRunPage, data_page: DataPage, unmapped: Path, qtbot: QtBot
) -> None:
    services.file_opener.open_path(unmapped)
    page, view = data_page, data_page.columns
    qtbot.waitUntil(lambda: page.tabs.currentIndex() == COLUMNS)
    qtbot.waitUntil(lambda: list(view.roles) == ["n", "asked", "answered"])
    reason = (
        "These columns aren't recognized: line 2 needs messages, prompt and completion, or text; "
        "found n, asked, answered. Choose their roles."
    )
    qtbot.waitUntil(lambda: view.how.text() == reason)
    assert (page.use.isEnabled(), page.use.objectName()) == (False, "")
    assert "Choose roles under Columns first." in page.use.toolTip()
    card, header = new_run_page.data, new_run_page.header
    unrecognized = "These columns aren't recognized. Map them first."
    assert header.problem.text() == services.state.start_blocker() == unrecognized
    assert (header.show_data.text(), card.problem.isHidden()) == ("Map Columns…", True)
    rows = new_run_page.rows.text
    assert (rows.toPlainText(), rows.placeholderText()) == ("", NO_ROWS)
    assert header.pill.text() == "Not ready"
    choose(view.roles["asked"], "prompt")
    choose(view.roles["answered"], "completion")
    assert (view.use.isEnabled(), view.use.objectName()) == (True, "primary")
    assert page.use.objectName() == ""
    view.use.click()
    qtbot.waitUntil(tokens_are_there(services))
    assert (page.use.isEnabled(), page.use.objectName()) == (True, "primary")
    assert page.use.toolTip() == ""
    assert card.problem.isHidden()


@pytest.mark.usefixtures("bad_is_open")
def test_rows_that_can_t_be_used_are_put_right_before_the_run_is_shown(
    data_page: DataPage, qtbot: QtBot
) -> None:
    assert not data_page.use.isEnabled()
    tip = unescape(data_page.use.toolTip())
    assert "The dataset has rows that can't be used." in tip
    data_page.problems.leave_out.click()
    assert data_page.use.isEnabled()


def test_a_column_used_by_its_name_is_not_marked_unused(
    services: Services, data_page: DataPage, tmp_path: Path, qtbot: QtBot
) -> None:
    path = tmp_path / "named.csv"
    path.write_text("question,answer\n" + "".join(f"what {i},that {i}\n" for i in range(20)))
    services.file_opener.open_path(path)
    view = data_page.columns
    qtbot.waitUntil(lambda: list(view.roles) == ["question", "answer"])
    assert {box.currentText() for box in view.roles.values()} == {"Automatic"}
    choose(view.roles["question"], "prompt")
    assert view.roles["answer"].currentText() == "Not used", "roles decide alone"


def test_rows_nested_in_one_column_are_reported_and_no_mapping_is_offered(
    services: Services, data_page: DataPage, tmp_path: Path, qtbot: QtBot
) -> None:
    path = tmp_path / "inside.jsonl"
    path.write_text('{"id": 1, "talk": {"question": "what", "answer": "that"}}\n' * 3)
    services.file_opener.open_path(path)
    qtbot.waitUntil(lambda: data_page.tabs.currentIndex() == PROBLEMS)
    assert "Has question, answer inside 'talk'" in row_text(data_page.problems.model, 0)
    qtbot.waitUntil(lambda: services.data_work.preview.looked is not None)
    rows = data_page.rows
    assert rows.map.isHidden()
    assert rows.text.placeholderText() == ""
    (figure,) = data_page.statistics.run.shown
    assert (figure.value, figure.note) == (
        "Can't start", "The dataset has no example that can be trained on."
    )  # fmt: skip


def choose(box: object, role: str) -> None:
    box.choose(role)  # type: ignore[attr-defined]
    box.activated.emit(box.currentIndex())  # type: ignore[attr-defined]


def test_the_split_is_counted_on_both_sides(
    services: Services, data_page: DataPage, chat_file: Path, qtbot: QtBot
) -> None:
    services.file_opener.open_path(chat_file)
    qtbot.waitUntil(tokens_are_there(services))
    split = data_page.statistics.split
    assert split.counts.text() == "36 rows to train on, 4 to validate on."
    split.slider.setValue(50)
    assert services.state.config.validation_split == 0.25
    qtbot.waitUntil(lambda: split.counts.text() == "30 rows to train on, 10 to validate on.")
    split.slider.setValue(0)
    everything = "40 rows to train on, none to validate on."
    qtbot.waitUntil(lambda: split.counts.text() == everything)
    seed = services.state.config.seed
    split.draw.click()
    assert services.state.config.seed == seed + 1


def test_without_a_dataset_the_page_says_how_to_give_one(
    services: Services, data_page: DataPage, tmp_path: Path, qtbot: QtBot
) -> None:
    assert data_page._title.text() == "No Dataset Yet"
    assert data_page.sample.isVisible()
    path = tmp_path / "empty.csv"
    path.write_text("a,b\n")
    services.file_opener.open_path(path)
    assert data_page._title.text() == "Reading…"
    assert data_page.cancel.isVisible()
    qtbot.waitUntil(lambda: services.state.dataset_failure is not None)
    assert data_page._title.text() == "This can't be used"
    assert "empty.csv" in data_page.problem.text()


def test_reading_can_be_cancelled_and_the_dataset_before_stays(
    services: Services, data_page: DataPage, chat_file: Path, tmp_path: Path, qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    services.file_opener.open_path(chat_file)
    qtbot.waitUntil(tokens_are_there(services))
    big = tmp_path / "big.jsonl"
    line = json.dumps({"text": "words " * 50})
    big.write_text(f"{line}\n" * 20_000)
    monkeypatch.setattr(INSPECTION, RestingInspection)
    services.file_opener.open_path(big)
    qtbot.waitUntil(lambda: "words" in shown(data_page))
    qtbot.mouseClick(data_page.status.stop, Qt.MouseButton.LeftButton)
    assert not services.state.is_inspecting
    assert services.state.config.data == chat_file
    qtbot.waitUntil(lambda: "What is 0 plus 0?" in shown(data_page))
    qtbot.waitUntil(tokens_are_there(services))


@pytest.mark.parametrize(
    ("part", "whole", "words"),
    [(0, 9, "0 %"), (1, 3, "33.3 %"), (1, 10**6, "less than 0.1 %"),
     (10**6 - 1, 10**6, "more than 99.9 %"), (5, 5, "100 %"), (0, 0, "0 %")],
)  # fmt: skip
def test_a_share_is_never_rounded_to_nothing_or_all(part: int, whole: int, words: str) -> None:
    assert share(part, whole) == words


def test_rows_that_share_a_line_are_all_listed(
    services: Services, data_page: DataPage, tmp_path: Path, qtbot: QtBot
) -> None:
    path = tmp_path / "one_line.json"
    first, last = (
        {"messages": [{"role": "assistant", "content": content}]} for content in ("first", "last")
    )
    good = [{"text": f"A sentence {i}."} for i in range(12)]
    path.write_text(json.dumps([{"text": ""}, first, *good, last]))
    services.state.change_config(bad_rows="skip")
    services.file_opener.open_path(path)
    qtbot.waitUntil(tokens_are_there(services))
    view = data_page.problems
    assert view.counts == {"empty": 1, "refused by the model": 2}
    listed = [row_text(view.model, row).split("\t") for row in range(view.model.rowCount())]
    assert [cells[2] for cells in listed] == ["Row 1", "Row 2", "Row 15"]
    assert "Row 1 · row 3 of the file ·" in shown(data_page)


def test_parts_left_out_by_the_model_are_shown_at_the_row_and_among_the_problems(
    services: Services, data_page: DataPage, tmp_path: Path, qtbot: QtBot
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
    services.file_opener.open_path(folder)
    qtbot.waitUntil(tokens_are_there(services))
    problems = data_page.problems
    qtbot.waitUntil(lambda: problems.counts == {"thoughts left out": 1, "unused key": 2})
    model = problems.model
    assert [[model.index(row, column).data() for column in (0, 2, 3)] for row in range(3)] == [
        ["Thoughts left out", "Line 1", "Has thoughts that the model's chat template leaves out."],
        ["Unused key", "Line 2", "Has mood in its turns, which few chat templates write."],
        ["Unused key", "Line 3", "Has keys in its turns that are left out."],
    ]
    qtbot.waitUntil(lambda: "trained · thoughts left out" in shown(data_page))
    assert ("Not read", "test.jsonl") in [
        (figure.name, figure.value) for figure in data_page.statistics.counted.shown
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
