"""A run decides at its start whether examples share rows, logs it, stores it and keeps to it."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.core.config.training_config import TrainingConfig
from app.core.errors import InputError
from app.core.events import LogMessage, RunFinished, StepFinished
from app.engine.batches.batches import Batch
from app.engine.execution import batch_layout
from app.engine.execution.batch_layout import saved_layout
from app.engine.training.gradients import BatchGradients
from app.engine.training.trainer import resume, train
from app.library.run.manifest import hashed_settings, json_digest, read_manifest, settings_match


@pytest.fixture
def config(tiny_model: Path, chat_file: Path, tmp_path: Path) -> TrainingConfig:
    return TrainingConfig(
        model=tiny_model, data=chat_file, output=tmp_path / "run", steps=6, batch_size=4
    )


def logged(events: list[object]) -> str:
    return "\n".join(event.text for event in events if isinstance(event, LogMessage))


def losses(events: list[object]) -> list[float]:
    return [event.loss for event in events if isinstance(event, StepFinished)]


@pytest.mark.parametrize(
    ("batch_size", "bears", "is_packed", "message"),
    [
        (4, True, True, "Sequence packing is on"),
        (4, False, False, "this model's outputs differ for packed examples"),
        (1, True, False, "each batch has one example"),
    ],
)
def test_a_run_says_and_keeps_whether_examples_share_a_row(
    config: TrainingConfig, batch_size: int, bears: bool, is_packed: bool, message: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    if not bears:
        monkeypatch.setattr(batch_layout, "supports_packing", lambda *_: False)
    events: list[object] = list(train(replace(config, batch_size=batch_size)))
    assert isinstance(events[-1], RunFinished)
    assert events[-1].outcome == "finished"
    assert len(losses(events)) == 6
    assert message in logged(events)
    assert config.output is not None
    manifest = read_manifest(config.output)
    assert manifest["batching"]["is_packed"] is is_packed
    assert settings_match(manifest)


def test_where_mlxs_attention_has_its_own_gradient_rows_are_not_shared(
    config: TrainingConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_layout, "has_fused_attention_gradient", lambda: True)
    assert "share one row" not in logged(list(train(replace(config, steps=1))))


def test_a_run_keeps_its_batching_on_a_machine_that_would_choose_otherwise(
    config: TrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = losses(list(train(replace(config, output=tmp_path / "whole"))))
    assert config.output is not None
    begun = losses(list(train(config, stop_after=2)))
    monkeypatch.setattr(batch_layout, "has_fused_attention_gradient", lambda: True)
    monkeypatch.setattr(batch_layout, "uses_compile", lambda: True)
    assert begun + losses(list(resume(config.output))) == whole


def test_a_run_resumes_with_separate_rows_where_the_model_differs_and_logs_it(
    config: TrainingConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert config.output is not None
    list(train(config, stop_after=2))
    monkeypatch.setattr(batch_layout, "supports_packing", lambda *_: False)
    events: list[object] = list(resume(config.output))
    assert "The rest of the run has one row per example" in logged(events)
    assert len(losses(events)) == 4


def test_a_run_that_splits_its_large_batches_resumes_bit_equal(
    config: TrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_layout, "supports_packing", lambda *_: False)
    chats = tmp_path / "long-tailed.jsonl"
    counts = [1 + i % 5 if i % 10 else 120 for i in range(40)]
    rows = [{"prompt": f"Say it {i}.", "completion": "yes " * n} for i, n in enumerate(counts)]
    chats.write_text("".join(json.dumps(row) + "\n" for row in rows))
    split = replace(config, data=chats, steps=12, learning_rate=1e-3)
    computed: list[int] = []
    summed = BatchGradients.summed

    def counted(self: BatchGradients, vectors: Any, batches: list[Batch], tiers: Any) -> Any:
        computed.extend(batch.splits for batch in batches)
        return summed(self, vectors, batches, tiers)

    monkeypatch.setattr(BatchGradients, "summed", counted)
    whole = losses(list(train(replace(split, output=tmp_path / "whole"))))
    assert min(computed) == 1 < max(computed)
    begun = losses(list(train(split, stop_after=5)))
    assert split.output is not None
    assert read_manifest(split.output)["batching"]["splits_large"] is True
    assert begun + losses(list(resume(split.output))) == whole


def test_a_run_with_unknown_batches_is_not_resumed(config: TrainingConfig) -> None:
    assert config.output is not None
    list(train(config, stop_after=2))
    path = config.output / "run.json"
    manifest = json.loads(path.read_text())
    del manifest["batching"]
    path.write_text(json.dumps(manifest))
    with pytest.raises(InputError, match="changed after the run began"):
        list(resume(config.output))
    path.write_text(
        json.dumps(manifest | {"settings_sha256": json_digest(hashed_settings(manifest))})
    )
    with pytest.raises(InputError, match="belongs to another run"):
        list(resume(config.output))


@pytest.mark.parametrize("batching", [None, [], {"batch_size": 4, "colour": "red"}])
def test_batches_that_the_manifest_does_not_describe_are_refused(batching: object) -> None:
    with pytest.raises(InputError, match="batches can't be read"):
        saved_layout({"batching": batching})
    with pytest.raises(InputError, match="batches can't be read"):
        saved_layout({})
