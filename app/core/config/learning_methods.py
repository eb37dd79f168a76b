"""The learning method of a plan: four named choices over clocks and tiers.

A description states only results that the README has.
"""

from dataclasses import dataclass, replace

from app.core.config.presets import Preset, preset
from app.core.config.training_config import TierConfig, TrainingConfig
from app.core.text.translation import mark

CLOCKS = ("slow_every", "slow_weight", "slow_rate", "slow_rows", "lasting_pull")
TIERS = ("tiers", "assign", "fastest_first", "tier_patterns")


@dataclass(frozen=True)
class LearningMethod:
    title: str
    description: str
    """A description in one line."""
    clocks: str = ""
    """The preset of its clocks; empty if no clock is on."""


LEARN_AND_KEEP = LearningMethod(
    mark("Learn and keep"),
    mark(
        "AdamW, with lessons that draw the model to its base's own predictions, and a pull back "
        "to the adapter that it starts from. On a small chat model, a third of plain AdamW's "
        "forgetting."
    ),
    clocks="learn-and-keep",
)
KEEP_MORE = LearningMethod(
    mark("Keep more"),
    mark(
        "The same, with a lesson at every step. A small chat model learned in fewer steps and kept "
        "more of its answers; each step takes longer."
    ),
    clocks="keep-more",
)
JUST_LEARN = LearningMethod(
    mark("Just learn"), mark("Plain AdamW: every weight of the adapter moves at every step.")
)
BY_TIERS = LearningMethod(
    mark("By tiers"),
    mark(
        "Parts of the adapter move at every step, others less often. On a small model, tiers alone "
        "kept no more than plain AdamW."
    ),
)
CUSTOM = LearningMethod(mark("Custom"), mark("Clocks and tiers as they are set below."))
LEARNING_METHODS = (LEARN_AND_KEEP, KEEP_MORE, JUST_LEARN, BY_TIERS)
"""The methods that can be chosen."""


def learning_method(config: TrainingConfig) -> LearningMethod:
    """The method that the plan uses; `CUSTOM` if clocks differ from the preset's or come with tiers
    beside them."""
    is_flat = config.tiers == (TierConfig(1),)
    if not config.slow_every and not config.lasting_pull:
        return JUST_LEARN if is_flat else BY_TIERS
    for method in (LEARN_AND_KEEP, KEEP_MORE):
        if is_flat and _has(config, preset(method.clocks), CLOCKS):
            return method
    return CUSTOM


def with_learning_method(
    config: TrainingConfig, method: LearningMethod, rate: float | None = None
) -> TrainingConfig:
    """The plan with the clocks and tiers of one of `LEARNING_METHODS`.

    Learning by tiers keeps the tiers that are already there. `rate` is the learning rate that the
    method had before. Without one, the clocks bring the rate at which they were measured, and take
    it with them: the default follows. A rate of the plan's own stays.
    """
    measured = preset(LEARN_AND_KEEP.clocks).settings["learning_rate"]
    if method.clocks:
        chosen = preset(method.clocks)
        rate = rate or chosen.settings["learning_rate"]
        return replace(chosen.applied_to(config), learning_rate=rate)
    if rate is None and config.slow_every and config.learning_rate == measured:
        rate = TrainingConfig().learning_rate
    config = replace(config, learning_rate=rate or config.learning_rate)
    flat = preset("one-pace")
    if method is JUST_LEARN:
        return flat.applied_to(config)
    clocks = {name: flat.settings[name] for name in CLOCKS if name in flat.settings}
    config = replace(config, **clocks)
    return with_tiers(config) if config.tiers == (TierConfig(1),) else config


def with_tiers(config: TrainingConfig, plan: TrainingConfig | None = None) -> TrainingConfig:
    """The plan with the tiers of another one, or with the default tiers; clocks are unchanged."""
    source = plan or TrainingConfig()
    return replace(config, **{name: getattr(source, name) for name in TIERS})


def _has(config: TrainingConfig, chosen: Preset, names: tuple[str, ...]) -> bool:
    return all(getattr(config, name) == chosen.settings[name] for name in names)
