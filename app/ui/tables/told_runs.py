"""What tables of runs have in common: a base model's name, a run's tiers."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from app.core.paths import starter_model_dir


def model_name(model: Path) -> str:
    """The folder's name; the starter model has one of its own."""
    return "Starter model" if model == _starter() else model.name


def periods_text(periods: Sequence[int]) -> str:
    """Each tier's update period: "1 · 2 · 4"."""
    return " · ".join(map(str, periods)) or "–"


@cache
def _starter() -> Path:
    """Found on the disk once, not for every run."""
    return starter_model_dir()
