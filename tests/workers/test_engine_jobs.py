"""The engine's jobs: what they tell is to blame, and what they can be asked for."""

from dataclasses import replace
from pathlib import Path

import pytest

from app.core.config import TierConfig, TrainingConfig
from app.core.errors import InputError
from app.core.events import CheckpointSaved, MemoryEstimated, StepFinished
from app.workers.engine_jobs import CheckpointRequest, PlanRefused, tier_preview, training


def never() -> bool:
    return False


def test_a_plan_the_model_can_not_hold_is_refused_as_a_plan(tiny_model: Path) -> None:
    tiers = tuple(TierConfig(period) for period in (1, 2, 4, 8, 16))
    config = TrainingConfig(model=tiny_model, tiers=tiers)
    (told,) = tier_preview(config)(never)
    assert isinstance(told, PlanRefused)
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
    for event in training(config, tmp_path / "asked", request)(never):
        if isinstance(event, StepFinished):
            losses.append(event.loss)
            if event.step == 3:
                request.ask()
        elif isinstance(event, CheckpointSaved):
            saved.append(event.step)
            assert (event.path / "adapters.safetensors").is_file()
    assert saved == [3, 6]
    plain = training(config, tmp_path / "plain", CheckpointRequest())(never)
    assert losses == [event.loss for event in plain if isinstance(event, StepFinished)]
