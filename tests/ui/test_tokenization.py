"""Rows become tokens once a dataset is dropped: stopped, resumed, handed over, rebuilt."""

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from app.core.config.training_config import MixedDataset
from app.core.files.paths import starter_model_dir
from app.data.files.fingerprint import HASHING
from app.data.tokenizing.token_store import stores_dir
from app.ui.data.data_page import DataPage
from app.ui.run.run_actions import RunActions
from app.ui.state.run_state import Phase
from app.window_services import Services
from tests.ui.resting_jobs import TOKENIZATION, RestingTokenization, is_in_the_middle

HASHED = HASHING / (1 + HASHING) + 1e-6
"""The share done once the file is hashed, which is repeated each time."""
LARGE = 3_200
"""Rows of seven lots: enough to be stopped between two of them."""


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """Enough rows to be stopped in the middle of them."""
    return write_rows(tmp_path / "large.jsonl", LARGE)


@pytest.fixture
def larger(tmp_path: Path) -> Path:
    """So many that several processes turn them into tokens."""
    path = write_rows(tmp_path / "larger.jsonl", LARGE, spaces=2_000)
    assert path.stat().st_size > 8 * 2**20
    return path


def write_rows(path: Path, rows: int, spaces: int = 0) -> Path:
    """Spaces behind a row make the file larger and nothing else."""
    line = " ".join(f"word{i}" for i in range(60))
    with path.open("w") as file:
        for number in range(rows):
            turns = [
                {"role": "user", "content": f"{number} {line}"},
                {"role": "assistant", "content": f"{line} {number}"},
            ]
            file.write(json.dumps({"messages": turns}) + " " * spaces + "\n")
    return path


@pytest.fixture
def _rests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are turned into tokens up to the middle, at first."""
    monkeypatch.setattr(TOKENIZATION, RestingTokenization)


rests_in_the_middle = pytest.mark.usefixtures("_rests")


def in_the_middle(services: Services) -> Callable[[], bool]:
    return lambda: is_in_the_middle(services.data_work.tokenization.share)


def taken() -> int:
    """Rows in unfinished stores, as their journals state."""
    journals = stores_dir().glob("*.unfinished/journal.jsonl")
    entries = [j.read_text().splitlines() for j in journals]  # one may have none yet
    return sum(json.loads(lines[-1])["taken"] for lines in entries if lines)


@rests_in_the_middle
def test_a_stopped_tokenisation_resumes_where_it_was(
    services: Services, data_page: DataPage, large: Path, qtbot: QtBot
) -> None:
    work, status = services.data_work.tokenization, data_page.status
    services.file_opener.open_path(large)
    qtbot.waitUntil(in_the_middle(services))
    assert status.text.text().startswith("Tokenizing: ")
    stopped_at = work.share
    status.stop.click()
    assert work.is_stopped
    qtbot.waitUntil(lambda: taken() > 0)
    assert status.text.text().startswith("Stopped at ")
    assert work.share is None
    shares: list[float] = []
    work.changed.connect(lambda: shares.append(work.share) if work.share else None)
    status.go_on.click()
    qtbot.waitUntil(lambda: work.done is not None)
    assert stopped_at is not None
    rows = [share for share in shares if share > HASHED]
    assert min(rows) > stopped_at / 2, "it did not begin from the beginning"
    assert taken() == 0
    assert services.data_work.preview.total == LARGE


@rests_in_the_middle
def test_a_run_continues_where_the_page_was(
    services: Services,
    actions: RunActions,
    large: Path,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One that needs all rows before it begins."""
    monkeypatch.setattr("app.data.training_set.first_rows_reading.MIN_BYTES", 2**40)
    work = services.data_work.tokenization
    services.state.change_config(steps=1, batch_size=1, validation_split=0.0)
    services.state.change_config(mask_prompt=False)
    shares: list[float] = []
    stages: list[str] = []

    def note(event: object) -> None:
        if (share := getattr(event, "fraction", None)) is not None:
            shares.append(share)
        stages.append(str(getattr(event, "stage", "")))

    services.state.run_event_received.connect(note)
    services.file_opener.open_path(large)
    qtbot.waitUntil(in_the_middle(services))
    reached = work.share
    actions.start.trigger()
    assert work.share is None
    qtbot.waitUntil(lambda: services.state.phase is Phase.FINISHED)
    assert services.state.finished is not None
    assert services.state.finished.outcome == "finished"
    assert reached is not None
    assert "Tokenizing" in stages
    assert min(share for share in shares if share > HASHED) > reached / 2
    assert [folder.suffix for folder in stores_dir().iterdir() if folder.is_dir()] == [""]
    qtbot.waitUntil(lambda: work.done is not None)


@rests_in_the_middle
def test_the_page_continues_after_a_run_that_needed_few_rows(
    services: Services, actions: RunActions, large: Path, qtbot: QtBot
) -> None:
    work = services.data_work.tokenization
    services.state.change_config(steps=1, batch_size=1, validation_split=0.0, mask_prompt=False)
    services.file_opener.open_path(large)
    qtbot.waitUntil(in_the_middle(services))
    actions.start.trigger()
    qtbot.waitUntil(lambda: services.state.phase is Phase.FINISHED)
    assert services.state.finished is not None
    assert services.state.finished.outcome == "finished"
    qtbot.waitUntil(lambda: work.done is not None)
    assert [folder.suffix for folder in stores_dir().iterdir() if folder.is_dir()] == [""]


