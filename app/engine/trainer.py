"""The engine's front door: start a run, or go on with one, as a generator of events."""

import json
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from pathlib import Path

from app.core.computer import Computer
from app.core.config import TrainingConfig
from app.core.config_text import to_plain, with_settings
from app.core.errors import InputError
from app.core.events import Event, LogMessage, RunFinished
from app.core.paths import runs_dir as default_runs_dir
from app.core.regular_files import read_regular
from app.data.fingerprint import fingerprints
from app.engine.checkpoints import (
    MOST_STATE_BYTES,
    STATE_FILE,
    Checkpoint,
    checkpoint_folder,
    last_checkpoint,
    load_checkpoint,
    named_checkpoint,
    set_later_aside,
)
from app.engine.faults import plain_fault
from app.engine.keeping import Keeper, NoKeeper, RunKeeper
from app.engine.loop import TrainingLoop
from app.engine.lora import trainable
from app.engine.machines import Machines, is_first_machine, join_machines
from app.engine.mlx_gateway import CACHE_LIMIT_BYTES, computed_by, import_mlx
from app.engine.planning import memory_before, memory_of
from app.engine.preparation import Prepared, StoppedEarly, prepare
from app.library.checkpoint_list import step_of
from app.library.claim import is_claimed
from app.library.going_on import check_not_done
from app.library.manifest import check_settings, read_manifest
from app.library.run import RunRecorder
from app.library.run_folder import choose_run_dir

Facts = dict[str, object]


def train(
    config: TrainingConfig,
    *,
    runs_dir: Path | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    wants_checkpoint: Callable[[], bool] = lambda: False,
    stop_after: int | None = None,
) -> Iterator[Event]:
    """Run `config` from start to end, writing its folder; all MLX work happens in `next()`.

    `should_stop` is asked between steps; then, or after step `stop_after`, a checkpoint is kept
    and the outcome is "stopped". `wants_checkpoint` is asked after each step; where it says so, a
    checkpoint is made there beside those that are due. Bad input raises AppError before
    RunStarted, and nothing is left behind. After RunStarted the last event is always RunFinished.
    Closing the generator early keeps a checkpoint too.
    """
    config = config.checked().located()
    _check_stop_after(stop_after, 0)
    machines = _set_up_mlx(config)
    library = runs_dir or default_runs_dir()
    run_dir = choose_run_dir(config, library) if machines.is_first else config.output or library
    yield from memory_before(config)
    try:
        prepared, notes = yield from _prepared(prepare(config, should_stop))
        machines.check_alike(_what_must_agree(config, prepared))
    except StoppedEarly:
        yield RunFinished("stopped", run_dir, None, 0, "Stopped before the first step.")
        return
    except RuntimeError as error:
        raise plain_fault(error) from error
    yield from memory_of(config, prepared.shapes)
    if machines.is_first:
        recorder = _new_run(config, run_dir, library, _facts(prepared))
        keeper: Keeper = RunKeeper(recorder, config.keep_checkpoints)
    else:
        keeper = NoKeeper(run_dir)
    loop = TrainingLoop(
        config, prepared, keeper, should_stop, wants_checkpoint, stop_after, None, machines, notes
    )
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
    run_dir = run_dir.expanduser().absolute()
    if is_first_machine() and is_claimed(run_dir):
        raise InputError(f"The run in {run_dir} is being trained now.", "Stop it there first.")
    manifest = read_manifest(run_dir)
    check_settings(run_dir, manifest)
    config = with_settings(TrainingConfig(), manifest["config"], where=str(run_dir)).checked()
    folder = named_checkpoint(run_dir, checkpoint) if checkpoint else last_checkpoint(run_dir)
    check_not_done(run_dir, manifest, config.steps, step_of(folder))
    machines = _set_up_mlx(config)
    start = load_checkpoint(folder)
    _check_stop_after(stop_after, start.progress.step)
    mixed = [dataset.data for dataset in config.mix]
    if fingerprints(config.data, config.valid, mixed) != manifest.get("data"):
        raise InputError(
            f"The dataset {config.data} is not the one this run began with.",
            "Put the old files back, or start a new run.",
        )
    try:
        prepared, notes = yield from _prepared(prepare(config, should_stop, manifest))
        machines.check_alike(
            _what_must_agree(config, prepared) | {"the checkpoint": _digest(start)}
        )
    except StoppedEarly:
        step = start.progress.step
        yield RunFinished("stopped", run_dir, folder, step, f"Stopped after step {step}.")
        return
    except RuntimeError as error:
        raise plain_fault(error) from error
    yield from memory_of(config, prepared.shapes)
    start.check_fits(trainable(prepared.base.model), prepared.plan)
    start.check_is_of(manifest["settings_sha256"])
    keeper: Keeper = NoKeeper(run_dir, start)
    if machines.is_first:
        recorder, first = _reopened(run_dir, start)
        notes = first + notes
        keeper = RunKeeper(recorder, config.keep_checkpoints, start)
    loop = TrainingLoop(
        config, prepared, keeper, should_stop, wants_checkpoint, stop_after, start, machines, notes
    )
    yield from loop.events()


