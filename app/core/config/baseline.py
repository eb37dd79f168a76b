"""The same run once more, or its control arm: the same with one tier that moves at every step, and
no other clock.
"""

from dataclasses import replace

from app.core.config.training_config import TierConfig, TrainingConfig
from app.core.text.one_line import single_line


def as_plain_adamw(config: TrainingConfig, name: str) -> TrainingConfig:
    """`config` as ordinary AdamW, named after the run `name`; nothing else differs."""
    return replace(
        config,
        name=f"{single_line(name)}, plain AdamW",
        tiers=(TierConfig(1),),
        assign="depth",
        tier_patterns="",
        pending="accumulate",
        slow_every=0,
        lasting_pull=0.0,
    )
