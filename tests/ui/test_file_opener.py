import json
from collections.abc import Callable
from pathlib import Path

from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from app.application import Nestling
from app.core.files.paths import starter_model_dir

Drop = Callable[[QWidget, Path], bool]


def test_a_dropped_folder_with_a_train_file_is_a_dataset(
    nestling: Nestling, drop: Drop, tmp_path: Path, chat_file: Path, qtbot: QtBot
) -> None:
    folder = tmp_path / "letters"
    folder.mkdir()
    (folder / "train.jsonl").write_bytes(chat_file.read_bytes())
    assert drop(nestling.window, folder)
    qtbot.waitUntil(nestling.actions.start.isEnabled)
    assert nestling.new_run.data.name.text() == "letters"
    assert "40 chat examples" in nestling.new_run.data.summary.text()


def test_examples_with_tools_are_called_so_on_both_pages(
    nestling: Nestling, drop: Drop, tmp_path: Path, qtbot: QtBot
) -> None:
    call = {"function": {"name": "clock", "arguments": "{}"}}
    chat = [{"role": "user", "content": "When?"}, {"role": "assistant", "tool_calls": [call]}]
    tools = [{"type": "function", "function": {"name": "clock", "parameters": {}}}]
    (path := tmp_path / "calls.jsonl").write_text(
        "\n".join(json.dumps({"messages": chat, "tools": tools, "id": n}) for n in range(8))
    )
    assert drop(nestling.window, path)
    qtbot.waitUntil(lambda: nestling.state.dataset is not None)
    assert nestling.new_run.data.summary.text().startswith("8 examples with tools · ")
    assert nestling.data.summary.text().startswith("8 examples with tools · ")


def test_a_dropped_model_folder_becomes_the_base_model(
    nestling: Nestling, drop: Drop, tiny_model: Path, qtbot: QtBot
) -> None:
    nestling.file_opener.use_starter_model()
    assert nestling.new_run.model.name.text() == "Starter model"
    assert drop(nestling.window, tiny_model)
    qtbot.waitUntil(lambda: nestling.state.config.model == tiny_model)
    assert nestling.new_run.model.name.text() == tiny_model.name
    nestling.new_run.model.starter.click()
    assert nestling.state.config.model == starter_model_dir()


def test_a_model_folder_without_weights_is_refused_in_one_sentence(
    nestling: Nestling, drop: Drop, tmp_path: Path, qtbot: QtBot
) -> None:
    folder = tmp_path / "half"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "llama"}')
    model = nestling.state.config.model
    assert drop(nestling.window, folder)
    qtbot.waitUntil(nestling.window.notice.isVisible)
    assert "no weights" in nestling.window.notice.text.text()
    assert nestling.state.config.model == model
    nestling.window.notice.dismiss.click()
    assert not nestling.window.notice.isVisible()


def test_bad_rows_are_named_with_their_lines_and_can_not_be_trained_on(
    nestling: Nestling, tmp_path: Path, qtbot: QtBot
) -> None:
    good = json.dumps({"text": "A sentence."})
    path = tmp_path / "bad.jsonl"
    path.write_text("\n".join([good, "{oops", good, '{"prompt": "x"}'] + ["{"] * 5) + "\n")
    nestling.commands.open_path(path)
    qtbot.waitUntil(lambda: nestling.state.dataset is not None)
    assert nestling.new_run.data.problem.text() == "7 rows can't be used:"
    text = nestling.new_run.data.rows.text()
    assert "Line 2: is not valid JSON" in text
    assert "Line 4: has a prompt but no completion" in text
    assert "… and 3 more." in text
    assert not nestling.actions.start.isEnabled()
    assert "rows that can't be used" in nestling.new_run.header.start.toolTip()


def test_bad_rows_that_are_to_be_left_out_do_not_stop_a_run(
    nestling: Nestling, tmp_path: Path, qtbot: QtBot
) -> None:
    path = tmp_path / "bad.csv"
    path.write_text("text\nA sentence.\nAnother.\n \n")
    nestling.state.change_config(bad_rows="skip", columns="text=body")
    nestling.commands.open_path(path)
    qtbot.waitUntil(nestling.actions.start.isEnabled)
    assert nestling.state.config.columns == "", "another file's columns are not this one's"
    assert nestling.new_run.data.rows.text().startswith("Line 4: text is empty.")


def test_a_file_that_is_no_dataset_is_reported_where_it_was_dropped(
    nestling: Nestling, tmp_path: Path, qtbot: QtBot
) -> None:
    path = tmp_path / "table.csv"
    path.write_text("a,b\n")
    nestling.commands.open_path(path)
    qtbot.waitUntil(lambda: nestling.state.dataset_failure is not None)
    assert "table.csv" in nestling.new_run.hero.problem.text()


