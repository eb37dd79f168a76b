"""Everything before a run's folder is made: hashing, loading, and an estimate of the memory."""

from collections.abc import Callable, Generator, Mapping
from pathlib import Path

from app.core.base_model import BaseModelDigests
from app.core.config.training_config import TrainingConfig
from app.core.errors import InputError
from app.core.events import Event, LogMessage, StageChanged
from app.core.files.paths import at_shipped_places
from app.core.text.translation import mark
from app.data.chat.template_process import end_template_processes
from app.data.files.fingerprint import stream_fingerprints
from app.data.files.model_files import ModelFiles
from app.engine.memory.preflight import early_memory_warning, memory_estimate
from app.engine.model.base_model_digests import (
    check_is_same,
    hash_before_training,
)
from app.engine.runtime.stopping import T, in_stage
from app.engine.training.setup import TrainingSetup, set_up


def prepare_run(
    config: TrainingConfig,
    files: ModelFiles,
    should_stop: Callable[[], bool],
    saved: Mapping[str, object] | None = None,
    start: Path | None = None,
) -> Generator[Event, None, tuple[TrainingSetup, BaseModelDigests, list[LogMessage]]]:
    """All that a run needs before its first step, the digests of its base model, and remarks for
    the run's log, which is only made when the run starts. Its memory is estimated on the way."""
    if saved is None:
        yield from early_memory_warning(config, should_stop)
    else:
        yield from in_stage(mark("Hashing the dataset"), _checking_dataset(config, saved))
    digests = yield from hash_before_training(files)
    remarks = check_is_same(config.model, saved, digests) if saved is not None else []
    try:
        prepared, notes = yield from _with_notes(
            set_up(config, saved, files.check_unchanged, start)
        )
    finally:
        end_template_processes()
    yield StageChanged(mark("Estimating the memory"))
    _, more_notes = yield from _with_notes(memory_estimate(config, prepared.shapes, should_stop))
    return prepared, digests, remarks + notes + more_notes


def _checking_dataset(
    config: TrainingConfig, saved: Mapping[str, object]
) -> Generator[float, None, None]:
    """Raise InputError unless the files are those that the run began with."""
    mixed = [dataset.data for dataset in config.mix]
    found = yield from stream_fingerprints(config.data, config.valid, mixed)
    if found != at_shipped_places(saved.get("data")):
        raise InputError(
            f"The dataset {config.data} is not the one this run began with.",
            "Put the old files back, or start a new run.",
        )


def _with_notes(
    work: Generator[Event, None, T],
) -> Generator[Event, None, tuple[T, list[LogMessage]]]:
    """The result of `work`, with its messages collected; other events pass."""
    notes: list[LogMessage] = []
    while True:
        try:
            event = next(work)
        except StopIteration as ended:
            return ended.value, notes
        if isinstance(event, LogMessage):
            notes.append(event)
        else:
            yield event
