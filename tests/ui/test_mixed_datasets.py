"""Datasets mixed in the window: several dropped at a time, added, given shares, taken out."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from app.application import Nestling
from app.core.column_mapping import ColumnMapping
from app.core.config.training_config import MixedDataset
from app.library.column_mapping_store import remember_columns
from app.library.run.layout import LOG_FILE
from app.ui.data.data_page import PROBLEMS, DataPage
from app.ui.new_run.new_run_page import NewRunPage
from app.ui.run.run_actions import RunActions
from app.ui.state.run_state import Phase
from app.window_services import Services
from tests.ui.dropped_files import drop

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(name: str, count: int, bad: str = "") -> Path:
        path = tmp_path / name
        rows = (json.dumps({"text": f"{name}, row {number}"}) + "\n" for number in range(count))
        path.write_text("".join(rows) + bad)
        return path

    return write


def shown(page: NewRunPage) -> list[tuple[str, int, str]]:
    rows = page.data.mixed.rows
    return [(row.name.text(), row.share.value(), row.facts.text()) for row in rows]


def test_several_files_dropped_at_a_time_are_mixed_in_equal_shares(
    nestling: Nestling, write: Write, qtbot: QtBot
) -> None:
    paths = [write("new.jsonl", 30), write("old.jsonl", 7), write("older.jsonl", 9)]
    assert drop(nestling.window, *paths)
    qtbot.waitUntil(nestling.actions.start.isEnabled)
    config = nestling.state.config
    assert config.data == paths[0]
    assert [(mixed.data, round(mixed.share, 3)) for mixed in config.mix] == [
        (paths[1], 0.333),
        (paths[2], 0.333),
    ]
    assert [(name, share) for name, share, _ in shown(nestling.new_run)] == [
        ("old", 33),
        ("older", 33),
    ]
    assert [facts.partition(" · ")[0] for _, _, facts in shown(nestling.new_run)] == [
        "7 examples",
        "9 examples",
    ]
    assert nestling.new_run.data.mixed.own.text() == "33 % of rows. Mixed with:"


def test_a_dataset_can_be_mixed_in_weighted_and_removed(
    services: Services, new_run_page: NewRunPage, actions: RunActions, write: Write, qtbot: QtBot
) -> None:
    services.file_opener.open_path(write("new.jsonl", 30))
    qtbot.waitUntil(actions.start.isEnabled)
    assert new_run_page.data.mixed.add.isVisible()
    old = write("old.jsonl", 7)
    services.datasets.mix_in([old, old])
    assert services.state.start_blocker() == "old is being read."
    qtbot.waitUntil(actions.start.isEnabled)
    (row,) = new_run_page.data.mixed.rows
    assert row.share.value() == 25
    assert row.share.accessibleName() == "Share of old"
    row.share.setValue(40)
    assert services.state.config.mix == (MixedDataset(old, 0.4),)
    assert new_run_page.data.mixed.own.text() == "60 % of rows. Mixed with:"
    row.remove.click()
    assert services.state.config.mix == ()
    assert new_run_page.data.mixed.rows == []
    assert not new_run_page.data.mixed.own.isVisible()


def test_shares_that_leave_nothing_are_reported_and_block_start(
    services: Services, new_run_page: NewRunPage, actions: RunActions, write: Write, qtbot: QtBot
) -> None:
    services.file_opener.open_paths((write("new.jsonl", 30), write("old.jsonl", 7)))
    qtbot.waitUntil(actions.start.isEnabled)
    new_run_page.data.mixed.rows[0].share.setValue(99)
    assert "at most 95 % are allowed" in new_run_page.data.mixed.problem.text()
    assert not actions.start.isEnabled()


def test_bad_rows_of_a_mixed_in_dataset_are_named(
    services: Services, new_run_page: NewRunPage, write: Write, qtbot: QtBot
) -> None:
    services.file_opener.open_paths((write("new.jsonl", 30), write("old.jsonl", 7, bad="{oops\n")))
    qtbot.waitUntil(lambda: bool(new_run_page.data.mixed.rows))
    (row,) = new_run_page.data.mixed.rows
    qtbot.waitUntil(lambda: bool(row.problem.text()))
    assert row.problem.text().startswith(
        "1 row can't be used. The first: old.jsonl, line 8: is not valid JSON"
    )
    assert services.state.start_blocker() == "old has rows that can't be used."
    services.state.change_config(bad_rows="skip")
    assert services.state.start_blocker() == ""


def test_a_mixed_in_dataset_is_read_as_its_columns_were_mapped(
    services: Services,
    new_run_page: NewRunPage,
    actions: RunActions,
    write: Write,
    tmp_path: Path,
    qtbot: QtBot,
) -> None:
    letters = tmp_path / "letters.csv"
    letters.write_text("asked,answered\n" + "".join(f"why {i},so {i}\n" for i in range(9)))
    remember_columns(letters, ColumnMapping(prompt="asked", completion="answered"))
    services.file_opener.open_paths((write("new.jsonl", 30), letters))
    qtbot.waitUntil(actions.start.isEnabled)
    (mixed,) = services.state.config.mix
    assert (mixed.data, mixed.columns) == (letters, "prompt=asked, completion=answered")
    assert shown(new_run_page)[0][2].startswith("9 examples")
    qtbot.waitUntil(lambda: services.data_work.tokenization.done is not None)


def test_problems_of_a_mixed_in_dataset_are_listed_on_the_data_page(
    services: Services, data_page: DataPage, write: Write, qtbot: QtBot
) -> None:
    problems = data_page.problems
    services.file_opener.open_paths(
        (write("new.jsonl", 30), write("old.jsonl", 7, bad="{oops\n[]\n"))
    )
    qtbot.waitUntil(lambda: problems.total == 2)
    rows = map(problems.model.at, range(problems.model.rowCount()))
    listed = [(problem.path.name, problem.place.line) for problem in rows]
    assert listed == [("old.jsonl", 8), ("old.jsonl", 9)]
    data_page.show_view(PROBLEMS)
    assert problems.leave_out.isVisible()
    problems.leave_out.click()
    assert services.state.start_blocker() == ""
    services.datasets.remove(1)
    assert problems.total == 0


def test_an_invalid_dataset_is_named_in_its_place(
    services: Services,
    new_run_page: NewRunPage,
    actions: RunActions,
    write: Write,
    tmp_path: Path,
    qtbot: QtBot,
) -> None:
    services.file_opener.open_path(write("new.jsonl", 30))
    qtbot.waitUntil(actions.start.isEnabled)
    services.datasets.mix_in([tmp_path / "gone.jsonl"])
    (row,) = new_run_page.data.mixed.rows
    qtbot.waitUntil(lambda: bool(row.problem.text()))
    assert "gone.jsonl isn't there: put it back, or choose another." in row.problem.text()
    assert not actions.start.isEnabled()
    row.remove.click()
    qtbot.waitUntil(actions.start.isEnabled)


def test_a_dataset_that_left_the_mix_comes_back_with_its_share(
    nestling: Nestling, write: Write, qtbot: QtBot
) -> None:
    assert drop(nestling.window, write("new.jsonl", 30), write("old.jsonl", 7))
    qtbot.waitUntil(nestling.actions.start.isEnabled)
    nestling.datasets.set_share(1, 0.375)
    (row,) = nestling.new_run.data.mixed.rows
    row.remove.click()
    assert nestling.state.config.mix == ()
    assert nestling.window.notice.text.text() == "Removed old from the mix."
    nestling.undo.undo()
    (mixed,) = nestling.state.config.mix
    assert (mixed.data.name, mixed.share) == ("old.jsonl", 0.375)


def test_another_dataset_starts_without_the_mix_of_the_last(
    services: Services, new_run_page: NewRunPage, actions: RunActions, write: Write, qtbot: QtBot
) -> None:
    services.file_opener.open_paths((write("new.jsonl", 30), write("old.jsonl", 7)))
    qtbot.waitUntil(actions.start.isEnabled)
    services.file_opener.open_path(write("other.jsonl", 5))
    qtbot.waitUntil(lambda: new_run_page.data.name.text() == "other")
    assert services.state.config.mix == ()


def test_a_run_over_two_datasets_says_how_each_does(
    services: Services, actions: RunActions, write: Write, qtbot: QtBot
) -> None:
    mix = (MixedDataset(write("old.jsonl", 20), 0.5),)
    services.state.change_config(data=write("new.jsonl", 30), mix=mix, steps=3, rank=2)
    services.datasets.read_again()
    qtbot.waitUntil(actions.start.isEnabled)
    services.control.start()
    qtbot.waitUntil(lambda: services.state.phase is Phase.FINISHED)
    assert services.state.finished is not None
    log = (services.state.finished.run_dir / LOG_FILE).read_text(encoding="utf-8")
    assert "The first epoch takes 27 rows of new.jsonl (50.0%)" in log
    assert "3 steps used these rows: " in log
    assert "(new.jsonl " in log
