"""The engine's front door: start a run, or go on with one, as a generator of events."""

import json
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import mlx.core as mx

from app.core.base_model import MANIFEST_KEY, BaseModelDigests
from app.core.config.serialization import config_from_manifest, to_dict
from app.core.config.training_config import TrainingConfig
from app.core.errors import InputError
from app.core.events import Event, LogMessage, RunFinished, ScoreMeasured, StageChanged
from app.core.files.disks import ensure_own_folder, remember_disk
from app.core.files.paths import at_shipped_places, expanded
from app.core.files.paths import runs_dir as default_runs_dir
from app.core.files.untrusted_files import read_regular
from app.core.system.interruption import StoppedEarly
from app.data.chat.template_process import end_template_processes
from app.data.files.fingerprint import stream_fingerprints
from app.data.files.model_files import HASHED_FIRST_BYTES, ModelFiles, read_model_files
from app.engine.adapter.starting_weights import (
    check_same_start,
    starting_notes,
    with_settings_of,
)
from app.engine.audit.model_probe import TRAITS_KEY
from app.engine.clocks.slow import TEXT_KEY, text_notes
from app.engine.evaluation.question_digests import QUESTIONS_KEY, question_notes
from app.engine.memory.preflight import memory_before, memory_of
from app.engine.model.base_model_digests import (
    WeightsHashing,
    check_is_same,
    hashed_before_training,
    merged,
    said_of_tokens,
)
from app.engine.model.parameter_tree import trainable
from app.engine.runtime.distributed import Machines, is_first_machine, join_machines
from app.engine.runtime.mlx_errors import plain_fault
from app.engine.runtime.mlx_runtime import CACHE_LIMIT_BYTES, current_computer
from app.engine.runtime.stopping import Made, in_stage, until_one_stops
from app.engine.training.checkpoints import (
    Checkpoint,
    last_checkpoint,
    load_checkpoint,
    named_checkpoint,
)
from app.engine.training.loop import TrainingLoop
from app.engine.training.recording import Keeper, NoKeeper, RunKeeper
from app.engine.training.reopened_run import recorder_warnings, reopened_run, weights_hashing
from app.engine.training.setup import Prepared, prepare
from app.library.reading.starting_adapter import STARTED_FROM, starting_adapter
from app.library.run.checkpoint_state import MAX_STATE_BYTES
from app.library.run.layout import START, STATE_FILE, checkpoint_step
from app.library.run.links import check_no_links
from app.library.run.manifest import TEMPLATE_DAY, check_settings, read_manifest
from app.library.run.manifest_content import base_scores
from app.library.run.recorder import RunRecorder
from app.library.run.resumability import require_resumable
from app.library.run.run_folder import FolderTaken, choose_run_dir
from app.library.run.run_lock import is_locked
from app.models.model_folder import check_model_folder

Facts = dict[str, object]

_MOST_NAMES_TRIED = 20
"""Runs that begin in the same second, in the same library."""


