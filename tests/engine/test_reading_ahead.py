"""Another process reads a large dataset while this one imports mlx-lm and loads the model."""

import errno
import gzip
import json
import multiprocessing
import os
import signal
from collections.abc import Generator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest

from app.core.base_model import ModelLimits
from app.core.config.training_config import TrainingConfig
from app.core.errors import InputError, RunError
from app.core.events import Event, LogMessage, RunFinished, StepFinished
from app.core.progress import drain
from app.core.system.work_process import WorkProcess
from app.data.files.dataset_files import DatasetFiles, find_files
from app.data.tokens.token_view import tokens_digest
from app.data.training_set import first_rows_opening, first_rows_reading
from app.data.training_set.first_rows_opening import open_early_data
from app.data.training_set.first_rows_reading import FirstRows, first_rows_process, read_first_rows
from app.data.training_set.training_data import DataSettings
from app.engine.model.loading import load_tokenizer
from app.engine.training import dataset_opening
from app.engine.training.dataset_opening import data_settings
from app.engine.training.trainer import train
from app.library.run.manifest import read_manifest
from tests.at_once import open_data
from tests.engine.step_events import without_time

ROWS, EARLY, WANTED = 1500, 64, 8
SMALL_PART = 50


def write_chats(path: Path, *, odd: int | None = None) -> Path:
    """Line `odd` is no chat."""
    with path.open("w") as file:
        for number in range(ROWS):
            turns = [
                {"role": "user", "content": f"{number}?"},
                {"role": "assistant", "content": "a" * (number % 40 + 1)},
            ]
            file.write(json.dumps({"messages": turns if number != odd else 3}) + "\n")
    return path


@pytest.fixture(autouse=True)
def few_early_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset_opening, "EARLY_ROWS", EARLY)
    monkeypatch.setattr(first_rows_reading, "MIN_BYTES", 0)


