"""The engine's jobs: the errors they report, and the requests they accept."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from app.core.config.training_config import MixedDataset, TierConfig, TrainingConfig
from app.core.errors import InputError
from app.core.events import CheckpointSaved, MemoryEstimated, StepFinished
from app.workers.jobs.datasets import (
    DatasetRequest,
    ModelTokenizer,
    StoredDataset,
    TokenizeDatasets,
)
from app.workers.jobs.training import (
    CheckpointRequest,
    PlanRejected,
    TokenizedRows,
    tier_preview,
    training_job,
)


def never() -> bool:
    return False


def test_a_plan_the_model_can_not_hold_is_refused_as_a_plan(tiny_model: Path) -> None:
    tiers = tuple(TierConfig(period) for period in (1, 2, 4, 8, 16))
    config = TrainingConfig(model=tiny_model, tiers=tiers)
    (rejected,) = tier_preview(config)(never)
    assert isinstance(rejected, PlanRejected)
    facts, memory = tier_preview(replace(config, tiers=tiers[:2]))(never)
    assert [tier.period for tier in facts] == [1, 2]  # type: ignore[attr-defined]
    assert isinstance(memory, MemoryEstimated)
    assert memory.is_bound


def test_a_model_that_is_not_there_fails_the_job(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no model folder"):
        list(tier_preview(TrainingConfig(model=tmp_path / "gone"))(never))


def test_a_checkpoint_asked_for_is_made_once_and_changes_nothing(
    tiny_model: Path, chat_file: Path, tmp_path: Path
) -> None:
    config = TrainingConfig(model=tiny_model, data=chat_file, steps=6, steps_per_eval=100)
    request = CheckpointRequest()
    saved, losses = [], []
    for event in training_job(config, tmp_path / "asked", request)(never):
        if isinstance(event, StepFinished):
            losses.append(event.loss)
            if event.step == 3:
                request.ask()
        elif isinstance(event, CheckpointSaved):
            saved.append(event.step)
            assert (event.path / "adapters.safetensors").is_file()
    assert saved == [3, 6]
    plain = training_job(config, tmp_path / "plain", CheckpointRequest())(never)
    assert losses == [event.loss for event in plain if isinstance(event, StepFinished)]


def stored(*paths: Path, model: Path) -> tuple[StoredDataset, ...]:
    readings = tuple(DatasetRequest(path, None, "") for path in paths)
    *_, done = TokenizeDatasets(readings, ModelTokenizer(model), True, False)(never)
    return done.sets  # type: ignore[attr-defined, no-any-return]


def preview_memory(config: TrainingConfig, known: TokenizedRows | None = None) -> MemoryEstimated:
    *_, memory = tier_preview(config, known)(never)
    assert isinstance(memory, MemoryEstimated)
    return memory


def run_memory(config: TrainingConfig, runs: Path) -> MemoryEstimated:
    """The run's own estimate, once it has made its batches."""
    events = training_job(config, runs, CheckpointRequest())(never)
    return [event for event in events if isinstance(event, MemoryEstimated)][-1]


def long_tailed(path: Path, rows: int) -> Path:
    texts = [f"row {number} " + "and more " * (number % 5 + 90 * (number % 20 == 0))
             for number in range(rows)]  # fmt: skip
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return path


def test_the_memory_shown_is_that_of_the_run_s_batches(tiny_model: Path, tmp_path: Path) -> None:
    runs, data = tmp_path / "runs", long_tailed(tmp_path / "long.jsonl", 80)
    config = TrainingConfig(model=tiny_model, data=data, steps=1, rank=2)
    known = TokenizedRows(stored(data, model=tiny_model), runs)
    before = preview_memory(config, known)
    assert before.is_bound, "nobody has tried yet whether examples can share a row"
    assert before.peak_bytes < preview_memory(config).peak_bytes, "no row is as long as the limit"
    run_estimate = run_memory(config, runs)
    assert before.peak_bytes >= run_estimate.peak_bytes
    after = preview_memory(config, known)
    assert (after.peak_bytes, after.length) == (run_estimate.peak_bytes, run_estimate.length)
    assert not after.is_bound


def test_the_memory_of_mixed_datasets_is_known_before_any_run(
    tiny_model: Path, tmp_path: Path
) -> None:
    data, other = (long_tailed(tmp_path / f"{name}.jsonl", 60) for name in "ab")
    mix = (MixedDataset(other, 0.3),)
    config = TrainingConfig(
        model=tiny_model, data=data, steps=1, rank=2, mix=mix, max_seq_length=300
    )
    runs = tmp_path / "runs"
    known = TokenizedRows(stored(data, other, model=tiny_model), runs)
    before = preview_memory(config, known)
    assert before.is_bound
    run_estimate = run_memory(config, runs)
    assert before.peak_bytes >= run_estimate.peak_bytes
    after = preview_memory(config, known)
    assert (after.peak_bytes, after.length) == (run_estimate.peak_bytes, run_estimate.length)
    assert not after.is_bound


def test_rows_that_no_run_could_use_leave_the_memory_of_the_limit(
    tiny_model: Path, tmp_path: Path
) -> None:
    data = long_tailed(tmp_path / "few.jsonl", 3)
    config = TrainingConfig(model=tiny_model, data=data, rank=2, batch_size=16)
    known = TokenizedRows(stored(data, model=tiny_model), tmp_path / "runs")
    preview, plain = preview_memory(config, known), preview_memory(config)
    assert (preview.peak_bytes, preview.is_bound) == (plain.peak_bytes, True)
