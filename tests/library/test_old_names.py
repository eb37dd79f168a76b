"""Settings that were renamed: runs, files and commands with the old names work as they did."""

import json
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest

from app.cli.arguments import parse, training_config
from app.core.config.serialization import (
    OLD_CHOICES,
    OLD_NAMES,
    config_from_manifest,
    load_toml,
    to_dict,
    to_toml,
    with_settings,
)
from app.core.config.study import load_study
from app.core.config.training_config import CHOICES, TrainingConfig
from app.core.errors import InputError
from app.engine.training.trainer import resume, train
from app.library.queue_store import SavedQueue, queued_run, read_queue, write_queue
from app.library.run import run_folder
from app.library.run.manifest import read_manifest
from tests.conftest import write_chats

OLD_OF = {new: old for old, new in OLD_NAMES.items()}
CHANGED = TrainingConfig(
    grad_accumulation_steps=2, max_grad_norm=0.5, lr_schedule="linear", early_stopping_patience=7,
    validation_split=0.2, eval_sets=(Path("/q.jsonl"),), eval_questions=9, fastest_first="bottom",
    columns="text=body", keep_checkpoints="best-and-last", bad_rows="skip", replies="whole-chat",
)  # fmt: skip
"""Each setting with another name or choice than before, and none at its default."""


def old_settings(config: TrainingConfig) -> dict[str, Any]:
    """As the version before the new names wrote them."""
    old_choices = {name: {new: old for old, new in c.items()} for name, c in OLD_CHOICES.items()}
    return {
        OLD_OF.get(name, name): old_choices.get(name, {}).get(value, value)
        if isinstance(value, str)
        else value
        for name, value in to_dict(config).items()
    }


def test_every_old_name_stands_for_a_setting_there_is() -> None:
    names = {f.name for f in fields(TrainingConfig)}
    assert set(OLD_OF) < names
    assert not set(OLD_NAMES) & names
    for name, choices in OLD_CHOICES.items():
        assert set(choices.values()) < set(CHOICES[name])
        assert not set(choices) & set(CHOICES[name])


def test_the_old_names_are_those_that_runs_hold() -> None:
    """Written out: a rename of all names in the code must not reach them."""
    assert set(OLD_NAMES) == {
        "gradient_accumulation", "max_norm", "schedule", "early_stop_evals", "validation_share",
        "question_sets", "questions_asked", "fast_end", "map",
    }  # fmt: skip


def test_a_setting_by_its_old_name_is_the_setting() -> None:
    settings = old_settings(CHANGED)
    assert set(OLD_NAMES) < set(settings)
    assert with_settings(TrainingConfig(), settings, where="here") == CHANGED
    assert config_from_manifest(settings, where="here") == CHANGED


def test_a_setting_by_both_names_is_refused() -> None:
    with pytest.raises(InputError, match=r"^here: max_grad_norm is given twice"):
        with_settings(TrainingConfig(), {"max_norm": 1.0, "max_grad_norm": 2.0}, where="here")


def test_an_old_settings_file_is_read_and_saved_with_today_s_names(tmp_path: Path) -> None:
    file = tmp_path / "plan.toml"
    file.write_text('max_norm = 0.5\nbad_rows = "leave out"\nmix = [{data = "a", share = 0.1, '
                    'map = "text=t"}]\n')  # fmt: skip
    config = load_toml(file)
    assert (config.max_grad_norm, config.bad_rows) == (0.5, "skip")
    assert config.mix[0].columns == "text=t"
    saved = to_toml(config)
    assert "max_grad_norm = 0.5" in saved
    assert not {line.partition(" ")[0] for line in saved.splitlines()} & set(OLD_NAMES)


def test_an_old_study_is_read(tmp_path: Path) -> None:
    file = tmp_path / "study.toml"
    file.write_text(
        'seeds = [0]\n[settings]\nmax_norm = 0.25\n[[tasks]]\nname = "one"\ndata = "a.jsonl"\n'
        '[[arms]]\nname = "plain"\ngradient_accumulation = 3\n'
    )
    config = load_study(file).arms[0].config
    assert (config.max_grad_norm, config.grad_accumulation_steps) == (0.25, 3)
    assert config.validation_split == 0.0, "a study's own default"


def test_an_old_study_may_name_the_validation_split(tmp_path: Path) -> None:
    file = tmp_path / "study.toml"
    file.write_text(
        '[settings]\nvalidation_share = 0.3\n[[tasks]]\nname = "one"\ndata = "a.jsonl"\n'
        '[[arms]]\nname = "plain"\n'
    )
    assert load_study(file).arms[0].config.validation_split == 0.3


def test_an_old_queue_is_read_and_saved_with_today_s_names(tmp_path: Path) -> None:
    file = tmp_path / "queue.json"
    run = queued_run(CHANGED)
    entry = {"key": run.key, "settings": old_settings(run.config), "problem": ""}
    file.write_text(json.dumps({"format": 1, "runs": [entry], "goes_on": True, "unfinished": "x"}))
    queue = read_queue(file)
    assert (queue.runs, queue.auto_resume, queue.unfinished) == ((run,), True, "x")
    write_queue(file, SavedQueue(tuple(queue.runs), auto_resume=True, unfinished="x"))
    assert read_queue(file) == queue
    assert not any(f'"{old}"' in file.read_text() for old in (*OLD_NAMES, "goes_on"))


def test_old_flags_work_and_are_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    old = ["--max-norm", "0.5", "--bad-rows", "leave out", "--question-sets", "/q.jsonl",
           "--map", "text=body", "--validation-share", "0.2"]  # fmt: skip
    config = training_config(parse(["train", "--data", "/d.jsonl", *old]))
    assert (config.max_grad_norm, config.bad_rows, config.columns) == (0.5, "skip", "text=body")
    assert (config.eval_sets, config.validation_split) == ((Path("/q.jsonl"),), 0.2)
    with pytest.raises(SystemExit):
        parse(["train", "--help"])
    shown = capsys.readouterr().out
    assert "--max-grad-norm" in shown
    flags = ["--" + name.replace("_", "-") for name in OLD_NAMES]
    assert [flag for flag in flags if f"{flag} " in shown] == []


def test_a_run_with_the_old_names_resumes_bit_equal(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_chats(tmp_path / "chats.jsonl", 20)
    config = TrainingConfig(
        model=tiny_model, data=tmp_path / "chats.jsonl", output=tmp_path / "old", steps=4, rank=2,
        batch_size=2, grad_accumulation_steps=2, max_grad_norm=0.5, lr_schedule="linear",
        fastest_first="bottom", keep_checkpoints="best-and-last", steps_per_save=2,
        steps_per_eval=2, warmup_steps=1, learning_rate=1e-2,
    )  # fmt: skip
    list(train(replace(config, output=tmp_path / "whole")))
    monkeypatch.setattr(run_folder, "to_dict", old_settings)
    list(train(config, stop_after=2))
    monkeypatch.undo()
    assert read_manifest(tmp_path / "old")["config"]["max_norm"] == 0.5
    *_, ended = resume(tmp_path / "old")
    assert (ended.outcome, ended.steps) == ("finished", 4)  # type: ignore[union-attr]
    assert weights(tmp_path / "old") == weights(tmp_path / "whole")


def weights(run: Path) -> Mapping[str, bytes]:
    saved = mx.load(str(run / "checkpoints" / "step-000004" / "adapters.safetensors"))
    return {name: bytes(memoryview(array)) for name, array in saved.items()}
