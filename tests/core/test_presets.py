"""Presets: settings that work, told apart, and honest about what they do."""

import pytest

from app.core.config.presets import PRESETS, preset
from app.core.config.training_config import TrainingConfig
from app.core.errors import InputError


def test_every_preset_can_run_as_it_is() -> None:
    for each in PRESETS:
        config = each.applied_to(TrainingConfig())
        assert config.problems() == []
        assert [other.name for other in PRESETS if other.is_in(config)] == [each.name]


def test_a_preset_changes_the_tiers_and_nothing_else() -> None:
    config = TrainingConfig(steps=7, learning_rate=1e-3)
    changed = preset("fast-and-slow-slices").applied_to(config)
    assert (changed.steps, changed.learning_rate) == (7, 1e-3)
    assert changed.assign == "rank"


def test_an_unknown_preset_is_refused_with_those_there_are() -> None:
    with pytest.raises(InputError, match="Presets are learn-and-keep, keep-more, one-pace, late"):
        preset("magic")


@pytest.mark.parametrize("word", ["forget", "keep", "better", "remember", "preserv"])
def test_no_description_promises_what_was_not_measured(word: str) -> None:
    assert not [p.name for p in PRESETS if word in p.description.lower()]
