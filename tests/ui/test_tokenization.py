"""Rows become tokens once a dataset is dropped: stopped, resumed, handed over, rebuilt."""

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from app.application import Nestling
from app.core.config.training_config import MixedDataset
from app.core.files.paths import starter_model_dir
from app.data.files.fingerprint import HASHING
from app.data.tokenizing.token_store import stores_dir
from app.ui.state.run_state import Phase
from app.ui.state.window_pages import Place

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


def in_the_middle(nestling: Nestling) -> Callable[[], bool]:
    work = nestling.data_work.tokenization
    return lambda: work.share is not None and HASHED < work.share < 0.9


def taken() -> int:
    """Rows in unfinished stores, as their journals state."""
    journals = stores_dir().glob("*.unfinished/journal.jsonl")
    entries = [j.read_text().splitlines() for j in journals]  # one may have none yet
    return sum(json.loads(lines[-1])["taken"] for lines in entries if lines)


def test_a_stopped_tokenisation_resumes_where_it_was(
    nestling: Nestling, large: Path, qtbot: QtBot
) -> None:
    work, status = nestling.data_work.tokenization, nestling.data.status
    nestling.window.show_place(Place.DATA)
    nestling.commands.open_path(large)
    qtbot.waitUntil(in_the_middle(nestling))
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
    assert nestling.data_work.preview.total == LARGE