def train(
    config: TrainingConfig,
    *,
    runs_dir: Path | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    wants_checkpoint: Callable[[], bool] = lambda: False,
    stop_after: int | None = None,
) -> Iterator[Event]:
    """Run `config` from start to end, writing its folder; all MLX work happens in `next()`.

    `should_stop` is asked between steps, and on another thread too; then, or after step
    `stop_after`, a checkpoint is kept and the outcome is "stopped". `wants_checkpoint` is asked
    after each step; where it says so, a checkpoint is made there beside those that are due. Bad
    input raises AppError before RunStarted, and nothing is left behind. After RunStarted the last
    event is always RunFinished. Closing the generator early keeps a checkpoint too.
    """
    config = config.checked().located()
    _check_stop_after(stop_after, 0)
    origin = starting_adapter(config.adapter) if config.adapter else None
    if origin:
        folder = Path(origin.folder)
        config = with_settings_of(replace(config, adapter=folder), folder)
    machines = _set_up_mlx(config)
    library = runs_dir or default_runs_dir()
    run_dir = choose_run_dir(config, library) if machines.is_first else config.output or library
    files = read_model_files(config.model)
    try:
        making = _made_ready(config, files, should_stop, start=config.adapter)
        prepared, digests, notes = yield from until_one_stops(making, should_stop, machines)
        machines.check_alike(_what_must_agree(config, prepared, digests))
    except StoppedEarly:
        yield RunFinished("stopped", run_dir, None, 0, "Stopped before the first step.")
        return
    except RuntimeError as error:
        raise plain_fault(error) from error
    if machines.is_first:
        facts = _facts(prepared, digests)
        if origin:
            origin = replace(
                origin, sha256=prepared.start_sha256, stiffness_sha256=prepared.stiffness_sha256
            )
            facts[STARTED_FROM] = origin.data()
            notes = [*starting_notes(origin, config, digests), *notes]
        recorder = _new_run(config, run_dir, library, facts)
        hashing = None if digests.is_whole else WeightsHashing(files, digests, after_step=0)
        weights = trainable(prepared.base.model) if origin else None
        keeper: Keeper = RunKeeper(
            recorder,
            config.keep_checkpoints,
            hashing=hashing,
            origin=weights,
            stiffness=prepared.stiffness,
        )
        notes = recorder_warnings(recorder) + notes
    else:
        keeper = NoKeeper(run_dir)
    loop = TrainingLoop(
        config, prepared, keeper, should_stop, wants_checkpoint, stop_after, machines=machines,
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
    """Go on with a run from its last checkpoint, or from the one named `checkpoint`.

    What follows is bit-equal to a run that never stopped. Metrics and checkpoints after that one
    are dropped, as they will be made again. Raises AppError before RunStarted if the run, the
    checkpoint or its data are not what they were.
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
        going_on = _made_ready(config, files, should_stop, manifest, origin)
        prepared, digests, notes = yield from until_one_stops(going_on, should_stop, machines)
        machines.check_alike(
            _what_must_agree(config, prepared, digests) | {"the checkpoint": _digest(start)}
        )
    except StoppedEarly:
        step = start.progress.step
        yield RunFinished("stopped", run_dir, folder, step, f"Stopped after step {step}.")
        return
    except RuntimeError as error:
        raise plain_fault(error) from error
    check_same_start(run_dir, manifest, prepared.start_sha256, prepared.stiffness_sha256)
    start.check_fits(trainable(prepared.base.model), prepared.plan)
    keeper: Keeper = NoKeeper(run_dir, start)
    scores: list[ScoreMeasured] = []
    if machines.is_first:
        kept = merged(manifest, digests, start.progress.step)
        facts = _day_facts(prepared) | {MANIFEST_KEY: kept.data()}
        recorder, first = reopened_run(run_dir, start, facts)
        notes = first + notes + said_of_tokens(manifest, prepared.tokens_sha256)
        notes += question_notes(manifest, prepared.question_fingerprints)
        notes += text_notes(manifest, prepared.slow)
        scores = base_scores(manifest)
        hashing = weights_hashing(files, digests, kept, start)
        keeper = RunKeeper(recorder, config.keep_checkpoints, start, hashing)
    loop = TrainingLoop(
        config, prepared, keeper, should_stop, wants_checkpoint, stop_after, start, machines,
        [*notes, *scores],
    )  # fmt: skip
    yield from loop.events()


def _made_ready(
    config: TrainingConfig,
    files: ModelFiles,
    should_stop: Callable[[], bool],
    saved: Mapping[str, object] | None = None,
    start: Path | None = None,
) -> Generator[Event, None, tuple[Prepared, BaseModelDigests, list[LogMessage]]]:
    """All that a run needs before its first step, the digests of its base model, and remarks for
    the run's log, which is only made when the run starts. Its memory is estimated on the way."""
    if saved is None:
        yield from memory_before(config, should_stop)
    else:
        yield from in_stage("Hashing the dataset", _checking_dataset(config, saved))
    digests = yield from hashed_before_training(files)
    remarks = check_is_same(config.model, saved, digests) if saved is not None else []
    try:
        prepared, notes = yield from _with_notes(
            prepare(config, saved, files.check_unchanged, start)
        )
    finally:
        end_template_processes()
    yield StageChanged("Estimating the memory")
    _, more_notes = yield from _with_notes(memory_of(config, prepared.shapes, should_stop))
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
    work: Generator[Event, None, Made],
) -> Generator[Event, None, tuple[Made, list[LogMessage]]]:
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


def _new_run(config: TrainingConfig, run_dir: Path, runs_dir: Path, facts: Facts) -> RunRecorder:
    """A folder for the run; in the library the next name where another run took this one."""
    if config.output is None:
        ensure_own_folder(runs_dir)
        remember_disk(runs_dir)
    for _ in range(_MOST_NAMES_TRIED):
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
    return join_machines(config.batch_size)


def _what_must_agree(
    config: TrainingConfig, prepared: Prepared, digests: BaseModelDigests
) -> dict[str, str]:
    """What all machines of a run must have alike, by its name for people."""
    # Large weights may be hashed whole on one machine and not yet on another.
    is_large = digests.weights_bytes > HASHED_FIRST_BYTES
    mix = tuple(replace(mixed, data=Path()) for mixed in config.mix)
    nowhere = replace(
        config, model=Path(), mix=mix, output=None, adapter=None, data=None, valid=None
    )
    settings = to_dict(nowhere)
    return {
        "the settings": json.dumps(settings, sort_keys=True, default=str),
        "the base model": json.dumps((digests.sampled() if is_large else digests).data()),
        "the dataset": json.dumps(sorted(prepared.fingerprints.values())),
        "the question sets": json.dumps(sorted(prepared.question_fingerprints.values())),
        "the adapter that the run starts from": prepared.start_sha256 + prepared.stiffness_sha256,
        "the general text": prepared.slow.sha256 if prepared.slow else "",
        "the tier plan": prepared.plan.digest(),
        "the date that the chat template writes": str(prepared.template_day),
        "how examples are put into batches": json.dumps(prepared.batching.data()),
    }


def _digest(checkpoint: Checkpoint) -> str:
    try:
        return read_regular(checkpoint.folder / STATE_FILE, MAX_STATE_BYTES).decode()
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"{checkpoint.folder} can't be read any more: {reason}.") from error


def _facts(prepared: Prepared, digests: BaseModelDigests) -> Facts:
    """What the manifest says beyond the config."""
    return _day_facts(prepared) | {
        "data": prepared.fingerprints,
        QUESTIONS_KEY: prepared.question_fingerprints,
        MANIFEST_KEY: digests.data(),
        "tokens_sha256": prepared.tokens_sha256,
        "base_parameters": prepared.base.parameters,
        "mixed": [
            {"name": part.name, "rows": part.rows, "rows_per_epoch": part.rows_per_epoch}
            for part in prepared.parts
        ],
        "train_examples": prepared.train_examples,
        "valid_examples": prepared.valid_examples,
        TEXT_KEY: prepared.slow.sha256 if prepared.slow else "",
        "plan": prepared.plan.data(),
        "batching": prepared.batching.data(),
        TRAITS_KEY: prepared.traits.data(),
    }


def _day_facts(prepared: Prepared) -> Facts:
    day = prepared.template_day
    return {TEMPLATE_DAY: day.isoformat()} if day else {}
