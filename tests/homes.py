"""A home with one trained run, made once and copied for each test that would change it."""

import shutil
from pathlib import Path

import pytest

from app.core.config.training_config import TrainingConfig
from app.core.files.paths import HOME_VARIABLE, runs_dir
from app.engine.training.trainer import train


def train_at_home(home: Path, config: TrainingConfig) -> Path:
    """The home, with the run in its library."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(HOME_VARIABLE, str(home))
        list(train(config, runs_dir=runs_dir()))
    return home


def copied_run(home: Path, own_home: Path) -> Path:
    """The folder of the only run, in a copy that is the test's own."""
    shutil.copytree(home, own_home, dirs_exist_ok=True)
    (manifest,) = runs_dir().glob("*/run.json")
    return manifest.parent
