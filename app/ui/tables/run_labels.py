"""What tables of runs have in common: a run's tiers."""

from collections.abc import Sequence


def periods_text(periods: Sequence[int]) -> str:
    """Each tier's update period: "1 · 2 · 4"."""
    return " · ".join(map(str, periods)) or "–"
