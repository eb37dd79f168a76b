import json
from collections.abc import Callable
from pathlib import Path

from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from app.application import Nestling
from app.core.files.paths import starter_model_dir
from app.ui.data.data_page import DataPage
from app.ui.new_run.new_run_page import NewRunPage
from app.ui.run.run_actions import RunActions
from app.window_services import Services

Drop = Callable[[QWidget, Path], bool]


def test_a_folder_with_a_train_file_is_a_dataset(
    services: Services,
    new_run_page: NewRunPage,
    actions: RunActions,
    tmp_path: Path,
    chat_file: Path,
    qtbot: QtBot,
) -> None:
    folder = tmp_path / "letters"
    folder.mkdir()
    (folder / "train.jsonl").write_bytes(chat_file.read_bytes())
    services.file_opener.open_path(folder)
    qtbot.waitUntil(actions.start.isEnabled)
    assert new_run_page.data.name.text() == "letters"
    assert "40 chat examples" in new_run_page.data.summary.text()


def test_examples_with_tools_are_called_so_on_both_pages(
    services: Services, new_run_page: NewRunPage, data_page: DataPage, tmp_path: Path, qtbot: QtBot
) -> None:
    call = {"function": {"name": "clock", "arguments": "{}"}}
    chat = [{"role": "user", "content": "When?"}, {"role": "assistant", "tool_calls": [call]}]
    tools = [{"type": "function", "function": {"name": "clock", "parameters": {}}}]
    (path := tmp_path / "calls.jsonl").write_text(
        "\n".join(json.dumps({"messages": chat, "tools": tools, "id": n}) for n in range(8))
    )
    services.file_opener.open_path(path)
    qtbot.waitUntil(lambda: services.state.dataset is not None)
    assert new_run_page.data.summary.text().startswith("8 examples with tools · ")
    assert data_page.summary.text().startswith("8 examples with tools · ")


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


def test_bad_rows_are_named_with_their_lines_and_can_not_be_trained_on(
    services: Services, new_run_page: NewRunPage, actions: RunActions, tmp_path: Path, qtbot: QtBot
) -> None:
    good = json.dumps({"text": "A sentence."})
    path = tmp_path / "bad.jsonl"
    path.write_text("\n".join([good, "{oops", good, '{"prompt": "x"}'] + ["{"] * 5) + "\n")
    services.file_opener.open_path(path)
    qtbot.waitUntil(lambda: services.state.dataset is not None)
    assert new_run_page.data.problem.text() == "7 rows can't be used:"
    text = new_run_page.data.rows.text()
    assert "Line 2: is not valid JSON" in text
    assert "Line 4: has a prompt but no completion" in text
    assert "… and 3 more." in text
    assert not actions.start.isEnabled()
    assert "rows that can't be used" in new_run_page.header.start.toolTip()


def test_bad_rows_that_are_to_be_left_out_do_not_stop_a_run(
    services: Services, new_run_page: NewRunPage, actions: RunActions, tmp_path: Path, qtbot: QtBot
) -> None:
    path = tmp_path / "bad.csv"
    path.write_text("text\nA sentence.\nAnother.\n \n")
    services.state.change_config(bad_rows="skip", columns="text=body")
    services.file_opener.open_path(path)
    qtbot.waitUntil(actions.start.isEnabled)
    assert services.state.config.columns == "", "another file's columns are not this one's"
    assert new_run_page.data.rows.text().startswith("Line 4: text is empty.")


def test_a_file_that_is_no_dataset_is_reported_where_it_was_dropped(
    services: Services, new_run_page: NewRunPage, tmp_path: Path, qtbot: QtBot
) -> None:
    path = tmp_path / "table.csv"
    path.write_text("a,b\n")
    services.file_opener.open_path(path)
    qtbot.waitUntil(lambda: services.state.dataset_failure is not None)
    assert "table.csv" in new_run_page.hero.problem.text()


