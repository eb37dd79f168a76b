"""Starts or resumes a run as a generator of events: the engine's entry point.

Hashing, setup and the memory estimate come before a run's folder is created.
"""

from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import mlx.core as mx

from app.core.base_model import MANIFEST_KEY, BaseModelDigests
from app.core.config.serialization import config_from_manifest
from app.core.config.training_config import TrainingConfig
from app.core.errors import InputError
from app.core.events import Event, LogMessage, RunFinished, ScoreMeasured, StageChanged
from app.core.files.disks import ensure_own_folder, remember_disk
from app.core.files.paths import at_shipped_places, expanded
from app.core.files.paths import runs_dir as default_runs_dir
from app.core.system.interruption import StoppedEarly
from app.core.text.translation import mark
from app.data.chat.template_process import end_template_processes
from app.data.files.fingerprint import stream_fingerprints
from app.data.files.model_files import ModelFiles, read_model_files
from app.engine.adapter.starting_weights import (
    check_same_start,
    starting_notes,
    with_adapter_settings,
)
from app.engine.clocks.slow_clock import text_notes
from app.engine.evaluation.question_sets import question_notes
from app.engine.memory.preflight import early_memory_warning, memory_estimate
from app.engine.model.base_model_digests import (
    WeightsHashing,
    check_is_same,
    hash_before_training,
    merged,
    token_notes,
)
from app.engine.model.model_structure import trainable_parameters
from app.engine.runtime.distributed import Machines, is_first_machine, join_world
from app.engine.runtime.mlx_errors import as_run_error
from app.engine.runtime.mlx_runtime import CACHE_LIMIT_BYTES, current_computer
from app.engine.runtime.stopping import T, in_stage, until_any_stops
from app.engine.training.checkpoints import last_checkpoint, load_checkpoint, named_checkpoint
from app.engine.training.loop import TrainingLoop
from app.engine.training.recording import RunRecording
from app.engine.training.restored_run import recorder_warnings, reopened_run, weights_hashing
from app.engine.training.run_reporting import (
    Facts,
    checkpoint_text,
    day_facts,
    manifest_facts,
    replica_checks,
)
from app.engine.training.setup import TrainingSetup, set_up
from app.library.reading.run_store import free_name
from app.library.reading.starting_adapter import STARTED_FROM, starting_adapter
from app.library.run.layout import START, check_no_links, checkpoint_step
from app.library.run.manifest import check_settings, read_manifest
from app.library.run.recorder import RunRecorder
from app.library.run.resumability import require_resumable
from app.library.run.run_folder import FolderTaken, base_scores, choose_run_dir, run_name
from app.library.run.run_lock import is_locked
from app.models.model_folder import check_model_folder

_MAX_NAME_ATTEMPTS = 20
"""Limit for runs that start in the same second in the same library."""


def train(
    config: TrainingConfig,
    *,
    runs_dir: Path | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    wants_checkpoint: Callable[[], bool] = lambda: False,
    stop_after: int | None = None,
) -> Iterator[Event]:
    """Run `config` from start to end, writing its folder; all MLX work happens in `next()`.

    `should_stop` is called between steps, and on another thread too. If it returns True, or after
    step `stop_after`, a checkpoint is saved and the outcome is "stopped". `wants_checkpoint` is
    called after each step; if it returns True, an extra checkpoint is saved. Bad input raises
    AppError before RunStarted and leaves no files. After RunStarted, the last event is always
    RunFinished. Closing the generator early also saves a checkpoint.
    """
    config = config.checked().located()
    _check_stop_after(stop_after, 0)
    origin = starting_adapter(config.adapter) if config.adapter else None
    if origin:
        folder = Path(origin.folder)
        config = with_adapter_settings(replace(config, adapter=folder), folder)
    machines = _set_up_mlx(config)
    library = runs_dir or default_runs_dir()
    run_dir = choose_run_dir(config, library) if machines.is_first else config.output or library
    files = read_model_files(config.model)
    try:
        preparing = prepare_run(config, files, should_stop, start=config.adapter)
        prepared, digests, notes = yield from until_any_stops(preparing, should_stop, machines)
        machines.check_replicas(replica_checks(config, prepared, digests))
    except StoppedEarly:
        yield RunFinished("stopped", run_dir, None, 0, "Stopped before the first step.")
        return
    except RuntimeError as error:
        raise as_run_error(error) from error
    if machines.is_first:
        facts = manifest_facts(prepared, digests)
        if origin:
            origin = replace(
                origin, sha256=prepared.start_sha256, stiffness_sha256=prepared.stiffness_sha256
            )
            facts[STARTED_FROM] = origin.data()
            notes = [*starting_notes(origin, config, digests), *notes]
        recorder = _new_run(config, run_dir, library, facts)
        hashing = None if digests.is_whole else WeightsHashing(files, digests, after_step=0)
        weights = trainable_parameters(prepared.base.model) if origin else None
        recording = RunRecording(
            recorder.run_dir, recorder, config.keep_checkpoints, hashing=hashing, origin=weights,
            stiffness=prepared.stiffness,
        )  # fmt: skip
        notes = recorder_warnings(recorder) + notes
    else:
        recording = RunRecording(run_dir)
    loop = TrainingLoop(
        config, prepared, recording, should_stop, wants_checkpoint, stop_after, machines=machines,
        notes=notes,
    )  # fmt: skip
    yield from loop.events()