def test_the_next_run_is_planned_while_one_trains(
    nestling: Nestling, drop: Drop, chat_file: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    state, page = nestling.state, nestling.new_run
    nestling.commands.open_path(chat_file)
    qtbot.waitUntil(nestling.actions.start.isEnabled)
    state.change_config(steps=100_000, steps_per_eval=100_000, steps_per_save=100_000)
    nestling.actions.start.trigger()
    qtbot.waitUntil(lambda: state.step is not None)
    other = tmp_path / "letters.jsonl"
    other.write_bytes(chat_file.read_bytes())
    assert drop(nestling.window, other)
    qtbot.waitUntil(lambda: state.config.data == other and not state.is_inspecting)
    page.form.fields["steps"].control.setValue(7)  # type: ignore[attr-defined]
    assert (page.header.name.placeholderText(), page.header.start.isVisible()) == ("letters", False)
    nestling.actions.queue.trigger()
    assert state.run_config is not None
    assert (state.run_config.data, state.run_config.steps) == (chat_file, 100_000)
    (waiting,) = nestling.queue.runs
    assert (waiting.config.data, waiting.config.steps) == (other, 7)
    assert nestling.queue.is_going, "the first that is added to an idle queue starts next"
    nestling.actions.stop.trigger()
    qtbot.waitUntil(lambda: not state.phase.is_active)
    assert page.header.start.isVisible()


def test_every_part_of_the_window_leaves_drops_to_it(nestling: Nestling) -> None:
    takers = {w for w in nestling.window.findChildren(QWidget) if w.acceptDrops()}
    table = nestling.runs.list.table  # takes its own rows and nothing else (test_queue.py)
    models = nestling.models  # takes folders that may hold models (test_models_page.py)
    assert takers <= {table, table.viewport(), models}


def test_a_drop_that_is_refused_leaves_the_dataset_that_was_there(
    nestling: Nestling, drop: Drop, chat_file: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    state, notice = nestling.state, nestling.window.notice
    nestling.commands.open_path(chat_file)
    qtbot.waitUntil(nestling.actions.start.isEnabled)
    facts = state.dataset
    gguf = tmp_path / "llama"
    gguf.mkdir()
    (gguf / "llama.gguf").write_bytes(b"GGUF")
    table = tmp_path / "table.csv"
    table.write_text("a,b\n")
    for wrong, words in ((gguf, "GGUF"), (table, "table.csv"), (tmp_path / "gone.jsonl", "gone")):
        notice.hide()
        assert drop(nestling.window, wrong)
        qtbot.waitUntil(notice.isVisible)
        assert words in notice.text.text()
        assert state.dataset is facts
        assert state.config.data == chat_file
        assert nestling.actions.start.isEnabled()
    other = tmp_path / "letters.jsonl"
    other.write_bytes(chat_file.read_bytes())
    assert drop(nestling.window, other)
    qtbot.waitUntil(lambda: state.config.data == other)
    assert not notice.isVisible()


def test_a_dataset_whose_own_file_went_bad_is_not_kept(
    nestling: Nestling, chat_file: Path, qtbot: QtBot
) -> None:
    nestling.commands.open_path(chat_file)
    qtbot.waitUntil(nestling.actions.start.isEnabled)
    chat_file.write_text("")
    nestling.commands.open_path(chat_file)
    qtbot.waitUntil(lambda: nestling.state.dataset_failure is not None)
    assert not nestling.actions.start.isEnabled()


def test_weights_under_a_name_the_engine_does_not_take_are_refused_at_the_door(
    nestling: Nestling, tiny_model: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    folder = tmp_path / "renamed"
    folder.mkdir()
    for file in tiny_model.iterdir():
        name = "weights.safetensors" if file.suffix == ".safetensors" else file.name
        (folder / name).write_bytes(file.read_bytes())
    nestling.commands.open_path(folder)
    qtbot.waitUntil(nestling.window.notice.isVisible)
    assert "model*.safetensors" in nestling.window.notice.text.text()
    assert nestling.state.config.model == tiny_model


def test_an_empty_validation_file_is_reported_in_one_sentence(
    nestling: Nestling, tmp_path: Path, chat_file: Path, qtbot: QtBot
) -> None:
    folder = tmp_path / "letters"
    folder.mkdir()
    (folder / "train.jsonl").write_bytes(chat_file.read_bytes())
    (folder / "valid.jsonl").write_text("")
    nestling.commands.open_path(folder)
    qtbot.waitUntil(lambda: nestling.state.dataset is not None)
    card = nestling.new_run.data
    assert card.problem.text().startswith("valid.jsonl is empty.")
    assert card.rows.isHidden()
    assert "for validation" not in card.summary.text()
    assert nestling.new_run.header.start.toolTip() == "valid.jsonl is empty."
