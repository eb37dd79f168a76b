"""A run on a large file begins before all rows are tokens; its order doesn't depend on that."""

import json
import multiprocessing
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import mlx.core as mx
import numpy as np
import pytest

from app.core.config.training_config import TrainingConfig
from app.core.errors import InputError
from app.core.events import Event, LogMessage, RunFinished, StageChanged, StepFinished
from app.core.files.paths import HOME_VARIABLE
from app.core.system import child_processes, work_process
from app.data.files.dataset_files import find_files
from app.data.tokenizing.token_store import stores_dir
from app.data.training_set import first_rows_reading as early_reading
from app.data.training_set.validation_split import EarlyRows
from app.engine.execution.batch_layout import BatchLayout
from app.engine.runtime.mlx_runtime import import_mlx_lm
from app.engine.training import dataset_opening as run_rows
from app.engine.training.checkpoints import last_checkpoint, load_checkpoint
from app.engine.training.dataset_opening import data_settings
from app.engine.training.trainer import resume, train
from app.library.run.manifest import read_manifest
from app.models.model_folder import folder_limits
from tests.at_once import open_data
from tests.engine.step_events import without_time

EARLY = 24
ROWS = 160
STEPS = 36
"""An epoch has 32, of which some 6 are of early rows."""
REFUSED = "refuse me"


def write_chats(path: Path, rows: int = ROWS, *, odd: int | None = None) -> Path:
    """Chats of long-tailed lengths, sorted by them; row number `odd` begins with a reply."""
    random = Random(0)
    lengths = sorted(int(random.lognormvariate(2.5, 0.8)) + 1 for _ in range(rows))
    with path.open("w") as file:
        for number, length in enumerate(lengths):
            reply = {"role": "assistant", "content": "b" * length}
            turns = [{"role": "user", "content": f"{number}"}, reply]
            if number == odd:
                turns.insert(0, {"role": "system", "content": REFUSED})
            file.write(json.dumps({"messages": turns}) + "\n")
    return path


@pytest.fixture(autouse=True, scope="module")
def few_early_rows() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_rows, "EARLY_ROWS", EARLY)
        patch.setattr(early_reading, "MIN_BYTES", 0)
        patch.setattr(early_reading, "_SPARE", 0)
        yield


@pytest.fixture(scope="module")
def whole_config(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainingConfig:
    """Steps that go on beyond the early rows, into the second epoch."""
    folder = tmp_path_factory.mktemp("whole")
    return TrainingConfig(
        model=tiny_model, data=write_chats(folder / "chats.jsonl"), output=folder / "run",
        steps=STEPS, batch_size=4, rank=2, dropout=0.1, learning_rate=1e-2, steps_per_eval=10,
        steps_per_save=1000, validation_split=0.2, validation_rows=8, max_seq_length=256,
    )  # fmt: skip


@dataclass(frozen=True)
class Whole:
    """A run from its start to its end, with the home in which its rows became tokens."""

    run: Path
    home: Path
    events: list[Event]


@pytest.fixture(scope="module")
def whole(whole_config: TrainingConfig, few_early_rows: None) -> Whole:
    """Its other rows become tokens in a process that begins as the app's."""
    run = whole_config.output
    assert run is not None
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(HOME_VARIABLE, str(run.with_name("home")))
        patch.setattr(child_processes, "PROCESSES", multiprocessing.get_context("spawn"))
        return Whole(run, run.with_name("home"), list(train(whole_config)))


@pytest.fixture
def config(whole_config: TrainingConfig, tmp_path: Path) -> TrainingConfig:
    """The same run elsewhere; none of its rows are tokens."""
    return replace(whole_config, output=tmp_path / "run")


def steps(events: list[Event]) -> dict[int, StepFinished]:
    """Without what the clock decides."""
    return {e.step: without_time(e) for e in events if isinstance(e, StepFinished)}


def log(events: list[Event]) -> str:
    return "\n".join(event.text for event in events if isinstance(event, LogMessage))


def ending(events: list[Event]) -> RunFinished:
    assert isinstance(events[-1], RunFinished)
    return events[-1]


def are_same(one: Path, other: Path) -> bool:
    first, second = (load_checkpoint(last_checkpoint(run)).adapter for run in (one, other))
    return all(mx.array_equal(first[name], second[name]).item() for name in first)


def test_a_run_takes_the_same_rows_whether_the_tokens_were_there_or_not(
    config: TrainingConfig, whole: Whole, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = whole.events
    assert ending(first).outcome == "finished"
    assert "The run begins with" in log(first)
    assert "Tokenized: 128 examples to train on, 32 to validate on." in log(first)
    monkeypatch.setenv(HOME_VARIABLE, str(whole.home))
    second = list(train(config))
    assert "The run begins with" not in log(second)
    assert steps(first) == steps(second)
    assert len(steps(first)) == STEPS
    losses = [
        [e for e in run if e.__class__.__name__ == "EvaluationFinished"] for run in (first, second)
    ]
    assert losses[0] == losses[1]
    assert are_same(whole.run, tmp_path / "run")
    manifests = [read_manifest(run) for run in (whole.run, tmp_path / "run")]
    for fact in ("train_examples", "valid_examples", "tokens_sha256", "batching"):
        assert manifests[0][fact] == manifests[1][fact]
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("cut", [2, 20])
def test_a_run_resumes_bit_equal_before_and_after_all_rows_are_tokens(
    config: TrainingConfig,
    whole: Whole,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    cut: int,
) -> None:
    begun = list(train(config, stop_after=cut))
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "other-home"))
    after = list(resume(tmp_path / "run"))
    assert "The run begins with" in log(after)
    assert steps(begun) | steps(after) == steps(whole.events)
    assert are_same(whole.run, tmp_path / "run")


