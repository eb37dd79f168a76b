"""Collects a run's facts: for its events, its log, its manifest, and the comparison of machines in
a distributed run.
"""

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import mlx.core as mx

from app.core.base_model import MANIFEST_KEY, BaseModelDigests
from app.core.config.serialization import to_dict
from app.core.config.training_config import TrainingConfig
from app.core.errors import InputError
from app.core.events import ClockFacts, LogMessage, RunStarted, StepFinished
from app.core.files.untrusted_files import read_regular
from app.data.files.model_files import HASHED_FIRST_BYTES
from app.engine.audit.model_probe import TRAITS_KEY
from app.engine.audit.verification import StepMeasurement
from app.engine.clocks.slow_clock import TEXT_KEY
from app.engine.evaluation.question_sets import QUESTIONS_KEY
from app.engine.model.lm_head import SplitModel
from app.engine.model.model_structure import trainable_parameters
from app.engine.runtime.mlx_runtime import device_name
from app.engine.tiers.plan import adapted_layers
from app.engine.tiers.plan_summary import tier_facts
from app.engine.training.checkpoints import Checkpoint
from app.engine.training.setup import TrainingSetup
from app.library.run.layout import STATE_FILE
from app.library.run.manifest import TEMPLATE_DAY
from app.library.run.resumability import MAX_STATE_BYTES
from app.library.run.run_folder import run_name

Facts = dict[str, object]


def replica_checks(
    config: TrainingConfig, prepared: TrainingSetup, digests: BaseModelDigests
) -> dict[str, str]:
    """Texts that must be equal on all machines of a run, by a name for error messages."""
    # One machine may have hashed large weights completely and another only samples of them.
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
        "the rows of the forgetting meter": json.dumps([one.sha256 for one in prepared.kept]),
        "the tier plan": prepared.plan.digest(),
        "the date that the chat template writes": str(prepared.template_day),
        "how examples are put into batches": json.dumps(prepared.batching.data()),
    }


def checkpoint_text(checkpoint: Checkpoint) -> str:
    try:
        return read_regular(checkpoint.folder / STATE_FILE, MAX_STATE_BYTES).decode()
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"{checkpoint.folder} can no longer be read: {reason}.") from error


def manifest_facts(prepared: TrainingSetup, digests: BaseModelDigests) -> Facts:
    """The manifest's entries other than the config."""
    return day_facts(prepared) | {
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


def day_facts(prepared: TrainingSetup) -> Facts:
    day = prepared.template_day
    return {TEMPLATE_DAY: day.isoformat()} if day else {}


def run_started(
    config: TrainingConfig, prepared: TrainingSetup, run_dir: Path, done: int, name: str = ""
) -> RunStarted:
    parameters = trainable_parameters(prepared.base.model)
    return RunStarted(
        run_dir=run_dir,
        name=name or run_name(config),
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
        slow_rate=config.slow_adamw_rate if slow else 0.0,
        slow_texts=slow.texts if slow else 0,
        lasting_pull=config.lasting_pull if has_anchor else 0.0,
    )


def head_message(head: SplitModel | None) -> LogMessage:
    """Says whether the loss is computed from all logits or on trained tokens only."""
    if head is None:
        return LogMessage("The model's head was not found: the loss is computed from all logits.")
    return LogMessage("The loss is computed on trained tokens only.")


def rows_taken(prepared: TrainingSetup, config: TrainingConfig, steps: int) -> Iterator[LogMessage]:
    """How many rows of each dataset the first `steps` steps used; nothing for a single dataset."""
    batches = steps * config.grad_accumulation_steps
    counts = prepared.train.rows_by_dataset(config.seed, batches)
    rows = [
        f"{count:,} of {part.name} ({count / sum(counts):.1%})"
        for part, count in zip(prepared.parts, counts, strict=True)
    ]
    if rows:
        yield LogMessage(f"{steps:,} steps used these rows: {', '.join(rows)}.")


def lesson_messages(step: int, measurement: StepMeasurement) -> Iterator[LogMessage]:
    """For an audited lesson, its KL divergence from the base before and after the update."""
    if math.isfinite(measurement.base_kl_after):
        yield LogMessage(
            f"The lesson of step {step}: change from base {measurement.base_kl:.4f} before the "
            f"update, {measurement.base_kl_after:.4f} after it."
        )


def step_finished(
    step: int,
    learning_rate: float,
    measurement: StepMeasurement,
    trained_tokens: int,
    tokens_per_second: float,
) -> StepFinished:
    """The event of one step; `trained_tokens` counts from the run's start."""
    movement = measurement.movement
    return StepFinished(
        step=step,
        loss=measurement.loss,
        learning_rate=learning_rate,
        trained_tokens=trained_tokens,
        tokens_per_second=tokens_per_second,
        peak_memory_bytes=mx.get_peak_memory(),
        fired=movement.fired,
        deltas=movement.deltas,
        pending=measurement.pending,
        drifts=movement.drifts,
        layer_deltas=movement.layer_deltas,
        gradient_norm=measurement.gradient_norm,
        void=measurement.is_void,
        pulls=measurement.pulls,
        base_kl=measurement.base_kl,
    )
