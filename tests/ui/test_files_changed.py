"""Files that change on the disk after they were read: noticed, reread and reported."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from app.application import Nestling
from app.ui.data.data_page import PROBLEMS, DataPage
from app.ui.run.run_actions import RunActions
from app.ui.state.window_pages import Place
from app.window_services import Services


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.ui.data.file_watch.LOOK_EVERY_MS", 200)


@pytest.fixture
def notices(services: Services) -> list[object]:
    """What the window makes notices of: names of reloaded datasets, and failures."""
    reported: list[object] = []
    services.data_work.watch.read_again.connect(reported.append)
    services.datasets.refused.connect(reported.append)
    return reported


def write(path: Path, texts: list[str], bad: str = "") -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts) + bad)
    return path


def texts(count: int, name: str = "row") -> list[str]:
    return [f"{name} number {i}" for i in range(count)]


def tokens_of(services: Services, *rows: int) -> Callable[[], bool]:
    """Each dataset has so many rows, and all are tokens."""
    figures = services.data_work.statistics

    def are_there() -> bool:
        counted = [sum(one.rows) for one in services.data_work.tokenization.done.sets]
        return bool(figures.all) and counted == list(rows)

    return lambda: services.data_work.tokenization.done is not None and are_there()


def test_a_changed_file_is_reread_with_a_notice(
    nestling: Nestling, tmp_path: Path, qtbot: QtBot
) -> None:
    path = write(tmp_path / "data.jsonl", texts(20))
    nestling.window.show_place(Place.DATA)
    nestling.commands.open_path(path)
    qtbot.waitUntil(tokens_of(nestling, 20))
    assert not nestling.window.notice.isVisible()
    write(path, texts(31, "new row"))
    qtbot.waitUntil(tokens_of(nestling, 31))
    assert "31 text examples" in nestling.data.summary.text()
    qtbot.waitUntil(lambda: "new row number 0" in nestling.data.rows.text.toPlainText())
    assert nestling.window.notice.isVisible()
    notice = nestling.window.notice.text.text()
    assert notice == "Reloaded data.jsonl: it changed on disk."
    nestling.commands.open_path(write(tmp_path / "other.jsonl", texts(8)))
    qtbot.waitUntil(tokens_of(nestling, 8))
    assert not nestling.window.notice.isVisible()


def test_a_file_that_changes_between_its_reading_and_its_tokens_is_read_again(
    services: Services, data_page: DataPage, tmp_path: Path, qtbot: QtBot
) -> None:
    path = write(tmp_path / "data.jsonl", texts(20))
    services.datasets.accepted.connect(
        lambda: write(path, texts(9)) if "number 19" in path.read_text() else None
    )
    services.file_opener.open_path(path)
    qtbot.waitUntil(tokens_of(services, 9))
    qtbot.waitUntil(lambda: "9 text examples" in data_page.summary.text())


def test_a_file_that_is_written_to_is_left_alone_until_it_rests(
    services: Services, tmp_path: Path, qtbot: QtBot
) -> None:
    path = write(tmp_path / "data.jsonl", texts(20))
    services.file_opener.open_path(path)
    qtbot.waitUntil(tokens_of(services, 20))
    watch, read = services.data_work.watch, []
    services.datasets.reading_begun.connect(read.append)
    looked: list[int] = []

    def append_a_row() -> None:
        write(path, texts(21 + len(looked)))
        looked.append(1)

    watch._timer.stop()  # a look of its own between two of these would find it at rest
    for _ in range(4):
        append_a_row()
        watch.look()
        qtbot.waitUntil(lambda: not services.data_work.looker.is_busy)
    assert read == []
    watch._timer.start()
    qtbot.waitUntil(tokens_of(services, 24))
    assert len(read) == 1


def test_a_missing_file_is_reported_and_read_when_it_returns(
    services: Services, data_page: DataPage, actions: RunActions, notices: list[object],
    tmp_path: Path, qtbot: QtBot,
) -> None:  # fmt: skip
    path = write(tmp_path / "data.jsonl", texts(20))
    services.file_opener.open_path(path)
    qtbot.waitUntil(tokens_of(services, 20))
    os.rename(path, tmp_path / "aside")
    qtbot.waitUntil(lambda: services.state.dataset_failure is not None)
    assert "data.jsonl" in data_page.problem.text()
    assert not actions.start.isEnabled()
    assert notices == []
    os.rename(tmp_path / "aside", path)
    qtbot.waitUntil(tokens_of(services, 20))
    qtbot.waitUntil(actions.start.isEnabled)


def test_a_file_that_an_editor_replaces_or_empties_is_noticed(
    services: Services, data_page: DataPage, tmp_path: Path, qtbot: QtBot
) -> None:
    path = write(tmp_path / "data.jsonl", texts(20, "row"))
    services.file_opener.open_path(path)
    qtbot.waitUntil(tokens_of(services, 20))
    aside = write(tmp_path / "aside.jsonl", texts(20, "ROW"))  # as many bytes
    before = path.stat()
    os.utime(aside, ns=(before.st_atime_ns, before.st_mtime_ns))
    os.replace(aside, path)
    qtbot.waitUntil(lambda: "ROW number 0" in data_page.rows.text.toPlainText())
    os.truncate(path, 0)
    qtbot.waitUntil(lambda: services.state.dataset_failure is not None)
    assert "data.jsonl is empty" in data_page.problem.text()
    write(path, texts(9))
    qtbot.waitUntil(tokens_of(services, 9))


def test_a_mixed_in_folder_that_gets_a_validation_file_is_read_again(
    services: Services, actions: RunActions, notices: list[object], tmp_path: Path, qtbot: QtBot
) -> None:
    write(tmp_path / "old" / "train.jsonl", texts(12, "old"))
    services.file_opener.open_path(write(tmp_path / "data.jsonl", texts(20)))
    qtbot.waitUntil(actions.start.isEnabled)
    services.datasets.mix_in([tmp_path / "old"])
    qtbot.waitUntil(tokens_of(services, 20, 12))
    write(tmp_path / "old" / "valid.jsonl", texts(3, "held"))
    qtbot.waitUntil(tokens_of(services, 20, 15))
    assert notices == ["old"]


def test_the_list_of_problems_stays_in_sight_while_they_are_mended(
    services: Services, data_page: DataPage, tmp_path: Path, qtbot: QtBot
) -> None:
    path = write(tmp_path / "data.jsonl", texts(20), bad="{oops\n[]\n")
    services.file_opener.open_path(path)
    qtbot.waitUntil(lambda: data_page.problems.total == 2)
    write(path, texts(20), bad="{oops\n")
    qtbot.waitUntil(lambda: data_page.problems.total == 1)
    assert data_page.tabs.currentIndex() == PROBLEMS
    assert data_page.problems.isVisible()


def test_look_closer_shows_the_dataset_that_is_wrong(
    nestling: Nestling, tmp_path: Path, qtbot: QtBot
) -> None:
    nestling.window.show_place(Place.DATA)
    nestling.commands.open_path(write(tmp_path / "data.jsonl", texts(20)))
    qtbot.waitUntil(nestling.actions.start.isEnabled)
    bad = write(tmp_path / "bad.jsonl", texts(20), bad="{oops\n")
    nestling.datasets.mix_in([bad])
    page = nestling.data
    qtbot.waitUntil(lambda: page.tabs.currentIndex() == PROBLEMS)
    page.chooser.choices[0].click()
    page.show_view(0)
    nestling.window.show_place(Place.NEW_RUN)
    nestling.new_run.data.look_closer.click()
    assert nestling.window.place is Place.DATA
    assert page.chooser.choices[1].isChecked()
    assert page.tabs.currentIndex() == PROBLEMS
    page.chooser.choices[0].click()
    write(bad, texts(20))
    qtbot.waitUntil(tokens_of(nestling, 20, 20))
    page.show_view(0)
    nestling.new_run.data.look_closer.click()
    assert page.chooser.choices[0].isChecked(), "none is wrong: the one that was shown last"
    assert page.tabs.currentIndex() == 0