def test_a_run_that_never_comes_to_the_other_rows_leaves_them(config: TrainingConfig) -> None:
    config = replace(config, steps=4, validation_rows=0)
    events = list(train(config))
    assert ending(events).outcome == "finished"
    assert "Tokenized" not in log(events)
    assert not stores_dir().exists() or not list(stores_dir().glob("*/manifest.json"))


def test_notes_about_the_first_rows_are_logged_at_once(
    config: TrainingConfig, tmp_path: Path
) -> None:
    data = write_chats(tmp_path / "thoughts.jsonl")
    rows = [json.loads(line) for line in data.read_text().splitlines()]
    for row in rows:
        row["messages"][-1]["reasoning_content"] = "so"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    logged = log(list(train(replace(config, data=data, steps=1, validation_rows=0))))
    count = logged.partition("The run begins with ")[2].partition(" rows")[0]
    assert (
        f"Of these, {count} rows have thoughts that the model's chat template leaves out." in logged
    )


def test_a_run_stopped_before_all_rows_are_tokens_ends_their_process(
    config: TrainingConfig, spawned_processes: None
) -> None:
    events: list[Event] = []
    for event in train(config, should_stop=lambda: bool(steps(events))):
        events.append(event)
    assert ending(events).outcome == "stopped"
    assert not multiprocessing.active_children()


def test_a_stop_while_waiting_for_rows_takes_effect(
    config: TrainingConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work_process.WorkProcess, "is_done", lambda *_: False)
    events: list[Event] = []

    def is_waiting() -> bool:
        return any(isinstance(e, StageChanged) and e.stage == "Tokenizing" for e in events)

    for event in train(config, should_stop=is_waiting):
        events.append(event)
    assert ending(events).outcome == "stopped"
    done = ending(events).steps
    assert 0 < done < STEPS
    monkeypatch.undo()
    assert load_checkpoint(last_checkpoint(config.output)).progress.step == done


def test_a_process_that_dies_ends_the_run_with_a_sentence_and_a_checkpoint(
    config: TrainingConfig, spawned_processes: None
) -> None:
    events = []
    for event in train(config):
        events.append(event)
        if isinstance(event, StepFinished) and event.step == 1:
            (child,) = multiprocessing.active_children()
            os.kill(child.pid, signal.SIGKILL)
    assert ending(events).outcome == "failed"
    assert "ended before it was done" in ending(events).message
    assert ending(events).adapter_dir is not None
    assert not multiprocessing.active_children()
    again = list(resume(config.output))
    assert ending(again).outcome == "finished"


def test_a_file_that_changes_while_the_run_trains_ends_it_with_a_sentence(
    config: TrainingConfig, tmp_path: Path, spawned_processes: None
) -> None:
    events: list[Event] = []
    data = write_chats(tmp_path / "chats.jsonl")
    for event in train(replace(config, data=data)):
        if isinstance(event, LogMessage) and "The run begins with" in event.text:
            write_chats(data, ROWS + 1)
        events.append(event)
    assert ending(events).outcome == "failed"
    assert "changed while it was read" in ending(events).message


@pytest.fixture
def refusing_config(make_model: Any, config: TrainingConfig, tmp_path: Path) -> TrainingConfig:
    """A run whose template refuses the last row, which is not one that the run begins with."""
    model = make_model()
    template = model / "chat_template.jinja"
    refusing = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no') }}{% endif %}"
    template.write_text(refusing + template.read_text())
    data = write_chats(tmp_path / "odd.jsonl", odd=ROWS - 1)
    return replace(config, model=model, data=data, steps=12)  # of which some 6 are early


def test_a_row_that_the_template_refuses_ends_a_run_that_trains_with_its_line_and_a_checkpoint(
    refusing_config: TrainingConfig, tmp_path: Path
) -> None:
    events = list(train(refusing_config))
    assert ending(events).outcome == "failed"
    assert ending(events).message == (
        f"odd.jsonl, line {ROWS}: the model's chat template refuses it: no. Correct or remove "
        "such rows, choose another base model, or start a run with invalid rows left out."
    )
    assert 0 < ending(events).steps < 12
    kept = load_checkpoint(last_checkpoint(refusing_config.output))
    assert kept.progress.step == ending(events).steps
    assert not multiprocessing.active_children()
    with pytest.raises(InputError, match=f"line {ROWS}: the model's chat template refuses it"):
        list(train(replace(refusing_config, output=tmp_path / "again")))  # its tokens are there now