def resume(
    run_dir: Path,
    *,
    checkpoint: str | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    wants_checkpoint: Callable[[], bool] = lambda: False,
    stop_after: int | None = None,
) -> Iterator[Event]:
    """Resume a run from its last checkpoint, or from the one named `checkpoint`.

    On the same computer, the result is bit-equal to a run that never stopped. Later metrics and
    checkpoints are moved to a folder beside the checkpoints, and the run makes them again. Raises
    AppError before RunStarted if the run, the checkpoint or the data changed.
    """
    run_dir = expanded(run_dir).absolute()
    if is_first_machine() and is_locked(run_dir):
        raise InputError(f"The run in {run_dir} is being trained now.", "Stop it there first.")
    check_no_links(run_dir)
    manifest = read_manifest(run_dir)
    check_settings(run_dir, manifest)
    config = config_from_manifest(manifest["config"], where=str(run_dir)).checked()
    folder = named_checkpoint(run_dir, checkpoint) if checkpoint else last_checkpoint(run_dir)
    require_resumable(run_dir, manifest, config.steps, checkpoint_step(folder))
    machines = _set_up_mlx(config)
    start = load_checkpoint(folder)
    _check_stop_after(stop_after, start.progress.step)
    check_model_folder(config.model)
    files = read_model_files(config.model)
    try:
        origin = run_dir / START if config.adapter else None
        preparing = prepare_run(config, files, should_stop, manifest, origin)
        prepared, digests, notes = yield from until_any_stops(preparing, should_stop, machines)
        machines.check_replicas(
            replica_checks(config, prepared, digests) | {"the checkpoint": checkpoint_text(start)}
        )
    except StoppedEarly:
        step = start.progress.step
        yield RunFinished("stopped", run_dir, folder, step, f"Stopped after step {step}.")
        return
    except RuntimeError as error:
        raise as_run_error(error) from error
    check_same_start(run_dir, manifest, prepared.start_sha256, prepared.stiffness_sha256)
    has_slow = config.slow_adamw_rate > 0
    start.check_fits(trainable_parameters(prepared.base.model), prepared.plan, has_slow=has_slow)
    recording = RunRecording(run_dir, start=start)
    scores: list[ScoreMeasured] = []
    if machines.is_first:
        recorded = merged(manifest, digests, start.progress.step)
        facts = day_facts(prepared) | {MANIFEST_KEY: recorded.data()}
        recorder, first = reopened_run(run_dir, start, facts)
        notes = first + notes + token_notes(manifest, prepared.tokens_sha256)
        notes += question_notes(manifest, prepared.question_fingerprints)
        notes += text_notes(manifest, prepared.slow)
        scores = base_scores(manifest)
        hashing = weights_hashing(files, digests, recorded, start)
        recording = RunRecording(run_dir, recorder, config.keep_checkpoints, start, hashing)
    loop = TrainingLoop(
        config, prepared, recording, should_stop, wants_checkpoint, stop_after, start, machines,
        [*notes, *scores],
    )  # fmt: skip
    yield from loop.events()


def _new_run(config: TrainingConfig, run_dir: Path, runs_dir: Path, facts: Facts) -> RunRecorder:
    """Create the run's folder; in the library, under the next free name if it is taken."""
    if config.output is None:
        ensure_own_folder(runs_dir)
        remember_disk(runs_dir)
        facts = facts | {"name": free_name(run_name(config), runs_dir)}
    for _ in range(_MAX_NAME_ATTEMPTS):
        try:
            return RunRecorder.create(run_dir, config, facts, current_computer())
        except FolderTaken:
            if config.output is not None:
                raise
            run_dir = choose_run_dir(config, runs_dir)
    return RunRecorder.create(run_dir, config, facts, current_computer())


def _check_stop_after(stop_after: int | None, done: int) -> None:
    if stop_after is not None and stop_after <= done:
        have = f"The run has made {done} steps already" if done else "The first step is 1"
        raise InputError(f"{have}: it can't stop after step {stop_after}.")


def _set_up_mlx(config: TrainingConfig) -> Machines:
    mx.set_cache_limit(CACHE_LIMIT_BYTES)
    mx.reset_peak_memory()
    return join_world(config.batch_size)


def prepare_run(
    config: TrainingConfig,
    files: ModelFiles,
    should_stop: Callable[[], bool],
    saved: Mapping[str, object] | None = None,
    start: Path | None = None,
) -> Generator[Event, None, tuple[TrainingSetup, BaseModelDigests, list[LogMessage]]]:
    """Set up a run and estimate its memory.

    Returns the setup, the base model's digests, and messages for the run's log, which does not
    exist yet. Raises AppError, or StoppedEarly once `should_stop` returns True.
    """
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
    estimating = memory_estimate(config, prepared.shapes, should_stop, prepared.base.model)
    _, more_notes = yield from _with_notes(estimating)
    return prepared, digests, remarks + notes + more_notes


def _checking_dataset(
    config: TrainingConfig, saved: Mapping[str, object]
) -> Generator[float, None, None]:
    """Raise InputError if the dataset's files changed since the run began."""
    mixed = [dataset.data for dataset in config.mix]
    fingerprints = yield from stream_fingerprints(config.data, config.valid, mixed)
    if fingerprints != at_shipped_places(saved.get("data")):
        raise InputError(
            f"The dataset {config.data} changed after this run began.",
            "Put the old files back, or start a new run.",
        )


def _with_notes(
    work: Generator[Event, None, T],
) -> Generator[Event, None, tuple[T, list[LogMessage]]]:
    """Run `work` and return its result with its log messages; yields its other events."""
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
