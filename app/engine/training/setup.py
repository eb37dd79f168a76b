"""Sets up a run before its first step: model, adapter, plan, batches, questions.

If rows are tokenized during training, also updates the setup once they all are.
"""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import mlx.core as mx

from app.core.column_mapping import parse_columns
from app.core.config.training_config import TrainingConfig
from app.core.errors import InputError, RunError
from app.core.events import Event, LogMessage, StageChanged
from app.core.text.translation import mark
from app.data.chat.template_environment import run_note, with_day
from app.data.files.dataset_files import find_files
from app.data.training_set.row_selection import DatasetPart
from app.data.training_set.training_data import LaterRows, MixedFiles, TrainingData
from app.engine.adapter.starting_weights import (
    add_fitting_adapter,
    digest_of_weights,
    load_starting_weights,
    read_stiffness,
)
from app.engine.audit.model_probe import ModelTraits, probing
from app.engine.batches.batches import BatchShape
from app.engine.batches.training_batches import TrainingBatchLoader
from app.engine.clocks.slow_clock import SlowClock, open_slow_clock
from app.engine.evaluation.forgetting_meter import KeptRows, RetentionTexts, open_retention_texts
from app.engine.evaluation.known_questions import KnownQuestions, open_known_questions
from app.engine.evaluation.question_sets import QuestionSet, read_question_sets
from app.engine.evaluation.validation_sample import ValidationSet, sample_note, validation_sets
from app.engine.execution.batch_layout import BatchLayout
from app.engine.execution.model_execution import FastPaths
from app.engine.model.chat_prompt import stop_token_note
from app.engine.model.lm_head import SplitModel
from app.engine.model.loading import BaseModel, loading_base_model
from app.engine.model.model_structure import trainable_parameters
from app.engine.runtime.named_arrays import Arrays
from app.engine.runtime.stopping import in_stage, trying_template
from app.engine.tiers.assignment import make_plan
from app.engine.tiers.plan import TierPlan, plan_from_data
from app.engine.training.dataset_opening import (
    data_settings,
    longest_row,
    open_rows,
    reading_ahead,
    row_notes,
    rows_digest,
    sampling_of,
    setup_notes,
    template_day,
)
from app.engine.training.gradients import measure_gradient_importance
from app.engine.training.retention_rows import open_kept_rows


@dataclass(frozen=True)
class TrainingSetup:
    """A run, ready for its first step."""

    base: BaseModel
    traits: ModelTraits
    fast: FastPaths
    plan: TierPlan
    batching: BatchLayout
    train: TrainingBatchLoader
    train_examples: int
    valid: tuple[ValidationSet, ...]
    """One for each dataset with validation rows."""
    valid_examples: int
    questions: tuple[QuestionSet, ...]
    fingerprints: dict[str, str]
    """Path → SHA-256 of the files that the rows were read from."""
    tokens_sha256: str
    """SHA-256 of the tokenized rows, from `rows_digest`."""
    template_day: date | None = None
    """The date in rows and questions; None if the chat template uses no date."""
    parts: tuple[DatasetPart, ...] = ()
    """The datasets, if several are mixed."""
    start_sha256: str = ""
    """SHA-256 of the adapter that the run starts from; "" for a new, random adapter."""
    stiffness: Arrays | None = None
    """Path → the stiffness of that adapter's numbers; None if unknown."""
    slow: SlowClock | None = None
    retention: RetentionTexts | None = None
    known: KnownQuestions | None = None
    kept: tuple[KeptRows, ...] = ()
    """Row sets of the forgetting meter."""
    later: LaterRows | None = None
    """Rows that are not tokenized yet; until they are, the example counts are row counts."""

    @property
    def question_fingerprints(self) -> dict[str, str]:
        return {path: sha for one in self.questions for path, sha in one.fingerprints.items()}

    @property
    def stiffness_sha256(self) -> str:
        return digest_of_weights(self.stiffness) if self.stiffness else ""

    @property
    def head(self) -> SplitModel | None:
        return self.fast.head

    @property
    def shapes(self) -> tuple[BatchShape, ...]:
        """All micro-batch shapes of the run, with an estimate for rows not tokenized yet."""
        sets = [batches for one in self.valid for batches in (one.batches, one.last_batches)]
        shapes = [*self.train.shapes, *(shape for one in sets for shape in one.shapes)]
        shapes += self.slow.shapes if self.slow else ()
        shapes += self.retention.shapes if self.retention else ()
        shapes += (shape for one in self.kept for shape in one.batches.shapes)
        if self.later:
            largest = max(self.train.shapes, key=lambda shape: shape.cells)
            shapes.append(largest.with_longest(self.later.longest))
        return tuple(dict.fromkeys(shape.micro_batch for shape in shapes))


