"""Starts a run: its training step, its first event, and the check of a restored state."""

from collections.abc import Iterator
from pathlib import Path

from app.core.config.training_config import TrainingConfig
from app.core.errors import VerificationError
from app.core.events import ClockFacts, LogMessage, RunStarted
from app.engine.clocks.lasting_clock import anchor_of
from app.engine.model.adapter_parameters import write_parameters
from app.engine.model.lm_head import SplitModel
from app.engine.model.model_structure import trainable_parameters
from app.engine.runtime.distributed import Machines
from app.engine.runtime.mlx_runtime import device_name
from app.engine.runtime.named_arrays import number
from app.engine.tiers.optimizer import TieredAdamW
from app.engine.tiers.plan import TierPlan, adapted_layers
from app.engine.tiers.plan_summary import tier_facts
from app.engine.tiers.update_rules import UpdateRules
from app.engine.training.checkpoints import Checkpoint, read_arrays, same_arrays
from app.engine.training.setup import TrainingSetup
from app.engine.training.step import TrainingStep
from app.library.run.layout import checkpoint_step
from app.library.run.run_folder import run_name


def run_started(
    config: TrainingConfig, prepared: TrainingSetup, run_dir: Path, done: int
) -> RunStarted:
    parameters = trainable_parameters(prepared.base.model)
    return RunStarted(
        run_dir=run_dir,
        name=run_name(config),
        model=str(config.model),
        steps=config.steps,
        base_parameters=prepared.base.parameters,
        trainable_parameters=sum(p.size for p in parameters.values()),
        tiers=tier_facts(prepared.plan, parameters),
        adapted_layers=adapted_layers(parameters),
        train_examples=prepared.train_examples,
        valid_examples=prepared.valid_examples,
        steps_per_epoch=-(-len(prepared.train) // config.grad_accumulation_steps),
        device=device_name(),
        clocks=_clocks(config, prepared),
        done=done,
    )


def _clocks(config: TrainingConfig, prepared: TrainingSetup) -> ClockFacts:
    has_anchor = bool(prepared.stiffness and config.lasting_pull)
    slow = prepared.slow
    return ClockFacts(
        slow_every=slow.every if slow else 0,
        slow_weight=slow.weight if slow else 0.0,
        slow_texts=slow.texts if slow else 0,
        lasting_pull=config.lasting_pull if has_anchor else 0.0,
    )


def training_step(
    config: TrainingConfig,
    prepared: TrainingSetup,
    start: Checkpoint | None,
    machines: Machines,
) -> TrainingStep:
    """The step of a run from its start, or from the checkpoint `start`."""
    model = prepared.base.model
    # The adapter as its seed made it, also in a resumed run: drift is measured from here.
    origin = trainable_parameters(model)
    optimizer = TieredAdamW(
        prepared.plan,
        weight_decay=config.weight_decay,
        max_grad_norm=config.max_grad_norm,
        skip_pending=config.pending == "skip",
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
    """Raise VerificationError unless a resumed run holds what its checkpoint's files hold.

    They are read again here, so that a fault in loading or in restoring them shows.
    """
    adapter, optimizer = read_arrays(start.folder)
    if not same_arrays(adapter, step.parameters()) or not same_arrays(
        optimizer, step.state.named()
    ):
        raise VerificationError(f"The run does not hold what {start.folder} holds.")
    progress = start.progress
    counts = [int(number(count)) for count in step.state.fired_counts]
    due = [progress.step // tier.period for tier in plan.tiers]
    is_counted = progress.void_steps_in_all or counts == due
    if progress.step != checkpoint_step(start.folder) or not is_counted:
        raise VerificationError(f"{start.folder} is not of step {progress.step} of this run.")


def head_message(head: SplitModel | None) -> LogMessage:
    """Where the loss of this run is computed."""
    if head is None:
        return LogMessage("The model's head was not found: the loss is computed from all logits.")
    return LogMessage("The loss is computed where a token is trained, and nowhere else.")


def rows_taken(prepared: TrainingSetup, config: TrainingConfig, steps: int) -> Iterator[LogMessage]:
    """How many rows of each dataset the first `steps` steps took; nothing if there is but one."""
    batches = steps * config.grad_accumulation_steps
    counts = prepared.train.rows_by_dataset(config.seed, batches)
    rows = [
        f"{count:,} of {part.name} ({count / sum(counts):.1%})"
        for part, count in zip(prepared.parts, counts, strict=True)
    ]
    if rows:
        yield LogMessage(f"{steps:,} steps took these rows: {', '.join(rows)}.")