@pytest.fixture(scope="module")
def chats(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_chats(tmp_path_factory.mktemp("chats") / "chats.jsonl")


@pytest.fixture
def config(tiny_model: Path, chats: Path, tmp_path: Path) -> TrainingConfig:
    return TrainingConfig(
        model=tiny_model, data=chats, output=tmp_path / "run", steps=2, rank=2, slow_every=0,
        validation_rows=WANTED,
    )  # fmt: skip


def settings_of(config: TrainingConfig) -> DataSettings:
    return data_settings(config, ModelLimits(), EARLY)


def files_of(config: TrainingConfig) -> DatasetFiles:
    assert config.data is not None
    return find_files(config.data, None)


def steps(events: list[Event]) -> list[StepFinished]:
    """Without what the clock decides."""
    found = [event for event in events if isinstance(event, StepFinished)]
    return [without_time(event) for event in found]


@dataclass
class Started:
    """The processes that read ahead."""

    all: list[WorkProcess[FirstRows]]


@pytest.fixture
def without_mlx_lm(monkeypatch: pytest.MonkeyPatch) -> Started:
    """As in a program that has mlx-lm to import."""
    started = Started([])

    def noted(files: DatasetFiles, settings: DataSettings, wanted: int) -> WorkProcess[FirstRows]:
        started.all.append(first_rows_process(files, settings, wanted))
        return started.all[-1]

    monkeypatch.setattr(dataset_opening, "has_mlx_lm", lambda: False)
    monkeypatch.setattr(dataset_opening, "first_rows_process", noted)
    return started


def test_the_process_reads_the_same_rows(config: TrainingConfig, spawned_processes: None) -> None:
    files, settings = files_of(config), settings_of(config)
    process = first_rows_process(files, settings, WANTED)
    process.start()
    read = drain(process.waiting())
    process.close()
    assert read.reading is not None
    assert len(read.reading.early) > EARLY // 2
    assert read == drain(read_first_rows(files, settings, WANTED))


def test_a_run_takes_the_same_rows_and_steps(
    config: TrainingConfig,
    tmp_path: Path,
    without_mlx_lm: Started,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(first_rows_opening, "read_first_rows", _not_here)
        ahead = list(train(config))
    assert any("The run begins with" in e.text for e in ahead if isinstance(e, LogMessage))
    monkeypatch.setattr(dataset_opening, "has_mlx_lm", lambda: True)
    here = list(train(replace(config, output=tmp_path / "here")))
    assert steps(ahead) == steps(here)
    assert len(steps(here)) == 2
    runs = [read_manifest(tmp_path / name) for name in ("run", "here")]
    assert len(without_mlx_lm.all) == 1
    assert runs[0]["tokens_sha256"] == runs[1]["tokens_sha256"]


def _not_here(*_: object) -> Generator[float, None, FirstRows]:
    pytest.fail("The dataset was read in this process too.")


def test_with_mlx_lm_imported_or_a_small_dataset_no_process_starts(
    config: TrainingConfig, tmp_path: Path, without_mlx_lm: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(first_rows_reading, "MIN_BYTES", 10**6)
        assert isinstance(list(train(config))[-1], RunFinished)
    monkeypatch.setattr(dataset_opening, "has_mlx_lm", lambda: True)
    list(train(replace(config, output=tmp_path / "second")))
    assert not without_mlx_lm.all


def test_rows_that_are_tokens_already_end_the_process(
    config: TrainingConfig, tmp_path: Path, without_mlx_lm: Started
) -> None:
    open_data(files_of(config), load_tokenizer(config.model), settings_of(config))
    events = list(train(config))
    assert not any("The run begins with" in e.text for e in events if isinstance(e, LogMessage))
    assert len(without_mlx_lm.all) == 1
    assert not multiprocessing.active_children()


def test_a_bad_row_ends_the_run_with_its_line(
    config: TrainingConfig, tmp_path: Path, without_mlx_lm: Started
) -> None:
    data = write_chats(tmp_path / "odd.jsonl", odd=1200)
    with pytest.raises(InputError, match="1201"):
        list(train(replace(config, data=data)))
    assert len(without_mlx_lm.all) == 1
    assert not multiprocessing.active_children()


def test_a_process_that_cannot_start_costs_only_time(
    config: TrainingConfig, without_mlx_lm: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused: list[WorkProcess[FirstRows]] = []

    class Refused(WorkProcess[FirstRows]):
        def start(self) -> None:
            refused.append(self)
            raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    def first_rows(files: DatasetFiles, settings: DataSettings, wanted: int) -> Refused:
        return Refused(partial(read_first_rows, files, settings, wanted), RunError("It ended."))

    monkeypatch.setattr(dataset_opening, "first_rows_process", first_rows)
    events = list(train(config))
    assert len(refused) == 1
    assert any("The run begins with" in e.text for e in events if isinstance(e, LogMessage))
    assert isinstance(events[-1], RunFinished)


def test_a_damaged_file_ends_the_run_with_its_name(
    config: TrainingConfig, chats: Path, tmp_path: Path, without_mlx_lm: Started
) -> None:
    data = tmp_path / "cut.jsonl.gz"
    data.write_bytes(gzip.compress(chats.read_bytes())[:-100])
    with pytest.raises(InputError, match=r"cut\.jsonl\.gz is damaged or cut off"):
        list(train(replace(config, data=data)))
    assert len(without_mlx_lm.all) == 1


def test_bad_rows_that_are_left_out_are_logged_though_most_rows_never_become_tokens(
    config: TrainingConfig, tmp_path: Path, without_mlx_lm: Started
) -> None:
    data = write_chats(tmp_path / "odd.jsonl", odd=1200)
    with data.open("a") as file:
        file.write("[]\n")
    events = list(train(replace(config, data=data, bad_rows="skip")))
    texts = [event.text for event in events if isinstance(event, LogMessage)]
    assert any("The run begins with" in text for text in texts)
    wanted = "2 rows are left out so far; the first: odd.jsonl, line 1201: messages is a number"
    assert [text for text in texts if text.startswith(wanted)]


def test_a_file_read_in_one_block_is_not_taken_for_one_with_few_rows(
    config: TrainingConfig,
) -> None:
    """Its first rows are there when all of it is read."""
    settings = data_settings(config, ModelLimits(), ROWS // 4)
    assert settings.early_rows > 2 * SMALL_PART
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(first_rows_reading, "_PART_ROWS", SMALL_PART)
        read = drain(read_first_rows(files_of(config), settings, WANTED))
    assert read.reading is not None


def test_a_process_that_dies_costs_only_time(config: TrainingConfig) -> None:
    files, settings = files_of(config), settings_of(config)
    process = first_rows_process(files, settings, WANTED)
    process.start()
    (child,) = multiprocessing.active_children()
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    tokenizer = load_tokenizer(config.model)
    lost = drain(open_early_data(files, tokenizer, settings, WANTED, process))
    process.close()
    alone = drain(open_early_data(files, tokenizer, settings, WANTED))
    assert lost is not None
    assert alone is not None
    assert len(lost.train) == len(alone.train) > EARLY // 2


def test_a_file_that_changed_since_is_read_again(config: TrainingConfig, tmp_path: Path) -> None:
    data = write_chats(tmp_path / "chats.jsonl")
    files, settings = find_files(data, None), settings_of(config)
    process = first_rows_process(files, settings, WANTED)
    process.start()
    while not process.is_done(0.1):
        pass
    changed = data.read_text().replace("aaa", "bbb")
    data.write_text(changed)
    tokenizer = load_tokenizer(config.model)
    rows = drain(open_early_data(files, tokenizer, settings, WANTED, process))
    process.close()
    alone = drain(open_early_data(files, tokenizer, settings, WANTED))
    assert rows is not None
    assert alone is not None
    assert tokens_digest(rows.train) == tokens_digest(alone.train)


def _large() -> Generator[float, None, bytes]:
    yield 0.5
    return bytes(10**7)


def test_a_process_whose_large_result_is_not_wanted_ends_by_itself(
    spawned_processes: None,
) -> None:
    process = WorkProcess(partial(_large), RunError("It ended."))
    process.start()
    (child,) = multiprocessing.active_children()
    while not process._messages.poll(0.1):
        pass
    process.close()
    assert child.exitcode == 0


def _failing() -> Generator[float, None, None]:
    yield 0.5
    raise InputError("The row is bad.", "Mend it.")


def test_the_error_of_the_work_is_that_of_its_owner() -> None:
    process = WorkProcess(partial(_failing), RunError("It ended."))
    process.start()
    with pytest.raises(InputError, match=r"The row is bad\. Mend it\."):
        drain(process.waiting())
    process.close()
