"""Manual tiers: an ordered list of patterns over modules, like "q_proj=0, self_attn=1, *=2"."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from app.core.errors import InputError
from app.core.text.sanitize import short_repr
from app.core.text.translation import tr

EXAMPLE = "q_proj=0, self_attn=1, *=2"


@dataclass(frozen=True)
class TierPattern:
    text: str
    """With *, ? or [ it must fit the whole path; otherwise it fits wherever it occurs."""
    tier: int

    def fits(self, module: str) -> bool:
        """Whether `module`, a path like "model.layers.3.mlp.up_proj", falls under the pattern."""
        if any(mark in self.text for mark in "*?["):
            return fnmatchcase(module, self.text)
        return self.text in module


def parse_patterns(text: str, tiers: int) -> tuple[TierPattern, ...]:
    """The patterns of `text` in order. Raises InputError that names the one that can't work."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts:
        raise InputError(tr("Manual tiers need patterns, like {example}.", example=EXAMPLE))
    return tuple(_parse(part, tiers) for part in parts)


def first_fit(patterns: Sequence[TierPattern], module: str) -> int | None:
    """The tier of the first pattern that fits; None if none does."""
    return next((pattern.tier for pattern in patterns if pattern.fits(module)), None)


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
