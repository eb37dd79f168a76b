"""The control arm of a run is ordinary AdamW."""

from app.core.config.learning_methods import JUST_LEARN, learning_method
from app.core.config.presets import PRESETS, as_plain_adamw
from app.core.config.training_config import TrainingConfig


def test_the_control_arm_has_neither_tiers_nor_clocks() -> None:
    for each in PRESETS:
        config = each.applied_to(TrainingConfig(steps=7))
        plain = as_plain_adamw(config, "run")
        assert learning_method(plain) is JUST_LEARN
        assert (plain.steps, plain.learning_rate) == (7, config.learning_rate)
        assert plain.measure_forgetting == config.measure_forgetting