def _prepared(
    preparing: Generator[Event, None, Prepared],
) -> Generator[Event, None, tuple[Prepared, list[LogMessage]]]:
    """What is prepared, and what was said of it: that belongs into the run's log, which is only
    made when the run starts."""
    notes: list[LogMessage] = []
    while True:
        try:
            event = next(preparing)
        except StopIteration as ended:
            return ended.value, notes
        if isinstance(event, LogMessage):
            notes.append(event)
        else:
            yield event


def _reopened(run_dir: Path, start: Checkpoint) -> tuple[RunRecorder, list[LogMessage]]:
    """The run's recorder, set back to `start`, and what is to be said first."""
    done = start.progress
    aside = set_later_aside(run_dir, done.step)
    best = checkpoint_folder(run_dir, done.best_step) if done.best_step else None
    computer = computed_by()
    recorder = RunRecorder.reopen(
        run_dir, done.metrics_bytes, done.best_val_loss, best, done.step, computer
    )
    notes = [LogMessage(f"Going on after step {done.step}.")]
    if aside is not None:
        notes.append(LogMessage(f"What came after it is kept in {aside.name} and made again."))
    return recorder, notes + _said_of_computers(start, computer)


def _said_of_computers(start: Checkpoint, computer: Computer) -> list[LogMessage]:
    """That what follows is not bit-equal to a run that never stopped, if something else computes
    it: the losses differ in their last digits, which is no reason to refuse."""
    step, before = start.progress.step, start.computed_by
    if before == computer:
        return []
    if before is None:
        return [
            LogMessage(
                f"It is not known what computed this run up to step {step}, so what follows may "
                "not be bit-equal to a run that never stopped."
            )
        ]
    return [
        LogMessage(
            f"The run goes on, but not bit-equal to one that never stopped: up to step {step} it "
            f"was computed by {before}, from here on by {computer}.",
            is_warning=True,
        )
    ]


def _new_run(config: TrainingConfig, run_dir: Path, runs_dir: Path, facts: Facts) -> RunRecorder:
    """A folder for the run; in the library the next name where another run took this one."""
    while True:
        try:
            return RunRecorder.create(run_dir, config, facts, computed_by())
        except InputError:
            if config.output is not None:
                raise
            run_dir = choose_run_dir(config, runs_dir)


def _check_stop_after(stop_after: int | None, done: int) -> None:
    if stop_after is not None and stop_after <= done:
        have = f"The run has made {done} steps already" if done else "The first step is 1"
        raise InputError(f"{have}: it can't stop after step {stop_after}.")


def _set_up_mlx(config: TrainingConfig) -> Machines:
    mx = import_mlx()
    mx.set_cache_limit(CACHE_LIMIT_BYTES)
    mx.reset_peak_memory()
    return join_machines(config.batch_size)


def _what_must_agree(config: TrainingConfig, prepared: Prepared) -> dict[str, str]:
    """What all machines of a run must have alike, by its name for people."""
    weights = sorted((f.name, f.stat().st_size) for f in config.model.glob("*.safetensors"))
    mix = tuple(replace(mixed, data=Path()) for mixed in config.mix)
    settings = to_plain(replace(config, output=None, model=Path(), data=None, valid=None, mix=mix))
    return {
        "the settings": json.dumps(settings, sort_keys=True, default=str),
        "the base model": json.dumps(weights),
        "the dataset": json.dumps(sorted(prepared.fingerprints.values())),
        "the tier plan": prepared.plan.digest(),
        "how examples are put into batches": json.dumps(prepared.batching.data()),
    }


def _digest(checkpoint: Checkpoint) -> str:
    try:
        return read_regular(checkpoint.folder / STATE_FILE, MOST_STATE_BYTES).decode()
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"{checkpoint.folder} can't be read any more: {reason}.") from error


def _facts(prepared: Prepared) -> Facts:
    """What the manifest says beyond the config."""
    return {
        "data": prepared.fingerprints,
        "base_parameters": prepared.base.parameters,
        "mixed": [
            {"name": part.name, "rows": part.rows, "rows_per_epoch": part.rows_per_epoch}
            for part in prepared.parts
        ],
        "train_examples": prepared.train_examples,
        "valid_examples": prepared.valid_examples,
        "plan": prepared.plan.data(),
        "batching": prepared.batching.data(),
    }