def test_a_run_continues_where_the_page_was(
    nestling: Nestling, large: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that needs all rows before it begins."""
    monkeypatch.setattr("app.data.training_set.first_rows_reading.MIN_BYTES", 2**40)
    work = nestling.data_work.tokenization
    nestling.state.change_config(steps=1, batch_size=1, validation_split=0.0)
    nestling.state.change_config(mask_prompt=False)
    shares: list[float] = []
    stages: list[str] = []

    def note(event: object) -> None:
        if (share := getattr(event, "fraction", None)) is not None:
            shares.append(share)
        stages.append(str(getattr(event, "stage", "")))

    nestling.state.run_event_received.connect(note)
    nestling.commands.open_path(large)
    qtbot.waitUntil(in_the_middle(nestling))
    reached = work.share
    nestling.actions.start.trigger()
    assert work.share is None
    qtbot.waitUntil(lambda: nestling.state.phase is Phase.FINISHED)
    assert nestling.state.finished is not None
    assert nestling.state.finished.outcome == "finished"
    assert reached is not None
    assert "Tokenizing" in stages
    assert min(share for share in shares if share > HASHED) > reached / 2
    assert [folder.suffix for folder in stores_dir().iterdir() if folder.is_dir()] == [""]
    qtbot.waitUntil(lambda: work.done is not None)


def test_the_page_continues_after_a_run_that_needed_few_rows(
    nestling: Nestling, large: Path, qtbot: QtBot
) -> None:
    work = nestling.data_work.tokenization
    nestling.state.change_config(steps=1, batch_size=1, validation_split=0.0, mask_prompt=False)
    nestling.commands.open_path(large)
    qtbot.waitUntil(in_the_middle(nestling))
    nestling.actions.start.trigger()
    qtbot.waitUntil(lambda: nestling.state.phase is Phase.FINISHED)
    assert nestling.state.finished is not None
    assert nestling.state.finished.outcome == "finished"
    qtbot.waitUntil(lambda: work.done is not None)
    assert [folder.suffix for folder in stores_dir().iterdir() if folder.is_dir()] == [""]


def test_after_tokens_are_made_a_run_makes_none(
    nestling: Nestling, chat_file: Path, qtbot: QtBot
) -> None:
    stages: list[str] = []
    nestling.state.run_event_received.connect(lambda e: stages.append(getattr(e, "stage", "")))
    nestling.state.change_config(steps=1)
    nestling.commands.open_path(chat_file)
    qtbot.waitUntil(lambda: nestling.data_work.tokenization.done is not None)
    nestling.actions.start.trigger()
    qtbot.waitUntil(lambda: nestling.state.phase is Phase.FINISHED)
    assert "Reading the dataset" in stages
    assert "Tokenizing" not in stages


def test_another_model_or_mask_starts_over(
    nestling: Nestling, chat_file: Path, qtbot: QtBot
) -> None:
    work = nestling.data_work.tokenization
    nestling.commands.open_path(chat_file)
    qtbot.waitUntil(lambda: work.done is not None)
    first = work.done
    nestling.state.change_config(mask_prompt=False)
    qtbot.waitUntil(lambda: work.done not in (None, first))
    second = work.done
    nestling.file_opener.use_starter_model()
    qtbot.waitUntil(lambda: work.done not in (None, first, second))
    assert nestling.state.config.model == starter_model_dir()
    nestling.state.change_config(max_seq_length=128, batch_size=2)
    assert work.done is not None, "what decides no token keeps them"


def test_an_endless_template_is_shown_as_tried_and_can_be_stopped(
    nestling: Nestling, chat_file: Path, tiny_model: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    model, loop = tmp_path / "endless", "{% for i in range(99999) %}"
    shutil.copytree(tiny_model, model)
    (model / "chat_template.jinja").write_text(f"{loop}{loop}{{% endfor %}}{{% endfor %}}")
    strip, work = nestling.data.status, nestling.data_work.tokenization
    nestling.state.change_config(model=model)
    nestling.commands.open_path(chat_file)
    qtbot.waitUntil(lambda: strip.text.text() == "Trying the chat template …")
    strip.stop.click()
    assert work.is_stopped
    assert strip.text.text().startswith("Stopped at")
    qtbot.waitUntil(work.make_way().is_set)


def test_a_file_that_vanishes_is_reported_in_a_sentence(
    nestling: Nestling, large: Path, qtbot: QtBot
) -> None:
    work = nestling.data_work.tokenization
    nestling.window.show_place(Place.DATA)
    nestling.commands.open_path(large)
    qtbot.waitUntil(in_the_middle(nestling))
    large.unlink()
    qtbot.waitUntil(lambda: nestling.state.dataset_failure is not None)
    assert nestling.data.problem.text() == (
        f"The dataset {large} isn't there: put it back, or choose another."
    )
    assert work.share is None
    assert not nestling.actions.start.isEnabled()
    assert not any(folder.suffix == "" for folder in stores_dir().iterdir() if folder.is_dir())


def test_a_killed_process_can_be_resumed(nestling: Nestling, larger: Path, qtbot: QtBot) -> None:
    work, reader = nestling.data_work.tokenization, nestling.data_work.reader
    nestling.commands.open_path(larger)
    qtbot.waitUntil(in_the_middle(nestling))
    assert reader.process_id is not None
    os.kill(reader.process_id, signal.SIGKILL)
    qtbot.waitUntil(lambda: work.failure is not None)
    assert work.failure is not None
    assert "ended before it was done" in work.failure.message
    work.go_on()
    qtbot.waitUntil(lambda: work.done is not None)


def test_quitting_in_the_middle_keeps_finished_work(
    nestling: Nestling, large: Path, qtbot: QtBot
) -> None:
    nestling.commands.open_path(large)
    qtbot.waitUntil(in_the_middle(nestling))
    nestling.data_work.shut_down()
    assert taken() > 0


def test_several_files_and_mixed_in_datasets_are_all_tokenised_before_a_run(
    nestling: Nestling, chat_file: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    folder = tmp_path / "letters"
    folder.mkdir()
    lines = chat_file.read_text().splitlines(keepends=True)
    (folder / "train-00000-of-00002.jsonl").write_text("".join(lines[:25]))
    (folder / "train-00001-of-00002.jsonl").write_text("".join(lines[25:]))
    other = write_rows(tmp_path / "other.jsonl", 20)
    stages: list[str] = []
    nestling.state.run_event_received.connect(lambda e: stages.append(getattr(e, "stage", "")))
    nestling.commands.open_path(folder)
    qtbot.waitUntil(lambda: nestling.data_work.tokenization.done is not None)
    first = nestling.data_work.tokenization.done
    nestling.state.change_config(steps=1, mix=(MixedDataset(other, 0.25),))
    work = nestling.data_work
    qtbot.waitUntil(lambda: work.tokenization.done not in (None, first))
    work.preview.go_to(26)
    qtbot.waitUntil(lambda: bool(work.preview.rows) and work.preview.rows[0].number == 26)
    assert work.preview.total == 40
    shown = nestling.data.rows.text.toPlainText()
    assert "Row 27 · train-00001-of-00002.jsonl, line 2 " in shown
    qtbot.waitUntil(lambda: work.statistics.statistics is not None)
    qtbot.waitUntil(nestling.actions.start.isEnabled)
    figures = {figure.name: figure for figure in nestling.data.statistics.run.shown}
    assert figures["Steps per epoch"].value == "12", "36 rows and 12 mixed in, in batches of 4"
    nestling.actions.start.trigger()
    qtbot.waitUntil(lambda: nestling.state.phase is Phase.FINISHED)
    assert "Reading the dataset" in stages
    assert "Tokenizing" not in stages
