"""Names that are no UTF-8, which Linux allows: a run works with them, or says that it can't."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from app.core.config.serialization import to_toml
from app.core.config.training_config import TrainingConfig
from app.core.errors import InputError
from app.core.events import RunFinished
from app.core.files.paths import home_dir, runs_dir
from app.engine.model.loading import load_architecture
from app.engine.training.trainer import resume, train
from app.library.queue_store import QUEUE_FILE, SavedQueue, queued_run, read_queue, write_queue
from app.library.reading.run_store import list_runs

ODD = os.fsdecode(b"caf\xe9")

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="macOS has UTF-8 names only")


@pytest.fixture
def config(tiny_model: Path, chat_file: Path) -> TrainingConfig:
    data = chat_file.rename(chat_file.with_name(f"{ODD}.jsonl"))
    return TrainingConfig(model=tiny_model, data=data, steps=2, rank=2)


def test_a_dataset_and_a_run_of_such_a_name_are_trained_listed_and_resumed(
    config: TrainingConfig,
) -> None:
    named = TrainingConfig(**vars(config) | {"name": ODD})
    for one, name in ((config, ODD), (named, f"{ODD} (2)")):
        end = list(train(one, runs_dir=runs_dir(), stop_after=1))[-1]
        assert isinstance(end, RunFinished)
        manifest = json.loads((end.run_dir / "run.json").read_bytes())
        assert (manifest["name"], manifest["config"]["data"]) == (name, str(config.data))
        last = list(resume(end.run_dir))[-1]
        assert isinstance(last, RunFinished)
        assert last.outcome == "finished"
        assert end.run_dir.name.encode()
    assert [run.steps for run in list_runs(runs_dir())] == [2, 2]


def test_the_queue_keeps_such_a_name(config: TrainingConfig) -> None:
    write_queue(home_dir() / QUEUE_FILE, SavedQueue((queued_run(config),)))
    (waiting,) = list(read_queue(home_dir() / QUEUE_FILE).runs)
    assert waiting.config.data == config.data


def test_toml_can_not_hold_it_and_a_sentence_says_so(config: TrainingConfig) -> None:
    with pytest.raises(InputError, match="not UTF-8: data = "):
        to_toml(config)


@pytest.mark.parametrize("place", ["output", "library"])
def test_a_run_is_refused_there_before_any_folder_is_made(
    tiny_model: Path, chat_file: Path, tmp_path: Path, place: str
) -> None:
    before = sorted(os.listdir(tmp_path))
    config = TrainingConfig(
        model=tiny_model, data=chat_file, steps=2, rank=2,
        output=tmp_path / ODD if place == "output" else None,
    )  # fmt: skip
    with pytest.raises(InputError, match="the name is not UTF-8"):
        next(train(config, runs_dir=tmp_path / ODD))
    assert sorted(os.listdir(tmp_path)) == before


def test_a_model_in_such_a_folder_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    model = tmp_path / ODD
    shutil.copytree(tiny_model, model)
    with pytest.raises(InputError, match="the name is not UTF-8"):
        load_architecture(model)


def test_the_terminal_takes_such_names(config: TrainingConfig) -> None:
    arguments = ["train", "--model", str(config.model), "--data", str(config.data), "--steps", "1",
                 "--rank", "2", "--name", ODD, "--json"]  # fmt: skip
    done = subprocess.run([sys.executable, "-m", "app", *arguments], capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    assert [json.loads(line)["event"] for line in done.stdout.splitlines()][-1] == "run_finished"
