"""A run resumes with the base model it began with, or not at all; an old run says what is unknown.

A checkpoint that is tried on another base model says so.
"""

import json
import shutil
import threading
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from app.core.base_model import UNKNOWN, read_digests
from app.core.config.training_config import TrainingConfig
from app.core.errors import InputError
from app.core.events import Event, LogMessage, RunFinished, StageChanged
from app.core.files.paths import cache_dir, runs_dir
from app.core.generation_events import CheckpointRef, answer_to_json
from app.data.files import model_files
from app.engine.generation import adapted_model
from app.engine.model import base_model_digests
from app.engine.model.base_model_digests import WeightsHashing
from app.engine.model.loading import BaseModel, loading_base_model
from app.engine.training import run_reporting, setup
from app.engine.training.checkpoints import last_checkpoint
from app.engine.training.trainer import resume, train
from app.library.run.manifest import read_manifest, write_manifest
from tests.at_once import load_tuned_model
from tests.other_base_models import CHANGES, change_one_weight, copied_model


@pytest.fixture
def model(tiny_model: Path, tmp_path: Path) -> Path:
    return copied_model(tiny_model, tmp_path / "base")


@pytest.fixture
def config(model: Path, chat_file: Path) -> TrainingConfig:
    return TrainingConfig(
        model=model, data=chat_file, output=runs_dir() / "stopped", steps=4, rank=2,
        steps_per_save=2,
    )  # fmt: skip


