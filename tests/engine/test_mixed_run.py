"""A run over several datasets: its rows, its records, and how it resumes."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from app.core.config.serialization import load_toml, to_toml
from app.core.config.training_config import MixedDataset, TierConfig, TrainingConfig
from app.core.errors import InputError
from app.core.events import EvaluationFinished, LogMessage, RunFinished, StepFinished
from app.engine.training.checkpoints import last_checkpoint, load_checkpoint
from app.engine.training.trainer import resume, train
from app.library.reading.run_details import read_details
from app.library.run.manifest import read_manifest
from tests.conftest import write_chats
from tests.engine.step_events import without_time


def config_in(folder: Path, model: Path) -> TrainingConfig:
    """40 chats, and 18 short texts that shall make up a quarter."""
    old, chats = folder / "old.csv", folder / "chats.jsonl"
    old.write_text("body\n" + "".join(f"the old row {n}\n" for n in range(18)))
    write_chats(chats, 40)
    return TrainingConfig(
        model=model,
        data=chats,
        mix=(MixedDataset(old, 0.25, "text=body"),),
        output=folder / "run",
        tiers=(TierConfig(1), TierConfig(2)),
        steps=24,
        batch_size=3,
        rank=2,
        learning_rate=1e-2,
        steps_per_eval=8,
        steps_per_save=8,
    )


@pytest.fixture
def config(tiny_model: Path, tmp_path: Path) -> TrainingConfig:
    return config_in(tmp_path, tiny_model)


@pytest.fixture(scope="module")
def whole(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory):
    """A run from its start to its end: its settings, which name its folder, and its events."""
    config = config_in(tmp_path_factory.mktemp("whole"), tiny_model)
    return config, list(train(config))


def steps(events):
    return [without_time(e) for e in events if isinstance(e, StepFinished)]


def test_the_run_says_what_it_took_and_how_each_dataset_does(whole):
    config, events = whole
    assert isinstance(events[-1], RunFinished)
    notes = [e.text for e in events if isinstance(e, LogMessage)]
    # 36 chats and 16 texts to train on: an epoch is 36 + 12 rows, in 16 batches.
    assert any("36 rows of chats.jsonl (75.0%), which has 36" in n for n in notes)
    assert any("12 rows of old.csv (25.0%), which has 16" in n for n in notes)
    (taken,) = [note for note in notes if note.startswith("24 steps used these rows: ")]
    numbers = [int(word) for word in taken.split() if word.isdigit()]
    assert sum(numbers[1:]) == 24 * 3
    evaluations = [e for e in events if isinstance(e, EvaluationFinished)]
    for event in evaluations:
        chats, old = event.datasets
        assert (chats.name, old.name) == ("chats.jsonl", "old.csv")
        low, high = sorted((chats.val_loss, old.val_loss))
        assert low < event.val_loss < high
    assert read_details(config.output).evaluations == tuple(evaluations)


def test_it_is_recorded_with_the_digest_of_every_file(whole):
    config, _ = whole
    manifest = read_manifest(config.output)
    assert [Path(name).name for name in manifest["data"]] == ["chats.jsonl", "old.csv"]
    assert manifest["mixed"] == [
        {"name": "chats.jsonl", "rows": 36, "rows_per_epoch": 36},
        {"name": "old.csv", "rows": 16, "rows_per_epoch": 12},
    ]
    assert manifest["config"]["mix"] == [
        {"data": str(config.mix[0].data), "share": 0.25, "columns": "text=body"}
    ]


def test_stopped_in_the_second_epoch_it_resumes_without_a_difference(whole, tmp_path):
    config, events = whole
    cut = replace(config, output=tmp_path / "cut")
    first = steps(train(cut, stop_after=19))
    assert first + steps(resume(cut.output)) == steps(events)
    one, other = (load_checkpoint(last_checkpoint(c.output)) for c in (config, cut))
    assert all((one.adapter[k] == other.adapter[k]).all() for k in one.adapter)


def test_its_examples_share_rows(config):
    notes = [e.text for e in train(config, stop_after=1) if isinstance(e, LogMessage)]
    assert any(note.startswith("Sequence packing is on") for note in notes)
    assert read_manifest(config.output)["batching"]["is_packed"]


def test_it_does_not_resume_with_another_mixed_in_dataset(config):
    list(train(config, stop_after=1))
    config.mix[0].data.write_text("body\nanother row\nand one more\n")
    with pytest.raises(InputError, match="changed after this run began"):
        list(resume(config.output))


def test_another_share_is_another_run(config, tmp_path):
    one = steps(train(config, stop_after=4))
    more = (replace(config.mix[0], share=0.5),)
    other = steps(train(replace(config, mix=more, output=tmp_path / "other"), stop_after=4))
    assert [e.loss for e in one] != [e.loss for e in other]


def test_the_settings_survive_as_toml(config, tmp_path):
    path = tmp_path / "run.toml"
    path.write_text(to_toml(config))
    assert load_toml(path).mix == config.mix


def test_a_mixed_in_dataset_that_is_not_there_is_named(config):
    config.mix[0].data.unlink()
    with pytest.raises(InputError, match=r"old\.csv isn't there"):
        list(train(config))
    assert not config.output.exists()


def test_a_folder_is_mixed_in_with_its_own_validation_file(config, tmp_path):
    folder = tmp_path / "older"
    folder.mkdir()
    shutil.copy(config.data, folder / "train.jsonl")
    rows = [json.dumps({"text": f"what was learned {n}"}) for n in range(3)]
    (folder / "valid.jsonl").write_text("\n".join(rows))
    # The same chats in both: none may be held out of the one and trained in the other.
    events = list(train(replace(config, mix=(MixedDataset(folder, 0.3),)), stop_after=1))
    evaluation = next(e for e in events if isinstance(e, EvaluationFinished))
    assert [one.name for one in evaluation.datasets] == ["older"]
    assert evaluation.val_loss == evaluation.datasets[0].val_loss
    assert any(
        isinstance(e, LogMessage) and e.text.startswith("No row of chats.jsonl is left to validate")
        for e in events
    )