def test_after_tokens_are_made_a_run_makes_none(
    services: Services, actions: RunActions, chat_file: Path, qtbot: QtBot
) -> None:
    stages: list[str] = []
    services.state.run_event_received.connect(lambda e: stages.append(getattr(e, "stage", "")))
    services.state.change_config(steps=1)
    services.file_opener.open_path(chat_file)
    qtbot.waitUntil(lambda: services.data_work.tokenization.done is not None)
    actions.start.trigger()
    qtbot.waitUntil(lambda: services.state.phase is Phase.FINISHED)
    assert "Reading the dataset" in stages
    assert "Tokenizing" not in stages


def test_another_model_or_mask_starts_over(
    services: Services, chat_file: Path, qtbot: QtBot
) -> None:
    work = services.data_work.tokenization
    services.file_opener.open_path(chat_file)
    qtbot.waitUntil(lambda: work.done is not None)
    first = work.done
    services.state.change_config(mask_prompt=False)
    qtbot.waitUntil(lambda: work.done not in (None, first))
    second = work.done
    services.file_opener.use_starter_model()
    qtbot.waitUntil(lambda: work.done not in (None, first, second))
    assert services.state.config.model == starter_model_dir()
    services.state.change_config(max_seq_length=128, batch_size=2)
    assert work.done is not None, "what decides no token keeps them"


def test_an_endless_template_is_shown_as_tried_and_can_be_stopped(
    services: Services,
    data_page: DataPage,
    chat_file: Path,
    tiny_model: Path,
    tmp_path: Path,
    qtbot: QtBot,
) -> None:
    model, loop = tmp_path / "endless", "{% for i in range(99999) %}"
    shutil.copytree(tiny_model, model)
    (model / "chat_template.jinja").write_text(f"{loop}{loop}{{% endfor %}}{{% endfor %}}")
    strip, work = data_page.status, services.data_work.tokenization
    services.state.change_config(model=model)
    services.file_opener.open_path(chat_file)
    qtbot.waitUntil(lambda: strip.text.text() == "Trying the chat template …")
    strip.stop.click()
    assert work.is_stopped
    assert strip.text.text().startswith("Stopped at")
    qtbot.waitUntil(work.make_way().is_set)


@rests_in_the_middle
def test_a_file_that_vanishes_is_reported_in_a_sentence(
    services: Services, data_page: DataPage, actions: RunActions, large: Path, qtbot: QtBot
) -> None:
    work = services.data_work.tokenization
    services.file_opener.open_path(large)
    qtbot.waitUntil(in_the_middle(services))
    large.unlink()
    qtbot.waitUntil(lambda: services.state.dataset_failure is not None)
    assert data_page.problem.text() == (
        f"The dataset {large} isn't there: put it back, or choose another."
    )
    assert work.share is None
    assert not actions.start.isEnabled()
    assert not any(folder.suffix == "" for folder in stores_dir().iterdir() if folder.is_dir())


@rests_in_the_middle
def test_a_killed_process_can_be_resumed(services: Services, larger: Path, qtbot: QtBot) -> None:
    work, reader = services.data_work.tokenization, services.data_work.reader
    services.file_opener.open_path(larger)
    qtbot.waitUntil(in_the_middle(services))
    assert reader.process_id is not None
    os.kill(reader.process_id, signal.SIGKILL)
    qtbot.waitUntil(lambda: work.failure is not None)
    assert work.failure is not None
    assert "ended before it was done" in work.failure.message
    work.go_on()
    qtbot.waitUntil(lambda: work.done is not None)


@rests_in_the_middle
def test_quitting_in_the_middle_keeps_finished_work(
    services: Services, large: Path, qtbot: QtBot
) -> None:
    services.file_opener.open_path(large)
    qtbot.waitUntil(in_the_middle(services))
    services.data_work.shut_down()
    assert taken() > 0


def test_several_files_and_mixed_in_datasets_are_all_tokenised_before_a_run(
    services: Services,
    data_page: DataPage,
    actions: RunActions,
    chat_file: Path,
    tmp_path: Path,
    qtbot: QtBot,
) -> None:
    folder = tmp_path / "letters"
    folder.mkdir()
    lines = chat_file.read_text().splitlines(keepends=True)
    (folder / "train-00000-of-00002.jsonl").write_text("".join(lines[:25]))
    (folder / "train-00001-of-00002.jsonl").write_text("".join(lines[25:]))
    other = write_rows(tmp_path / "other.jsonl", 20)
    stages: list[str] = []
    services.state.run_event_received.connect(lambda e: stages.append(getattr(e, "stage", "")))
    services.file_opener.open_path(folder)
    qtbot.waitUntil(lambda: services.data_work.tokenization.done is not None)
    first = services.data_work.tokenization.done
    services.state.change_config(steps=1, mix=(MixedDataset(other, 0.25),))
    work = services.data_work
    qtbot.waitUntil(lambda: work.tokenization.done not in (None, first))
    work.preview.go_to(26)
    qtbot.waitUntil(lambda: bool(work.preview.rows) and work.preview.rows[0].number == 26)
    assert work.preview.total == 40
    shown = data_page.rows.text.toPlainText()
    assert "Row 27 · train-00001-of-00002.jsonl, line 2 " in shown
    qtbot.waitUntil(lambda: work.statistics.statistics is not None)
    qtbot.waitUntil(actions.start.isEnabled)
    figures = {figure.name: figure for figure in data_page.statistics.run.shown}
    assert figures["Steps per epoch"].value == "12", "36 rows and 12 mixed in, in batches of 4"
    actions.start.trigger()
    qtbot.waitUntil(lambda: services.state.phase is Phase.FINISHED)
    assert "Reading the dataset" in stages
    assert "Tokenizing" not in stages