@pytest.fixture
def stopped(config: TrainingConfig) -> Path:
    list(train(config, stop_after=2))
    assert config.output is not None
    return config.output


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights of any size are too large to be hashed before the first step."""
    for module in (model_files, base_model_digests, run_reporting):
        monkeypatch.setattr(module, "HASHED_FIRST_BYTES", 0)


def messages(events: Iterator[Event]) -> list[LogMessage]:
    return [event for event in events if isinstance(event, LogMessage)]


def edit(run_dir: Path, **changes: Any) -> None:
    """Change the manifest; None takes an entry out."""
    manifest = read_manifest(run_dir) | changes
    kept = {name: value for name, value in manifest.items() if value is not None}
    (run_dir / "run.json").write_text(json.dumps(kept))


@pytest.mark.parametrize("what", CHANGES)
def test_a_changed_base_model_is_refused_and_tried_with_a_notice(
    what: str, stopped: Path, model: Path
) -> None:
    change, sentence, hint = CHANGES[what]
    manifest = read_manifest(stopped)
    change(model)
    with pytest.raises(InputError) as refused:
        list(resume(stopped))
    assert refused.value.message == sentence.format(model)
    assert refused.value.hint == hint
    assert read_manifest(stopped) == manifest
    tried = load_tuned_model(CheckpointRef(model, last_checkpoint(stopped)))
    assert tried.loaded.base_model.state == "changed"
    assert tried.loaded.base_model.message == sentence.format(model)
    assert answer_to_json(tried.loaded)["base_model"]["changed"] == list(
        tried.loaded.base_model.changed
    )


def test_a_run_keeps_the_digests_of_its_base_model(stopped: Path, model: Path) -> None:
    digests = read_digests(read_manifest(stopped))
    assert digests is not None
    assert digests.is_whole
    assert digests.after_step == digests.whole_after_step == 0
    assert list(digests.config) == ["config.json"]
    assert list(digests.tokenizer) == ["tokenizer.json", "tokenizer_config.json"]
    assert list(digests.template) == ["chat_template.jinja"]


def test_the_same_base_model_resumes_and_answers_without_a_notice(
    stopped: Path, model: Path
) -> None:
    loaded = load_tuned_model(CheckpointRef(model, last_checkpoint(stopped))).loaded
    assert (loaded.base_model.state, loaded.base_model.message) == ("same", "")
    before = read_manifest(stopped)["base_model"]
    logged = messages(resume(stopped))
    assert not any("base model" in message.text for message in logged)
    assert read_manifest(stopped)["base_model"] == before


def test_an_equal_base_model_elsewhere_is_the_same(
    stopped: Path, model: Path, tmp_path: Path
) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(model, moved)
    shutil.rmtree(model)
    loaded = load_tuned_model(CheckpointRef(moved, last_checkpoint(stopped))).loaded
    assert loaded.base_model.state == "same"
    moved.rename(model)
    assert not any("base model" in message.text for message in messages(resume(stopped)))


def test_a_run_without_digests_resumes_and_says_what_is_unknown(stopped: Path, model: Path) -> None:
    edit(stopped, base_model=None, tokens_sha256=None)
    assert load_tuned_model(
        CheckpointRef(model, last_checkpoint(stopped))
    ).loaded.base_model.state == ("unknown")
    assert UNKNOWN in [message.text for message in messages(resume(stopped, stop_after=3))]
    assert UNKNOWN in (stopped / "log.txt").read_text()
    # From here on it is known.
    change_one_weight(model)
    with pytest.raises(InputError, match="The weights of the base model"):
        list(resume(stopped))


def test_a_run_whose_first_steps_are_unknown_says_so_each_time(stopped: Path) -> None:
    edit(stopped, base_model=None)
    list(resume(stopped, stop_after=3))
    up_to = "It is unknown which base model this run was trained with up to step 2."
    assert up_to in [message.text for message in messages(resume(stopped))]


def test_digests_that_were_edited_are_refused(stopped: Path) -> None:
    edit(stopped, base_model={"weights": 7})
    with pytest.raises(InputError, match="were edited"):
        list(resume(stopped))


@pytest.fixture
def while_loading(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """What is done once the base model is loaded, before anything looks at its files again."""

    def do(disturb: Callable[[], object]) -> None:
        def load_and_disturb(path: Path) -> Generator[float, None, BaseModel]:
            base = yield from loading_base_model(path)
            disturb()
            return base

        for module in (setup, adapted_model):
            monkeypatch.setattr(module, "loading_base_model", load_and_disturb)

    return do


@pytest.mark.parametrize("name", ["model.safetensors", "chat_template.jinja"])
def test_a_file_that_is_replaced_while_the_model_loads_is_noticed(
    name: str, config: TrainingConfig, model: Path, stopped: Path,
    while_loading: Callable[[Callable[[], object]], None],
) -> None:  # fmt: skip
    def replace_file() -> None:
        shutil.copy(model / name, model / "aside")
        (model / "aside").replace(model / name)

    while_loading(replace_file)
    changed = rf"^{name} changed while it was read\."
    new = replace(config, output=stopped.with_name("new"))
    with pytest.raises(InputError, match=changed):
        list(train(new))
    assert not stopped.with_name("new").exists()
    with pytest.raises(InputError, match=changed):
        list(resume(stopped))
    with pytest.raises(InputError, match=changed):
        load_tuned_model(CheckpointRef(model, last_checkpoint(stopped)))


def test_a_file_that_is_added_while_the_model_loads_is_noticed(
    config: TrainingConfig, model: Path, while_loading: Callable[[Callable[[], object]], None]
) -> None:
    while_loading(lambda: (model / "added_tokens.json").write_text("{}"))
    with pytest.raises(InputError, match=r"changed while it was read\."):
        list(train(config))


def test_a_file_that_is_touched_once_the_model_is_loaded_disturbs_nothing(
    config: TrainingConfig, model: Path
) -> None:
    for event in train(config, stop_after=1):
        if isinstance(event, StageChanged) and event.stage == "Reading the dataset":
            (model / "model.safetensors").touch()
    assert isinstance(event, RunFinished)
    assert event.outcome == "stopped"


class LongAgo(date):
    @classmethod
    def today(cls) -> "LongAgo":
        return cls(2020, 2, 3)


@pytest.fixture
def dated(config: TrainingConfig, model: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run of long ago whose template writes the date, stopped; its tokens are gone."""
    template = model / "chat_template.jinja"
    template.write_text("{{ strftime_now('%Y %H:%M') }}" + template.read_text())
    with monkeypatch.context() as patched:
        patched.setattr("app.engine.training.dataset_opening.date", LongAgo)
        list(train(config, stop_after=2))
    shutil.rmtree(cache_dir() / "tokens")
    assert config.output is not None
    return config.output


