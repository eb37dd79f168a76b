"""What was found out about a model by trying it stands in the run's manifest."""

import json
from dataclasses import replace
from pathlib import Path

from app.core.config.training_config import TrainingConfig
from app.core.events import RunFinished
from app.core.files.paths import runs_dir
from app.engine.training.trainer import resume, train
from app.library.run.manifest import read_manifest


def config(tiny_model: Path, chat_file: Path) -> TrainingConfig:
    return TrainingConfig(
        model=tiny_model, data=chat_file, steps=2, rank=2, output=runs_dir() / "probed"
    )


def test_a_run_keeps_the_traits_of_its_model(tiny_model: Path, chat_file: Path) -> None:
    list(train(replace(config(tiny_model, chat_file), steps=1)))
    manifest = read_manifest(runs_dir() / "probed")
    assert manifest["model_traits"] == {
        "layers_path": "model.layers",
        "trunk_path": "model",
        "vocabulary": 320,
        "activation_dtype": "mlx.core.float32",
        "supports_packing": True,
        "left_out": [],
        "was_compared": True,
    }


def test_a_run_of_an_older_version_without_them_resumes(tiny_model: Path, chat_file: Path) -> None:
    list(train(config(tiny_model, chat_file), stop_after=1))
    path = runs_dir() / "probed" / "run.json"
    manifest = json.loads(path.read_text())
    del manifest["model_traits"]
    path.write_text(json.dumps(manifest))
    ending = list(resume(path.parent))[-1]
    assert isinstance(ending, RunFinished)
    assert ending.outcome == "finished"
