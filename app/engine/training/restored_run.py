"""Starts a run at its first step or restores it from a checkpoint: resets its folder, logs the
first messages, and checks that nothing was lost.
"""

import math
from collections.abc import Mapping
from pathlib import Path

from app.core.base_model import BaseModelDigests
from app.core.config.training_config import TrainingConfig
from app.core.errors import VerificationError
from app.core.events import LogMessage
from app.core.system.compute_environment import ComputeEnvironment
from app.data.files.model_files import ModelFiles
from app.engine.clocks.elastic_anchor import anchor_of
from app.engine.model.adapter_parameters import write_parameters
from app.engine.model.base_model_digests import WeightsHashing
from app.engine.model.model_structure import trainable_parameters
from app.engine.runtime.distributed import Machines
from app.engine.runtime.mlx_runtime import current_computer
from app.engine.runtime.named_arrays import number
from app.engine.tiers.optimizer import TieredAdamW
from app.engine.tiers.plan import TierPlan
from app.engine.tiers.update_rules import UpdateRules
from app.engine.training.checkpoints import Checkpoint, read_arrays, same_arrays, set_later_aside
from app.engine.training.setup import TrainingSetup
from app.engine.training.step import TrainingStep
from app.library.run.layout import checkpoint_folder, checkpoint_step
from app.library.run.recorder import RunRecorder


def training_step(
    config: TrainingConfig,
    prepared: TrainingSetup,
    start: Checkpoint | None,
    machines: Machines,
) -> TrainingStep:
    """The training step of a new run, or of one that resumes from the checkpoint `start`."""
    model = prepared.base.model
    # Drift is measured from the adapter's initial weights, in a resumed run too.
    origin = trainable_parameters(model)
    optimizer = TieredAdamW(
        prepared.plan,
        weight_decay=config.weight_decay,
        max_grad_norm=config.max_grad_norm,
        skip_pending=config.pending == "skip",
        slow_rate=config.slow_adamw_rate,
    )
    state = optimizer.init(origin)
    if start is not None:
        write_parameters(model, start.adapter)
        state = start.state
    model.train()
    anchor = anchor_of(prepared.plan, origin, prepared.stiffness, config.lasting_pull)
    return TrainingStep(
        model, optimizer, state, origin, machines=machines, fast=prepared.fast,
        rules=UpdateRules.from_config(config, has_anchor=anchor is not None),
        anchor=anchor, stiffness=prepared.stiffness, slow=prepared.slow,
    )  # fmt: skip


def check_restored(start: Checkpoint, step: TrainingStep, plan: TierPlan) -> None:
    """Raise VerificationError unless a resumed run equals its checkpoint's files.

    Reads the files again, so that a fault in loading or restoring them is detected.
    """
    adapter, optimizer = read_arrays(start.folder)
    if not same_arrays(adapter, step.parameters()) or not same_arrays(
        optimizer, step.state.named()
    ):
        raise VerificationError(f"The run differs from {start.folder}.")
    progress = start.progress
    counts = [int(number(count)) for count in step.state.fired_counts]
    due = [progress.step // tier.period for tier in plan.tiers]
    if every := step.slow_every:
        counts += [int(number(count)) for count in step.state.slow_counts]
        due += [progress.step // math.lcm(tier.period, every) for tier in plan.tiers]
    is_counted = progress.void_steps_in_all or counts == due
    if progress.step != checkpoint_step(start.folder) or not is_counted:
        raise VerificationError(f"{start.folder} is not step {progress.step} of this run.")


def reopened_run(
    run_dir: Path, start: Checkpoint, facts: Mapping[str, object]
) -> tuple[RunRecorder, list[LogMessage]]:
    """The run's recorder, reset to the checkpoint `start`, and the first log messages."""
    done = start.progress
    aside = set_later_aside(run_dir, done.step)
    best = checkpoint_folder(run_dir, done.best_step) if done.best_step else None
    computer = current_computer()
    recorder = RunRecorder.reopen(
        run_dir, done.metrics_bytes, done.best_val_loss, best, done.step, computer, facts,
        done.is_validation_due,
    )  # fmt: skip
    notes = [LogMessage(f"Resuming after step {done.step}.")]
    if aside is not None:
        text = f"The later checkpoints and metrics are kept in {aside.name}; the run repeats them."
        notes.append(LogMessage(text))
    return recorder, notes + _computer_notes(start, computer) + recorder_warnings(recorder)


def weights_hashing(
    files: ModelFiles, digests: BaseModelDigests, recorded: BaseModelDigests, start: Checkpoint
) -> WeightsHashing | None:
    if digests.is_whole:
        return None
    advice = f"Then resume from {start.folder.name}."
    return WeightsHashing(files, recorded, start.progress.step, advice)


def _computer_notes(start: Checkpoint, computer: ComputeEnvironment) -> list[LogMessage]:
    """A warning if another computer or other software computes the rest of the run. The result is
    then not bit-equal to a run that never stopped: losses differ in their last digits."""
    step, before = start.progress.step, start.computed_by
    if before == computer:
        return []
    if before is None:
        return [
            LogMessage(
                f"The computer that ran this run up to step {step} is unknown, so the result may "
                "not be bit-equal to a run that never stopped."
            )
        ]
    return [
        LogMessage(
            f"The result won't be bit-equal to a run that never stopped: {before} computed it up "
            f"to step {step}, and {computer} computes the rest.",
            is_warning=True,
        )
    ]


def recorder_warnings(recorder: RunRecorder) -> list[LogMessage]:
    return [LogMessage(recorder.warning, is_warning=True)] if recorder.warning else []
