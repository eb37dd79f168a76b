"""A run on the starter model resumes after the app that began it was moved or removed."""

import shutil
from pathlib import Path

import pytest

from app.core.config.serialization import load_toml, to_toml
from app.core.config.training_config import TierConfig, TrainingConfig
from app.core.events import RunFinished
from app.core.files.paths import resources_dir, shipped, starter_dir, starter_model_dir
from app.data.files.model_files import check_base_model
from app.engine.training.trainer import resume, train
from app.library.reading.checkpoints import read_choices
from app.library.reading.run_details import read_details
from app.library.run.manifest import read_manifest


@pytest.fixture
def begun(tmp_path: Path) -> Path:
    """A run that another copy of the app began, which is gone."""
    copy = tmp_path / "Other Mac.app" / "resources" / "starter"
    shutil.copytree(starter_dir() / "model", copy / "model")
    shutil.copytree(starter_dir() / "sample", copy / "sample")
    config = TrainingConfig(
        model=copy / "model", data=copy / "sample", steps=2, rank=2, batch_size=1,
        tiers=(TierConfig(1),), steps_per_save=1, steps_per_eval=2, max_seq_length=64,
        output=tmp_path / "run",
    )  # fmt: skip
    list(train(config, stop_after=1))
    (tmp_path / "run.toml").write_text(to_toml(config))
    shutil.rmtree(tmp_path / "Other Mac.app")
    return tmp_path / "run"


def test_its_model_and_data_are_those_of_this_copy(begun: Path) -> None:
    manifest = read_manifest(begun)
    assert not Path(manifest["config"]["model"]).exists()
    details = read_details(begun)
    assert details.config is not None
    assert (details.config.model, details.config.data) == (
        starter_model_dir(), starter_dir() / "sample",
    )  # fmt: skip
    assert details.summary.model == str(starter_model_dir())
    assert read_choices(begun).model == starter_model_dir()
    check = check_base_model(manifest["config"]["model"], manifest)
    assert check.state == "same"
    assert load_toml(begun.with_suffix(".toml")).model == starter_model_dir()
    endings = [event.outcome for event in resume(begun) if isinstance(event, RunFinished)]
    assert endings == ["finished"]


def test_files_that_are_there_and_those_of_others_keep_their_place(tmp_path: Path) -> None:
    there = tmp_path / "resources" / "starter" / "model"
    there.mkdir(parents=True)
    for path in (
        there, tmp_path / "resources" / "starter" / "other", tmp_path / "gone" / "model", Path(),
        resources_dir() / "starter" / "model", Path("/resources/starters/model"),
    ):  # fmt: skip
        assert shipped(path) == path
    assert shipped(tmp_path / "x" / "resources" / "starter" / "model") == starter_model_dir()
