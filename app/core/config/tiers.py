"""Settings of the tiers: which parameters form a tier, and how often each tier updates.

Manual tiers are an ordered list of patterns over modules, like "q_proj=0, self_attn=1, *=2".
"""

import math
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from typing import Literal

from app.core.config.setting import Problem, setting
from app.core.errors import InputError
from app.core.text.sanitize import short_repr
from app.core.text.translation import mark, tr

EXAMPLE = "q_proj=0, self_attn=1, *=2"


@dataclass(frozen=True)
class TierPattern:
    text: str
    """With *, ? or [ it must match the whole path; otherwise it matches a part of it."""
    tier: int

    def fits(self, module: str) -> bool:
        """Whether the pattern matches `module`, a path like "model.layers.3.mlp.up_proj"."""
        if any(mark in self.text for mark in "*?["):
            return fnmatchcase(module, self.text)
        return self.text in module


def parse_patterns(text: str, tiers: int) -> tuple[TierPattern, ...]:
    """The patterns of `text` in order. Raises InputError, which names an invalid one."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts:
        raise InputError(tr("Manual tiers need patterns, like {example}.", example=EXAMPLE))
    return tuple(_parse(part, tiers) for part in parts)


def _parse(part: str, tiers: int) -> TierPattern:
    text, _, tier = (piece.strip() for piece in part.rpartition("="))
    if not text or not tier.isdecimal():
        raise InputError(
            tr(
                "The tier pattern {pattern} must be a pattern and a tier, like mlp=1.",
                pattern=short_repr(part),
            )
        )
    if int(tier) >= tiers:
        raise InputError(
            tr(
                "The tier pattern {pattern} names tier {tier}, but the last tier is {last}.",
                pattern=short_repr(part),
                tier=tier,
                last=tiers - 1,
            )
        )
    return TierPattern(text, int(tier))


Assignment = Literal["depth", "module", "rank", "importance", "manual"]
FastEnd = Literal["top", "bottom"]
Pending = Literal["accumulate", "skip"]
MAX_TIERS, MAX_PERIOD = 8, 1_000_000


@dataclass(frozen=True)
class TierConfig:
    """One tier: its update period in optimizer steps and its own learning-rate factor."""

    period: int
    learning_rate_factor: float = 1.0
    pending: Pending | None = None
    """Its treatment of gradients between updates; None: the run's `pending` applies."""


_setting = partial(setting, section="tiers")


@dataclass(frozen=True)
class TierSettings:
    tiers: tuple[TierConfig, ...] = _setting(
        (TierConfig(1), TierConfig(2), TierConfig(4)),
        label=mark("Tiers"),
        help=mark(
            "Update periods, fastest first. A tier with period 4 averages its gradients over "
            "four steps and then moves once."
        ),
    )
    assign: Assignment = _setting(
        "depth",
        label=mark("Assignment"),
        help=mark(
            "How parameters are sorted into tiers: by blocks of layers (depth), attention "
            "apart from the rest (module), slices of each adapter's rank (rank), gradient "
            "size on your data (importance), or your own patterns (manual)."
        ),
    )
    tier_patterns: str = _setting(
        "",
        label=mark("Patterns"),
        help=mark(
            "For manual assignment: patterns for module paths, each with its tier, like q_proj=0, "
            "self_attn=1, *=2. The first match decides. A pattern without *, ? or [ matches a part "
            "of the path."
        ),
        advanced=True,
    )
    calibration_batches: int = _setting(
        8,
        label=mark("Calibration batches"),
        help=mark(
            "For assignment by importance: batches on which gradients are measured before the "
            "start."
        ),
        bounds=(1, 10_000),
        advanced=True,
    )
    fastest_first: FastEnd = _setting(
        "top",
        label=mark("Fastest"),
        help=mark(
            "The end that becomes tier 0. By depth: the layers nearest the output (top) or "
            "the input (bottom). By module: attention (top) or the rest (bottom). By "
            "importance: the modules with the largest gradients (top) or the smallest "
            "(bottom)."
        ),
    )
    pending: Pending = _setting(
        "accumulate",
        label=mark("Between updates"),
        help=mark(
            "accumulate: a tier averages its gradients until its next update. skip: it drops "
            "them (the older design, for comparison)."
        ),
        advanced=True,
    )

    def tier_problems(self, rank: int) -> list[Problem]:
        """`rank` is the adapter's."""
        return _tier_problems(self.tiers) + _assignment_problems(self, rank)


def _tier_problems(tiers: tuple[TierConfig, ...]) -> list[Problem]:
    if not tiers:
        return [Problem("tiers", tr("There must be at least one tier."))]
    if len(tiers) > MAX_TIERS:
        sentence = tr(
            "{n} tiers are too many: at most {most} are allowed.", n=len(tiers), most=MAX_TIERS
        )
        return [Problem("tiers", sentence)]
    for index, tier in enumerate(tiers):
        if not 1 <= tier.period <= MAX_PERIOD:
            sentence = tr(
                "Tier {tier}'s update period must be 1 to {most:,} steps.",
                tier=index,
                most=MAX_PERIOD,
            )
            return [Problem("tiers", sentence)]
        if not (math.isfinite(tier.learning_rate_factor) and tier.learning_rate_factor > 0):
            sentence = tr("Tier {tier}'s learning-rate factor must be above 0.", tier=index)
            return [Problem("tiers", sentence)]
    periods = [tier.period for tier in tiers]
    if periods != sorted(periods):
        sentence = tr("Tiers must be ordered by update period, the shortest first.")
        return [Problem("tiers", sentence)]
    return []


def _assignment_problems(config: TierSettings, rank: int) -> list[Problem]:
    if config.assign == "rank" and rank < len(config.tiers):
        sentence = tr("Rank {rank} can't be cut into {n} tiers.", rank=rank, n=len(config.tiers))
        return [Problem("rank", sentence)]
    if config.assign == "manual":
        try:
            parse_patterns(config.tier_patterns, len(config.tiers))
        except InputError as error:
            return [Problem("tier_patterns", str(error))]
    return []
