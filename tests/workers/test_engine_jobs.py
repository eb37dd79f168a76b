"""The engine's jobs tell what is to blame: the base model or the plan."""

from dataclasses import replace
from pathlib import Path

import pytest

from app.core.config import TierConfig, TrainingConfig
from app.core.errors import InputError
from app.core.events import MemoryEstimated
from app.workers.engine_jobs import PlanRefused, tier_preview


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
