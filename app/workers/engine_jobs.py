"""The engine's work as jobs for the compute thread; the engine is imported there and only then."""

from collections.abc import Callable, Iterator
from pathlib import Path

from app.core.config import TrainingConfig
from app.workers.job import JobFunction


def training(config: TrainingConfig, runs_dir: Path) -> JobFunction:
    """Yields the run's events."""

    def work(should_stop: Callable[[], bool]) -> Iterator[object]:
        from app.engine.trainer import train

        return train(config, runs_dir=runs_dir, should_stop=should_stop)

    return work


def tier_preview(config: TrainingConfig) -> JobFunction:
    """Yields one tuple of TierFacts: what the tiers would hold in this base model."""

    def work(_should_stop: Callable[[], bool]) -> Iterator[object]:
        from app.engine.planning import preview_tiers

        yield preview_tiers(config)

    return work