def set_up(
    config: TrainingConfig,
    saved: Mapping[str, object] | None = None,
    after_loading: Callable[[], None] = lambda: None,
    start: Path | None = None,
) -> Generator[Event, None, TrainingSetup]:
    """Load and check everything that a run needs, reporting each stage. Raises AppError.

    `saved` is the manifest of a resumed run, which supplies the plan and the batch layout. `start`
    is the folder of an adapter whose weights the run starts from; the config already has its
    settings. `after_loading` is called once the base model is in memory and may raise AppError.
    Yields after each small part of the work, so that it can be closed there.
    """
    data = config.data
    if data is None:
        raise InputError("No dataset is chosen.", "Give a file, or a folder with a train file.")
    files = find_files(data, config.valid)
    mixed = [
        MixedFiles(find_files(more.data), more.share, parse_columns(more.columns))
        for more in config.mix
    ]
    early_rows, validation_share = sampling_of(saved)
    with reading_ahead(config, files, mixed, early_rows, validation_share) as ahead:
        yield StageChanged(mark("Loading the model"))
        base = yield from in_stage(mark("Loading the model"), loading_base_model(config.model))
        after_loading()
        left_out = add_fitting_adapter(base.model, config, start)
        mx.eval(base.model.parameters())
        start_sha256 = load_starting_weights(base.model, start) if start else ""
        saved_plan = None if saved is None else saved.get("plan")
        plan = None if saved_plan is None else plan_from_data(config.tiers, saved_plan)
        if plan is not None:
            plan.check(trainable_parameters(base.model))
        elif config.assign != "importance":
            plan = make_plan(trainable_parameters(base.model), config)
        settings = data_settings(config, base.limits, early_rows)
        yield from trying_template(base.tokenizer)
        # Before tokenization, which ends the template's process: both share one process.
        end_note = stop_token_note(base.path, base.tokenizer)
        day = template_day(base.tokenizer, saved)
        dated = replace(base, tokenizer=with_day(base.tokenizer, day)) if day else base
        rows = yield from open_rows(config, files, mixed, dated, settings, validation_share, ahead)
    if day:
        yield LogMessage(run_note(day))
    yield from setup_notes(config, base, rows, end_note)
    if left_out:
        yield LogMessage(f"{_NO_ADAPTER} {', '.join(left_out)}.")
    # Assignment by importance has no plan yet; the probe needs only paths, so any plan will do.
    probed = yield from probing(
        base.model,
        lambda: (
            plan or make_plan(trainable_parameters(base.model), replace(config, assign="depth"))
        ),
        rows,
        settings,
        longest_row(rows, settings),
        recomputes_layers=config.grad_checkpoint,
        saved=saved,
    )
    batching, vocabulary = probed.batching, probed.traits.vocabulary
    train = batching.training(rows, vocabulary)
    if plan is None:
        plan = yield from _plan_by_importance(config, base, train)
    valid = validation_sets(config, rows, batching, vocabulary)
    if note := sample_note(valid, rows.valid_rows):
        yield LogMessage(note)
    questions = yield from read_question_sets(config, dated, vocabulary)
    slow = yield from open_slow_clock(config, dated, vocabulary)
    retention = yield from open_retention_texts(config, dated, vocabulary)
    known = yield from open_known_questions(config, dated)
    kept: tuple[KeptRows, ...] = ()
    if retention:
        kept = yield from open_kept_rows(config, dated, batching, vocabulary, saved)
    return TrainingSetup(
        base=base,
        traits=probed.traits,
        fast=probed.fast,
        plan=plan,
        batching=batching,
        train=train,
        train_examples=rows.train_rows,
        valid=valid,
        valid_examples=rows.valid_rows,
        questions=questions,
        fingerprints=rows.fingerprints,
        tokens_sha256=rows_digest(rows),
        template_day=day,
        start_sha256=start_sha256,
        slow=slow,
        retention=retention,
        known=known,
        kept=kept,
        stiffness=read_stiffness(start, trainable_parameters(base.model)) if start else None,
        parts=rows.parts if len(rows.parts) > 1 else (),
        later=rows.later,
    )


def with_later_rows(
    config: TrainingConfig, prepared: TrainingSetup, rows: TrainingData
) -> Generator[Event, None, TrainingSetup]:
    """The setup once all rows are tokenized. Raises RunError if the early rows' tokens changed."""
    if rows_digest(rows) != prepared.tokens_sha256:
        raise RunError(
            "The same rows now give different tokens: the base model's "
            "chat template or tokenizer changed since this run began.",
            "Put the old files back and resume the run, or start a new one.",
        )
    yield LogMessage(
        f"Tokenized: {len(rows.train):,} examples to train on, {len(rows.valid):,} to validate on."
    )
    yield from row_notes(prepared.base, rows)
    vocabulary = prepared.traits.vocabulary
    return replace(
        prepared,
        train=prepared.batching.training(rows, vocabulary),
        train_examples=len(rows.train),
        valid=validation_sets(config, rows, prepared.batching, vocabulary),
        valid_examples=len(rows.valid),
        later=None,
    )


_NO_ADAPTER = (
    "These modules stay without an adapter, because the model's code reads their weights directly "
    "or mlx-lm could not load the adapter:"
)


def _plan_by_importance(
    config: TrainingConfig, base: BaseModel, train: TrainingBatchLoader
) -> Generator[Event, None, TierPlan]:
    count = min(config.calibration_batches, train.at_once)
    measuring = measure_gradient_importance(base.model, train, count, config.seed)
    activity = yield from in_stage(mark("Measuring importance"), measuring)
    return make_plan(trainable_parameters(base.model), config, activity)
