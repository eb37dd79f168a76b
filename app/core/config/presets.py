"""Ready-made tier plans with plain names, for the window and `--preset`.

The descriptions say what a plan does. They promise nothing about forgetting: on a small model, at
matched acquisition, tiers alone kept old knowledge no better than one tier did.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from app.core.config.training_config import TierConfig, TrainingConfig
from app.core.errors import InputError
from app.core.files.paths import starter_dir, starter_model_dir
from app.core.text.sanitize import single_line
from app.core.text.translation import mark


@dataclass(frozen=True)
class Preset:
    name: str
    """The argument of `--preset`."""
    title: str
    description: str
    settings: Mapping[str, Any]
    """Fields of TrainingConfig; all others stay as they are."""

    def applied_to(self, config: TrainingConfig) -> TrainingConfig:
        return replace(config, **self.settings)

    def is_in(self, config: TrainingConfig) -> bool:
        """Whether `config` has all settings of this preset."""
        return all(getattr(config, name) == value for name, value in self.settings.items())


def preset(name: str) -> Preset:
    """The preset called `name`. Raises InputError, which lists all presets."""
    for candidate in PRESETS:
        if candidate.name == name:
            return candidate
    known = ", ".join(p.name for p in PRESETS)
    raise InputError(f"There is no preset named {name!r}.", f"Presets are {known}.")


def _tiers(*periods: int) -> tuple[TierConfig, ...]:
    return tuple(TierConfig(period) for period in periods)


_UNIFORM: dict[str, Any] = {"tiers": _tiers(1), "assign": "depth", "fastest_first": "top"}

_LEARN_AND_KEEP: dict[str, Any] = _UNIFORM | {
    "learning_rate": 6e-4,
    "slow_every": 4,
    "slow_weight": 4.0,
    "slow_rate": 0.0,
    "slow_rows": 0,
    "lasting_pull": 200.0,
    "measure_forgetting": True,
}

PRESETS: tuple[Preset, ...] = (
    Preset(
        "learn-and-keep",
        mark("Learn and keep"),
        mark(
            "Every fourth step also draws the model to its base's predictions on everyday text. A "
            "run that starts from an adapter is pulled back to it where earlier runs depend on it."
        ),
        _LEARN_AND_KEEP,
    ),
    Preset(
        "keep-more",
        mark("Keep more"),
        mark(
            "A lesson at every step draws the model to its base's predictions. Lessons have their "
            "own AdamW, so they don't shrink the task's updates. A step takes longer."
        ),
        _LEARN_AND_KEEP | {"slow_every": 1, "slow_rate": 1.0},
    ),
    Preset(
        "one-pace",
        mark("One pace"),
        mark("Everything moves at every step: plain AdamW, the baseline for the others."),
        _UNIFORM | {"slow_every": 0, "slow_rate": 0.0, "slow_rows": 0, "lasting_pull": 0.0},
    ),
    Preset(
        "late-layers-fast",
        mark("Late layers fast"),
        mark(
            "The layers nearest the output move at every step, the middle ones at every second "
            "step, the early ones at every fourth, each by the mean of its gradients since."
        ),
        {"tiers": _tiers(1, 2, 4), "assign": "depth", "fastest_first": "top"},
    ),
    Preset(
        "early-layers-fast",
        mark("Early layers fast"),
        mark("The reverse: the layers nearest the input move at every step."),
        {"tiers": _tiers(1, 2, 4), "assign": "depth", "fastest_first": "bottom"},
    ),
    Preset(
        "fast-and-slow-slices",
        mark("Fast and slow slices"),
        mark(
            "Each adapter has fast and slow ranks side by side, which move every 1, 2, 4 and 8 "
            "steps. This is closest to the paper's continuum memory. The saved adapter is an "
            "ordinary one."
        ),
        {"tiers": _tiers(1, 2, 4, 8), "assign": "rank", "fastest_first": "top"},
    ),
    Preset(
        "attention-fast",
        mark("Attention fast"),
        mark("Attention moves at every step, everything else at every fourth."),
        {"tiers": _tiers(1, 4), "assign": "module", "fastest_first": "top"},
    ),
    Preset(
        "most-active-fast",
        mark("Most active fast"),
        mark(
            "Before the start, gradients are measured on a few batches of your data. The modules "
            "with the largest move at every step, the others at every second or fourth."
        ),
        {"tiers": _tiers(1, 2, 4), "assign": "importance", "fastest_first": "top"},
    ),
)


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
        slow_rate=0.0,
        slow_rows=0,
        lasting_pull=0.0,
    )


def demo_config() -> TrainingConfig:
    """The run of `nestling demo`: *Learn and keep*, with question sets asked before and after."""
    starter = starter_dir()
    config = TrainingConfig(
        model=starter_model_dir(),
        data=starter / "sample",
        eval_sets=(starter / "sample" / "new_facts.jsonl", starter / "retention.jsonl"),
        name="demo",
        steps=150,
        batch_size=8,
        rank=8,
        scale=10.0,
        warmup_steps=5,
        steps_per_eval=30,
        steps_per_save=50,
    )
    # At the preset's own rate the demo's 150 steps leave two of its 29 facts unlearned.
    return replace(preset("learn-and-keep").applied_to(config), learning_rate=1e-3)
