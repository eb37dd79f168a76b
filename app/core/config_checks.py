"""What can't work in a configuration, in plain words. Whether files exist is not known here."""

import math
from dataclasses import Field, dataclass, fields
from typing import TYPE_CHECKING, Any

from app.core.columns import parse_columns
from app.core.errors import InputError
from app.core.odd_values import is_finite, told
from app.core.tier_patterns import parse_patterns

if TYPE_CHECKING:
    from app.core.config import TierConfig, TrainingConfig

MAX_TIERS = 8
MOST_MIXED_IN = 0.95
"""An epoch then has 20 rows for each of the dataset itself."""


@dataclass(frozen=True)
class Problem:
    """What is wrong with one setting, in one sentence."""

    setting: str
    message: str


def problems_of(config: "TrainingConfig") -> list[Problem]:
    """Every setting that can't work, in the order of the form; empty when all can."""
    found = [p for f in fields(config) if (p := _range_problem(f, getattr(config, f.name)))]
    found += _column_problems(config.map)
    found += _mix_problems(config)
    found += _tier_problems(config.tiers)
    found += _assignment_problems(config)
    return found


def _range_problem(f: Field[Any], value: Any) -> Problem | None:
    low, high = f.metadata["minimum"], f.metadata["maximum"]
    if low is None:
        return None
    label = f.metadata["label"]
    if value != value:
        return Problem(f.name, f"{label} must be a number.")
    too_low = value <= low if f.metadata["exclusive_minimum"] else value < low
    if not is_finite(value) or too_low or value > high:
        relation = "greater than" if f.metadata["exclusive_minimum"] else "at least"
        return Problem(
            f.name,
            f"{label} must be {relation} {_number(low)} and at most {_number(high)}; "
            f"it is {_number(value)}.",
        )
    if f.name == "num_layers" and value == 0:
        return Problem(f.name, "Layers must be -1 (all) or at least 1; with 0 nothing trains.")
    return None


def _number(value: float) -> str:
    return told(value) if isinstance(value, int) and abs(value) >= 10**15 else _digits(value)


def _digits(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def _column_problems(text: str) -> list[Problem]:
    try:
        parse_columns(text)
    except InputError as error:
        return [Problem("map", str(error))]
    return []


def _mix_problems(config: "TrainingConfig") -> list[Problem]:
    for mixed in config.mix:
        if not 0 < mixed.share < 1:
            return [
                Problem(
                    "mix",
                    f"The share of {mixed.data.name} must be above 0 and below 1, like 0.25 for "
                    f"a quarter; it is {_number(mixed.share)}.",
                )
            ]
        try:
            parse_columns(mixed.map)
        except InputError as error:
            return [Problem("mix", f"{mixed.data.name}: {error}")]
    total = sum(mixed.share for mixed in config.mix)
    if total > MOST_MIXED_IN:
        return [
            Problem(
                "mix",
                f"The mixed-in datasets make up {total * 100:.4g} % of the rows; at most "
                f"{MOST_MIXED_IN * 100:g} % can be, as the rest is the dataset itself.",
            )
        ]
    return []


def _assignment_problems(config: "TrainingConfig") -> list[Problem]:
    if config.assign == "rank" and config.rank < len(config.tiers):
        return [Problem("rank", f"Rank {config.rank} can't be cut into {len(config.tiers)} tiers.")]
    if config.assign == "manual":
        try:
            parse_patterns(config.tier_patterns, len(config.tiers))
        except InputError as error:
            return [Problem("tier_patterns", str(error))]
    return []


def _tier_problems(tiers: "tuple[TierConfig, ...]") -> list[Problem]:
    if not tiers:
        return [Problem("tiers", "There must be at least one tier.")]
    if len(tiers) > MAX_TIERS:
        return [Problem("tiers", f"{len(tiers)} tiers are too many: at most {MAX_TIERS} can be.")]
    for index, tier in enumerate(tiers):
        if not 1 <= tier.period <= 1_000_000:
            return [Problem("tiers", f"Tier {index}'s update period must be 1 to 1,000,000 steps.")]
        if not (math.isfinite(tier.learning_rate_factor) and tier.learning_rate_factor > 0):
            return [Problem("tiers", f"Tier {index}'s learning-rate factor must be above 0.")]
    periods = [tier.period for tier in tiers]
    if periods != sorted(periods):
        return [Problem("tiers", "Tiers must be ordered by update period, the shortest first.")]
    return []