def test_a_row_that_the_template_refuses_stops_a_run_that_begins_with_it(
    refusing_config: TrainingConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = EarlyRows.keys

    def with_the_last_row(rule: EarlyRows, digests: Any, places: Any, file: int) -> Any:
        is_last = places[:, 0] == ROWS
        return np.where(is_last, np.uint64(2**64 - 1), keys(rule, digests, places, file))

    monkeypatch.setattr(EarlyRows, "keys", with_the_last_row)
    with pytest.raises(InputError, match=f"line {ROWS}: the model's chat template refuses it"):
        list(train(refusing_config))
    assert refusing_config.output is not None
    assert not refusing_config.output.exists()


def test_rows_that_the_template_refuses_are_left_out_and_counted_on_request(
    refusing_config: TrainingConfig, tmp_path: Path
) -> None:
    config = replace(refusing_config, bad_rows="skip")
    first = list(train(config))
    assert f"1 row is left out; the first: odd.jsonl, line {ROWS}" in log(first)
    second = list(train(replace(config, output=tmp_path / "again")))
    assert steps(first) == steps(second)


def test_rows_that_the_template_refuses_are_counted_in_a_run_that_never_comes_to_the_others(
    refusing_config: TrainingConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = EarlyRows.keys

    def with_the_last_row(rule: EarlyRows, digests: Any, places: Any, file: int) -> Any:
        is_last = places[:, 0] == ROWS
        return np.where(is_last, np.uint64(2**64 - 1), keys(rule, digests, places, file))

    monkeypatch.setattr(EarlyRows, "keys", with_the_last_row)
    config = replace(refusing_config, bad_rows="skip", steps=2, validation_rows=0)
    logged = log(list(train(config)))
    assert f"1 row is left out so far; the first: odd.jsonl, line {ROWS}: " in logged


def test_a_dataset_with_only_long_rows_starts_no_run(config: TrainingConfig) -> None:
    """As if all rows were tokens."""
    with pytest.raises(InputError, match="Every training row is longer than the limit of 8 tokens"):
        list(train(replace(config, max_seq_length=8, mask_prompt=False)))


def test_rows_that_are_cut_before_their_replies_are_counted_at_once(
    config: TrainingConfig, tmp_path: Path
) -> None:
    data = write_chats(tmp_path / "long.jsonl")
    rows = [json.loads(line) for line in data.read_text().splitlines()]
    for row in rows[::2]:
        row["messages"][0]["content"] = "q" * 400
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    logged = log(list(train(replace(config, data=data, steps=1, validation_rows=2))))
    assert "The run begins with" in logged
    assert "rows are left out so far; the first: long.jsonl, line " in logged
    assert "are cut at 256, before anything to train on" in logged


def test_a_run_of_a_version_without_early_rows_keeps_its_order(
    config: TrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(config, steps=12)
    with monkeypatch.context() as older:
        older.setattr(run_rows, "EARLY_ROWS", 0)
        whole = list(train(config))
        begun = list(train(replace(config, output=tmp_path / "cut"), stop_after=5))
    assert read_manifest(tmp_path / "cut")["batching"]["early_rows"] == 0
    assert steps(begun) | steps(list(resume(tmp_path / "cut"))) == steps(whole)


@pytest.mark.parametrize("is_traced", [True, False])
def test_early_rows_come_from_all_over_a_sorted_file_and_waste_little(
    tiny_model: Path, tmp_path: Path, is_traced: bool
) -> None:
    data = write_chats(tmp_path / "sorted.jsonl", 6_000)
    config = TrainingConfig(model=tiny_model, max_seq_length=256)
    settings = data_settings(config, folder_limits(tiny_model), 1024)
    rows = open_data(find_files(data), import_mlx_lm().load_tokenizer(tiny_model), settings)
    assert 900 < len(rows.early) < 1150
    assert len(rows.early) % config.batch_size == 0
    middle = np.median(rows.train.lengths[rows.early]) / np.median(rows.train.lengths)
    assert 0.9 < middle < 1.1
    batches = BatchLayout(4, True, not is_traced, early_rows=1024).training(rows)
    places = list(batches._epoch(0, 0))
    taken = np.concatenate([part._examples._chosen[indexes] for part, indexes in places])
    assert sorted(taken) == sorted(rows.train._chosen), "each row exactly once"
    for count in (batches.at_once, len(places)):
        cells = sum(part.batch(indexes).tokens.size for part, indexes in places[:count])
        tokens = sum(int(part._examples.lengths[indexes].sum()) for part, indexes in places[:count])
        assert 1 - tokens / cells < 0.06
    later = [indexes.tobytes() for _, indexes in batches._epoch(0, 1)]
    assert later != [indexes.tobytes() for _, indexes in places]