def test_a_run_keeps_the_date_that_its_template_writes_when_it_resumes_on_another_day(
    dated: Path,
) -> None:
    assert read_manifest(dated)["template_day"] == "2020-02-03"
    texts = [message.text for message in messages(resume(dated))]
    assert not any("their tokens differ" in text for text in texts)
    assert any("asks for the date: chats are rendered with 2020-02-03" in text for text in texts)


def test_an_older_run_without_a_date_says_that_its_tokens_differ(dated: Path) -> None:
    manifest = read_manifest(dated)
    del manifest["template_day"]
    write_manifest(dated, manifest)
    (warning,) = [m for m in messages(resume(dated)) if "their tokens differ" in m.text]
    assert warning.is_warning
    assert warning.text in (dated / "log.txt").read_text()


# -- large weights ---------------------------------------------------------------------------
@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first step waits for the hashing, which otherwise takes as long as it likes."""
    start = WeightsHashing.start

    def start_and_wait(hashing: WeightsHashing) -> None:
        start(hashing)
        hashing._thread.join()

    monkeypatch.setattr(WeightsHashing, "start", start_and_wait)


@pytest.mark.usefixtures("large", "waiting")
def test_large_weights_are_hashed_beside_the_training(stopped: Path, model: Path) -> None:
    digests = read_digests(read_manifest(stopped))
    assert digests is not None
    assert digests.is_whole
    assert digests.whole_after_step == 0
    assert "hashing" not in [thread.name for thread in threading.enumerate()]


@pytest.mark.usefixtures("large", "waiting")
def test_large_weights_that_differ_end_a_resumed_run(stopped: Path, model: Path) -> None:
    change_one_weight(model)
    end = list(resume(stopped))[-1]
    assert isinstance(end, RunFinished)
    assert end.outcome == "failed"
    assert CHANGES["one weight"][1].format(model) in end.message
    assert "Then resume from step-000002." in end.message
    assert end.adapter_dir is not None
    assert end.adapter_dir.name == "step-000003"


@pytest.mark.usefixtures("large")
def test_large_weights_not_hashed_to_the_end_are_reported(
    config: TrainingConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(WeightsHashing, "start", lambda _: None)
    monkeypatch.setattr(WeightsHashing, "is_over", False)
    list(train(config, stop_after=2))
    monkeypatch.undo()
    run_dir = config.output
    assert run_dir is not None
    digests = read_digests(read_manifest(run_dir))
    assert digests is not None
    assert not digests.is_whole
    log = (run_dir / "log.txt").read_text()
    assert "The base model's weights were not hashed completely." in log
    assert load_tuned_model(
        CheckpointRef(config.model, last_checkpoint(run_dir))
    ).loaded.base_model.state == ("sampled")
    logged = messages(resume(run_dir, stop_after=3))
    assert base_model_digests._SAMPLED in [message.text for message in logged]
    digests = read_digests(read_manifest(run_dir))
    assert digests is not None
    assert digests.is_whole
    assert (digests.after_step, digests.whole_after_step) == (0, 2)


def test_a_hashing_that_is_stopped_ends_its_thread(config: TrainingConfig) -> None:
    files = model_files.read_model_files(config.model)
    hashing = WeightsHashing(files, files.digests, 0)
    hashing._is_stopped.set()
    hashing.start()
    hashing.stop()
    assert hashing.is_over
    assert hashing.result() is None


@pytest.mark.usefixtures("large")
def test_sampled_blocks_of_large_weights_are_compared_before_the_first_step(
    stopped: Path, model: Path
) -> None:
    path = model / "model.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[:-4] + b"\x00\x00\x80\x3f")
    with pytest.raises(InputError, match="The weights of the base model"):
        list(resume(stopped))
