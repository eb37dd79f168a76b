"""The Data page with several datasets: each is looked at, measured, mapped and mended there."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from app.core.column_mapping import ColumnMapping
from app.core.config.training_config import MixedDataset
from app.core.events import RunStarted
from app.library.column_mapping_store import remembered_columns
from app.ui.data.data_page import COLUMNS, PROBLEMS, DataPage
from app.ui.run.run_actions import RunActions
from app.ui.state.run_state import Phase
from app.window_services import Services
from tests.ui.resting_jobs import INSPECTION, RestingInspection

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(name: str, count: int, bad: str = "", long: int = 0) -> Path:
        path = tmp_path / name
        texts = [f"{name}, row {number}" for number in range(count)]
        texts += [f"{name}, long {number}" + " and more" * 40 for number in range(long)]
        path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts) + bad)
        return path

    return write


@pytest.fixture
def unmapped(tmp_path: Path) -> Path:
    path = tmp_path / "letters.csv"
    path.write_text("asked,answered\n" + "".join(f"why {i},so {i}\n" for i in range(30)))
    return path


def shown(page: DataPage) -> str:
    return page.rows.text.toPlainText()


def measured(services: Services, count: int) -> Callable[[], bool]:
    return lambda: len(services.data_work.statistics.all) == count


def run_figures(page: DataPage) -> dict[str, str]:
    return {figure.name: figure.value for figure in page.statistics.run.shown}


def test_each_dataset_is_looked_at_and_measured(
    services: Services, data_page: DataPage, write: Write, qtbot: QtBot
) -> None:
    services.state.change_config(max_seq_length=64)
    page, work = data_page, services.data_work
    services.file_opener.open_paths((write("new.jsonl", 30), write("old.jsonl", 7, long=2)))
    qtbot.waitUntil(measured(services, 2))
    assert [choice.text() for choice in page.chooser.choices] == ["new  50 %", "old  50 %"]
    assert page.chooser.choices[0].isChecked()
    qtbot.waitUntil(lambda: "new.jsonl, row 0" in shown(data_page))
    assert page.rows.total.text() == "of 30"
    assert page.problems.counts == {}
    page.chooser.choices[1].click()
    qtbot.waitUntil(lambda: "old.jsonl, row 0" in shown(data_page))
    qtbot.waitUntil(lambda: page.rows.total.text() == "of 9")
    assert "9 text examples" in page.summary.text()
    assert page.problems.counts == {"too long": 2}
    qtbot.waitUntil(lambda: page.problems.model.rowCount() == 2)
    assert page.problems.model.at(0).path.name == "old.jsonl"
    assert page.statistics.effect.text() == "2 training rows (25 %) are cut at the limit."
    work.preview.go_to(7)
    qtbot.waitUntil(lambda: "old.jsonl, long 0" in shown(data_page))
    page.chooser.choices[0].click()
    qtbot.waitUntil(lambda: "new.jsonl, row 0" in shown(data_page))
    page.chooser.choices[1].click()
    qtbot.waitUntil(lambda: "old.jsonl, long 0" in shown(data_page))
    page.take_out.click()
    assert page.chooser.choices == []
    qtbot.waitUntil(lambda: "new.jsonl, row 0" in shown(data_page))
    qtbot.waitUntil(measured(services, 1))


def test_what_is_wrong_with_an_added_dataset_is_shown_and_mended_there(
    services: Services, data_page: DataPage, actions: RunActions, write: Write, qtbot: QtBot
) -> None:
    services.file_opener.open_path(write("new.jsonl", 30))
    qtbot.waitUntil(actions.start.isEnabled)
    old = write("old.jsonl", 7, bad="{oops\n[]\n")
    services.datasets.mix_in([old])
    page = data_page
    qtbot.waitUntil(lambda: page.tabs.currentIndex() == PROBLEMS)
    assert page.chooser.choices[1].isChecked()
    assert page.chooser.choices[1].text() == "old  25 % · 2 bad rows"
    assert page.problems.total == 2
    status = page.status.text.text()
    assert status == "Not tokenized: fix or skip the rows of old that can't be used."
    old.write_text("".join(json.dumps({"text": f"Right {i}."}) + "\n" for i in range(12)))
    page.problems.reread.click()
    assert not page.problems.reread.isEnabled(), "it is being read"
    qtbot.waitUntil(lambda: "Right 0." in shown(data_page))
    qtbot.waitUntil(actions.start.isEnabled)
    qtbot.waitUntil(measured(services, 2))
    assert page.problems.counts == {}
    assert page.rows.total.text() == "of 12"
    assert page.status.text.text() == "Tokenized. Ready to train."


def test_columns_of_a_mixed_in_dataset_are_mapped_on_the_page(
    services: Services,
    data_page: DataPage,
    actions: RunActions,
    write: Write,
    unmapped: Path,
    qtbot: QtBot,
) -> None:
    services.file_opener.open_paths((write("new.jsonl", 30), unmapped))
    page, view = data_page, data_page.columns
    qtbot.waitUntil(lambda: page.tabs.currentIndex() == COLUMNS)
    qtbot.waitUntil(lambda: list(view.roles) == ["asked", "answered"])
    for name, role in (("asked", "prompt"), ("answered", "completion")):
        view.roles[name].choose(role)
        view.roles[name].activated.emit(view.roles[name].currentIndex())
    qtbot.waitUntil(lambda: "so 2" in view.tried.toPlainText())
    view.use.click()
    qtbot.waitUntil(actions.start.isEnabled)
    (mixed,) = services.state.config.mix
    assert (mixed.data, mixed.columns) == (unmapped, "prompt=asked, completion=answered")
    assert services.state.config.columns == "", "the other dataset is read as it was"
    assert page.chooser.choices[1].text() == "letters  50 %"
    qtbot.waitUntil(
        lambda: remembered_columns(unmapped) == ColumnMapping(prompt="asked", completion="answered")
    )
    qtbot.waitUntil(measured(services, 2))
    view.reset.click()
    qtbot.waitUntil(lambda: services.state.config.mix[0].columns == "")
    assert not actions.start.isEnabled()
    assert services.state.mix_problem == "letters has no example that can be trained on."


def test_what_the_page_says_of_rows_and_steps_is_what_the_run_does(
    services: Services, data_page: DataPage, actions: RunActions, write: Write, qtbot: QtBot
) -> None:
    services.state.change_config(
        data=write("new.jsonl", 31), steps=2, rank=2, seed=5, batch_size=3,
        grad_accumulation_steps=2, max_seq_length=64, validation_split=0.15,
        mix=(MixedDataset(write("old.jsonl", 17, long=4), 0.37),
             MixedDataset(write("older.jsonl", 50), 0.11)),
    )  # fmt: skip
    services.datasets.read_again()
    started: list[RunStarted] = []
    services.state.run_event_received.connect(
        lambda event: started.append(event) if isinstance(event, RunStarted) else None
    )
    qtbot.waitUntil(measured(services, 3))
    qtbot.waitUntil(actions.start.isEnabled)
    figures, split = run_figures(data_page), data_page.statistics.split
    counts = split.counts.text().splitlines()
    services.control.start()
    qtbot.waitUntil(lambda: services.state.phase is Phase.FINISHED)
    (run,) = started
    kept = json.loads((run.run_dir / "run.json").read_text())
    assert figures["Steps per epoch"] == str(run.steps_per_epoch)
    rows = [part["rows_per_epoch"] for part in kept["mixed"]]
    assert figures["Rows per epoch"] == str(sum(rows))
    assert [line.split(":")[0] for line in counts] == ["new", "old", "older", "Together"]
    for line, part in zip(counts, kept["mixed"], strict=False):
        assert line.split(": ")[1].startswith(f"{part['rows']} rows to train on, ")
    train, valid = kept["train_examples"], kept["valid_examples"]
    assert counts[-1] == f"Together: {train} rows to train on, {valid} to validate on."


def test_any_row_is_gone_to_before_the_rows_are_tokens(
    services: Services, data_page: DataPage, write: Write, qtbot: QtBot
) -> None:
    rows, work = data_page.rows, services.data_work
    services.file_opener.open_path(write("many.jsonl", 20_000))
    work.tokenization.changed.connect(work.tokenization.stop)  # however late the window hears of it
    qtbot.waitUntil(lambda: work.tokenization.is_stopped)
    qtbot.waitUntil(lambda: "many.jsonl, row 0" in shown(data_page))
    assert rows.total.text() == "of 20,000"
    rows.number.setValue(19_000)
    qtbot.waitUntil(lambda: "many.jsonl, row 18999" in shown(data_page))
    assert "Row 19,000 · line 19,000 · " in shown(data_page)
    assert rows.note.text() == "From the file; not tokenized yet."
    rows.next.click()
    qtbot.waitUntil(lambda: "many.jsonl, row 19004" in shown(data_page))
    rows.previous.click()
    qtbot.waitUntil(lambda: "many.jsonl, row 18999" in shown(data_page))
    assert work.tokenization.done is None


def test_an_added_dataset_whose_reading_is_cancelled_is_taken_out(
    services: Services, data_page: DataPage, actions: RunActions, write: Write, qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    services.file_opener.open_path(write("new.jsonl", 30))
    qtbot.waitUntil(measured(services, 1))
    monkeypatch.setattr(INSPECTION, RestingInspection)
    services.datasets.mix_in([write("old.jsonl", 20_000)])
    data_page.chooser.choices[1].click()
    qtbot.waitUntil(lambda: "old.jsonl, row 0" in shown(data_page))
    assert data_page.status.text.text().startswith("Reading and checking every row of old: ")
    data_page.status.stop.click()
    assert services.state.config.mix == ()
    qtbot.waitUntil(lambda: "new.jsonl, row 0" in shown(data_page))
    qtbot.waitUntil(actions.start.isEnabled)
    assert data_page.tabs.isVisible()
