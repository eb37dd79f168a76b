"""Jobs of the compute thread that train, resume and estimate. They import the engine when they
run."""

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from app.core.config.training_config import TrainingConfig
from app.core.errors import AppError
from app.core.events import Event, MemoryEstimated, TierFacts
from app.workers.background_job import JobFunction
from app.workers.jobs.datasets import StoredDataset

if TYPE_CHECKING:
    from app.engine.training.batch_forecast import StoredRows
    from app.library.reading.study_results import StudyRun

T = TypeVar("T")
_SECONDS_BETWEEN_LOOKS = 0.02


class CheckpointRequest:
    """A request for a checkpoint: made on one thread, taken once on another."""

    def __init__(self) -> None:
        self._asked = threading.Event()

    def ask(self) -> None:
        self._asked.set()

    @property
    def is_waiting(self) -> bool:
        """Whether the request was made and not taken yet."""
        return self._asked.is_set()

    def take(self) -> bool:
        """Whether a request is waiting; takes it."""
        if not self._asked.is_set():
            return False
        self._asked.clear()
        return True


def training_job(
    config: TrainingConfig, runs_dir: Path, checkpoint: CheckpointRequest
) -> JobFunction[Event]:
    """Yields the run's events."""

    def work(should_stop: Callable[[], bool]) -> Iterator[Event]:
        from app.engine.training.trainer import train

        return train(
            config, runs_dir=runs_dir, should_stop=should_stop, wants_checkpoint=checkpoint.take
        )

    return work


def resume_job(
    run_dir: Path, start: str | None, checkpoint: CheckpointRequest
) -> JobFunction[Event]:
    """Yields the events of a run that resumes from its last checkpoint, or from `start`."""

    def work(should_stop: Callable[[], bool]) -> Iterator[Event]:
        from app.engine.training.trainer import resume

        return resume(
            run_dir, checkpoint=start, should_stop=should_stop, wants_checkpoint=checkpoint.take
        )

    return work


def study_job(run: "StudyRun") -> JobFunction[Event]:
    """Yields the events of one run of a study, or of its rest if it was interrupted."""

    def work(should_stop: Callable[[], bool]) -> Iterator[Event]:
        from app.engine.training.study import make_run

        return make_run(run, should_stop)

    return work


@dataclass(frozen=True)
class PlanRejected:
    """The base model is valid, but the tier plan does not fit it."""

    message: str
    hint: str


@dataclass(frozen=True)
class MemoryUnknown:
    """A run's memory can't be estimated: the model's code can't be traced."""


PreviewResult = tuple[TierFacts, ...] | PlanRejected | MemoryEstimated | MemoryUnknown


def wait_for(is_free: threading.Event, function: JobFunction[T]) -> JobFunction[T]:
    """A job that starts `function` once `is_free` is set, or never if it is stopped before."""

    def work(should_stop: Callable[[], bool]) -> Iterator[T]:
        while not is_free.wait(_SECONDS_BETWEEN_LOOKS):
            if should_stop():
                return
        yield from function(should_stop)

    return work


@dataclass(frozen=True)
class TokenizedRows:
    """The tokenized rows of a planned run, and the library."""

    sets: tuple[StoredDataset, ...]
    runs_dir: Path
    """The folder of the library, for facts about the last run."""


def tier_preview(
    config: TrainingConfig, known: TokenizedRows | None = None
) -> JobFunction[PreviewResult]:
    """Yields a tuple of TierFacts, the parameters of each tier in this base model, or PlanRejected.

    Then yields a MemoryEstimated or MemoryUnknown. The estimate is for the batches of the `known`
    rows, or else for the largest batches that the settings allow. A base model that can't be loaded
    fails the job.
    """

    def work(should_stop: Callable[[], bool]) -> Iterator[PreviewResult]:
        from app.core.system.interruption import StoppedEarly
        from app.engine.memory.preflight import preview_tiers
        from app.engine.model.loading import load_architecture

        try:
            yield preview_tiers(config)
        except AppError as error:
            load_architecture(config.model)  # raises if the model itself is the problem
            yield PlanRejected(error.message, error.hint)
        else:
            with suppress(StoppedEarly):
                if not should_stop():
                    yield _memory(config, known, should_stop) or MemoryUnknown()

    return work


def _memory(
    config: TrainingConfig, known: TokenizedRows | None, should_stop: Callable[[], bool]
) -> MemoryEstimated | None:
    from app.engine.memory.preflight import estimate_memory

    if known is None or len(known.sets) != len(config.mix) + 1:
        return estimate_memory(config, should_stop=should_stop)
    from app.engine.training.batch_forecast import likely_shapes
    from app.library.run_history import last_packing

    try:
        likely = likely_shapes(
            config, _stored(known.sets), last_packing(known.runs_dir, config.model)
        )
    except AppError:  # a run with these settings would report the error
        return estimate_memory(config, should_stop=should_stop)
    return estimate_memory(
        config, shapes=likely.shapes, is_bound=likely.is_bound, should_stop=should_stop
    )


def _stored(sets: tuple[StoredDataset, ...]) -> "StoredRows":
    from app.data.files.dataset_files import DatasetFiles
    from app.data.training_set.training_data import MixedFiles
    from app.engine.training.batch_forecast import StoredRows

    datasets = []
    for dataset in sets:
        train, valid = (
            tuple(path for path, _ in files) for files in (dataset.train, dataset.valid)
        )
        datasets.append(MixedFiles(DatasetFiles(train, valid), share=0.0))
    folders = tuple(pair for dataset in sets for pair in (*dataset.train, *dataset.valid))
    return StoredRows(tuple(datasets), folders)
