"""Settings of the tiers: which parameters form a tier, and how often each tier updates."""

import math
from dataclasses import dataclass
from typing import Literal

from app.core.config.setting import Problem, setting
from app.core.config.tier_patterns import EXAMPLE, parse_patterns
from app.core.errors import InputError

Assignment = Literal["depth", "module", "rank", "importance", "manual"]
FastEnd = Literal["top", "bottom"]
Pending = Literal["accumulate", "skip"]
MAX_TIERS = 8


@dataclass(frozen=True)
class TierConfig:
    """One tier: its update period in optimizer steps and its own learning-rate factor."""

    period: int
    learning_rate_factor: float = 1.0
    pending: Pending | None = None
    """How it treats gradients between firings; None: as the run's `pending` says."""


@dataclass(frozen=True)
class TierSettings:
    tiers: tuple[TierConfig, ...] = setting(
        (TierConfig(1), TierConfig(2), TierConfig(4)),
        label="Tiers",
        help="Update periods, fastest first. A tier with period 4 averages its gradients over "
        "four steps and then moves once.",
        section="tiers",
    )
    assign: Assignment = setting(
        "depth",
        label="Assignment",
        help="How parameters are sorted into tiers: by blocks of layers (depth), attention "
        "apart from the rest (module), slices of each adapter's rank (rank), gradient "
        "size on your data (importance), or your own patterns (manual).",
        section="tiers",
    )
    tier_patterns: str = setting(
        "",
        label="Patterns",
        help="For manual assignment: patterns for module paths, each with its tier, like "
        f"{EXAMPLE}. The first match decides. A pattern without *, ? or [ matches a part of the "
        "path.",
        section="tiers",
        advanced=True,
    )
    calibration_batches: int = setting(
        8,
        label="Calibration batches",
        help="For assignment by importance: batches on which gradients are measured before the "
        "start.",
        section="tiers",
        minimum=1,
        maximum=10_000,
        advanced=True,
    )
    fastest_first: FastEnd = setting(
        "top",
        label="Fastest",
        help="The end that becomes tier 0. By depth: the layers nearest the output (top) or "
        "the input (bottom). By module: attention (top) or the rest (bottom). By "
        "importance: the modules with the largest gradients (top) or the smallest "
        "(bottom).",
        section="tiers",
    )
    pending: Pending = setting(
        "accumulate",
        label="Between updates",
        help="accumulate: a tier averages its gradients until its next update. skip: it drops "
        "them (the older design, for comparison).",
        section="tiers",
        advanced=True,
    )

    def tier_problems(self, rank: int) -> list[Problem]:
        """`rank` is the adapter's."""
        return _tier_problems(self.tiers) + _assignment_problems(self, rank)


def _tier_problems(tiers: tuple[TierConfig, ...]) -> list[Problem]:
    if not tiers:
        return [Problem("tiers", "There must be at least one tier.")]
    if len(tiers) > MAX_TIERS:
        return [
            Problem("tiers", f"{len(tiers)} tiers are too many: at most {MAX_TIERS} are allowed.")
        ]
    for index, tier in enumerate(tiers):
        if not 1 <= tier.period <= 1_000_000:
            return [Problem("tiers", f"Tier {index}'s update period must be 1 to 1,000,000 steps.")]
        if not (math.isfinite(tier.learning_rate_factor) and tier.learning_rate_factor > 0):
            return [Problem("tiers", f"Tier {index}'s learning-rate factor must be above 0.")]
    periods = [tier.period for tier in tiers]
    if periods != sorted(periods):
        return [Problem("tiers", "Tiers must be ordered by update period, the shortest first.")]
    return []


def _assignment_problems(config: TierSettings, rank: int) -> list[Problem]:
    if config.assign == "rank" and rank < len(config.tiers):
        return [Problem("rank", f"Rank {rank} can't be cut into {len(config.tiers)} tiers.")]
    if config.assign == "manual":
        try:
            parse_patterns(config.tier_patterns, len(config.tiers))
        except InputError as error:
            return [Problem("tier_patterns", str(error))]
    return []
