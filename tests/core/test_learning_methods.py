"""How a run learns: what each choice sets, and what a plan amounts to."""

from dataclasses import replace
from typing import Any

import pytest

from app.core.config.learning_methods import (
    BY_TIERS,
    CUSTOM,
    JUST_LEARN,
    KEEP_MORE,
    LEARN_AND_KEEP,
    LEARNING_METHODS,
    LearningMethod,
    learning_method,
    with_learning_method,
)
from app.core.config.presets import PRESETS, preset
from app.core.config.training_config import TierConfig, TrainingConfig

KEEPING = preset("learn-and-keep")


@pytest.mark.parametrize("way", LEARNING_METHODS, ids=lambda way: way.title)
@pytest.mark.parametrize(
    "before", [TrainingConfig(), *(p.applied_to(TrainingConfig()) for p in PRESETS)]
)
def test_a_plan_amounts_to_what_was_chosen(way: LearningMethod, before: TrainingConfig) -> None:
    chosen = with_learning_method(before, way)
    assert learning_method(chosen) is way
    assert chosen.problems() == []


@pytest.mark.parametrize("method", [LEARN_AND_KEEP, KEEP_MORE], ids=lambda way: way.title)
def test_a_method_with_clocks_is_its_preset(method: LearningMethod) -> None:
    clocks = preset(method.clocks)
    assert clocks.is_in(with_learning_method(TrainingConfig(), method))
    assert clocks.settings["measure_forgetting"]  # as its description says


@pytest.mark.parametrize("method", [JUST_LEARN, BY_TIERS], ids=lambda way: way.title)
def test_no_trace_of_a_lessons_own_adamw_stays_without_clocks(method: LearningMethod) -> None:
    """A slow clock that is turned on afterwards begins as its settings' defaults have it."""
    kept = with_learning_method(TrainingConfig(), KEEP_MORE)
    assert with_learning_method(kept, method).slow_rate == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"slow_every": 8},
        {"slow_weight": 1.0},
        {"slow_rate": 1.0},
        {"lasting_pull": 0.0},
        {"tiers": (TierConfig(1), TierConfig(2))},
    ],
)
def test_a_clock_that_is_changed_or_combined_is_custom(changes: dict[str, Any]) -> None:
    assert learning_method(replace(KEEPING.applied_to(TrainingConfig()), **changes)) is CUSTOM


def test_the_rate_of_the_clocks_goes_with_them_and_one_of_ones_own_stays() -> None:
    kept = with_learning_method(TrainingConfig(), LEARN_AND_KEEP)
    assert with_learning_method(kept, JUST_LEARN).learning_rate == TrainingConfig().learning_rate
    own = replace(kept, learning_rate=3e-4)
    assert with_learning_method(own, JUST_LEARN).learning_rate == 3e-4
    with_tiers_too = replace(kept, tiers=(TierConfig(1), TierConfig(16)))  # custom
    assert with_learning_method(with_tiers_too, BY_TIERS).learning_rate == 1e-4


def test_tiers_stay_where_clocks_go() -> None:
    plan = replace(KEEPING.applied_to(TrainingConfig()), tiers=(TierConfig(1), TierConfig(16)))
    chosen = with_learning_method(plan, BY_TIERS)
    assert chosen.tiers == plan.tiers
    assert (chosen.slow_every, chosen.lasting_pull) == (0, 0.0)