def test_the_next_run_is_planned_while_one_trains(
    services: Services,
    new_run_page: NewRunPage,
    actions: RunActions,
    chat_file: Path,
    tmp_path: Path,
    qtbot: QtBot,
) -> None:
    state, page = services.state, new_run_page
    services.file_opener.open_path(chat_file)
    qtbot.waitUntil(actions.start.isEnabled)
    state.change_config(steps=100_000, steps_per_eval=100_000, steps_per_save=100_000)
    actions.start.trigger()
    qtbot.waitUntil(lambda: state.step is not None)
    other = tmp_path / "letters.jsonl"
    other.write_bytes(chat_file.read_bytes())
    services.file_opener.open_path(other)
    qtbot.waitUntil(lambda: state.config.data == other and not state.is_inspecting)
    page.form.fields["steps"].control.setValue(7)  # type: ignore[attr-defined]
    assert (page.header.name.placeholderText(), page.header.start.isVisible()) == ("letters", False)
    actions.queue.trigger()
    assert state.run_config is not None
    assert (state.run_config.data, state.run_config.steps) == (chat_file, 100_000)
    (waiting,) = services.queue.runs
    assert (waiting.config.data, waiting.config.steps) == (other, 7)
    assert services.queue.is_going, "the first that is added to an idle queue starts next"
    actions.stop.trigger()
    qtbot.waitUntil(lambda: not state.phase.is_active)
    assert page.header.start.isVisible()


def test_every_part_of_the_window_leaves_drops_to_it(nestling: Nestling) -> None:
    takers = {w for w in nestling.window.findChildren(QWidget) if w.acceptDrops()}
    table = nestling.runs.list.table  # takes its own rows and nothing else (test_queue.py)
    models = nestling.models  # takes folders that may hold models (test_models_page.py)
    assert takers <= {table, table.viewport(), models}


def test_a_drop_that_is_refused_leaves_the_plan_as_it_was(
    nestling: Nestling, drop: Drop, chat_file: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    state, notice = nestling.state, nestling.window.notice
    nestling.commands.open_path(chat_file)
    qtbot.waitUntil(nestling.actions.start.isEnabled)
    config, facts = state.config, state.dataset
    assert config.data == chat_file
    gguf = tmp_path / "llama"
    gguf.mkdir()
    (gguf / "llama.gguf").write_bytes(b"GGUF")
    half = tmp_path / "half"
    half.mkdir()
    (half / "config.json").write_text('{"model_type": "llama"}')
    table = tmp_path / "table.csv"
    table.write_text("a,b\n")
    refused = {
        gguf: "GGUF",
        half: "no weights",
        table: "table.csv",
        tmp_path / "gone.jsonl": "gone",
    }
    for wrong, words in refused.items():
        notice.dismiss.click()
        assert not notice.isVisible()
        assert drop(nestling.window, wrong)
        qtbot.waitUntil(notice.isVisible)
        assert words in notice.text.text()
        assert state.dataset is facts
        assert state.config == config
        assert nestling.actions.start.isEnabled()
    other = tmp_path / "letters.jsonl"
    other.write_bytes(chat_file.read_bytes())
    assert drop(nestling.window, other)
    qtbot.waitUntil(lambda: state.config.data == other)
    assert not notice.isVisible()


def test_a_dataset_whose_own_file_went_bad_is_not_kept(
    services: Services, actions: RunActions, chat_file: Path, qtbot: QtBot
) -> None:
    services.file_opener.open_path(chat_file)
    qtbot.waitUntil(actions.start.isEnabled)
    chat_file.write_text("")
    services.file_opener.open_path(chat_file)
    qtbot.waitUntil(lambda: services.state.dataset_failure is not None)
    assert not actions.start.isEnabled()


def test_weights_under_a_name_the_engine_does_not_take_are_refused_at_the_door(
    services: Services, tiny_model: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    folder = tmp_path / "renamed"
    folder.mkdir()
    for file in tiny_model.iterdir():
        name = "weights.safetensors" if file.suffix == ".safetensors" else file.name
        (folder / name).write_bytes(file.read_bytes())
    with qtbot.waitSignal(services.file_opener.refused) as refused:
        services.file_opener.open_path(folder)
    assert "model*.safetensors" in str(refused.args[0])
    assert services.state.config.model == tiny_model


def test_an_empty_validation_file_is_reported_in_one_sentence(
    services: Services, new_run_page: NewRunPage, tmp_path: Path, chat_file: Path, qtbot: QtBot
) -> None:
    folder = tmp_path / "letters"
    folder.mkdir()
    (folder / "train.jsonl").write_bytes(chat_file.read_bytes())
    (folder / "valid.jsonl").write_text("")
    services.file_opener.open_path(folder)
    qtbot.waitUntil(lambda: services.state.dataset is not None)
    card = new_run_page.data
    assert card.problem.text().startswith("valid.jsonl is empty.")
    assert card.rows.isHidden()
    assert "for validation" not in card.summary.text()
    assert new_run_page.header.start.toolTip() == "valid.jsonl is empty."
