"""The engine's work as jobs for the compute thread; the engine is imported there and only then."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from app.core.config import TrainingConfig
from app.core.errors import AppError
from app.workers.job import JobFunction

_SECONDS_BETWEEN_LOOKS = 0.02


class CheckpointRequest:
    """Asked for on one thread, taken once on another."""

    def __init__(self) -> None:
        self._asked = threading.Event()

    def ask(self) -> None:
        self._asked.set()

    def take(self) -> bool:
        """Whether it was asked for since it was last taken."""
        if not self._asked.is_set():
            return False
        self._asked.clear()
        return True


def training(config: TrainingConfig, runs_dir: Path, checkpoint: CheckpointRequest) -> JobFunction:
    """Yields the run's events."""

    def work(should_stop: Callable[[], bool]) -> Iterator[object]:
        from app.engine.trainer import train

        return train(
            config, runs_dir=runs_dir, should_stop=should_stop, wants_checkpoint=checkpoint.take
        )

    return work


def resuming(run_dir: Path, start: str | None, checkpoint: CheckpointRequest) -> JobFunction:
    """Yields the events of a run that goes on, from its last checkpoint or from the one named."""

    def work(should_stop: Callable[[], bool]) -> Iterator[object]:
        from app.engine.trainer import resume

        return resume(
            run_dir, checkpoint=start, should_stop=should_stop, wants_checkpoint=checkpoint.take
        )

    return work


@dataclass(frozen=True)
class PlanRefused:
    """The base model is good, but the tiers can't be laid over it."""

    message: str
    hint: str


def after(is_free: threading.Event, function: JobFunction) -> JobFunction:
    """The same work, begun once something has been let go of; never, if it is stopped before."""

    def work(should_stop: Callable[[], bool]) -> Iterator[object]:
        while not is_free.wait(_SECONDS_BETWEEN_LOOKS):
            if should_stop():
                return
        yield from function(should_stop)

    return work


def tier_preview(config: TrainingConfig) -> JobFunction:
    """Yields a tuple of TierFacts, what the tiers would hold in this base model, or a PlanRefused.

    Then, if there can be one, a MemoryEstimated. A base model that can't be loaded fails the job.
    """

    def work(should_stop: Callable[[], bool]) -> Iterator[object]:
        from app.engine.loading import load_architecture
        from app.engine.planning import estimate_memory, preview_tiers

        try:
            yield preview_tiers(config)
        except AppError as error:
            load_architecture(config.model)  # if this raises as well, the model is to blame
            yield PlanRefused(error.message, error.hint)
        else:
            if not should_stop() and (estimate := estimate_memory(config)):
                yield estimate

    return work
