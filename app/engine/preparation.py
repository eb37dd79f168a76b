"""Everything a run needs before its first step: model, adapter, plan, batches, questions."""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from app.core.columns import parse_columns
from app.core.config import TrainingConfig
from app.core.errors import InputError
from app.core.events import Event, LogMessage, StageChanged
from app.data.dataset import Dataset, load_dataset
from app.data.tokenizing import TokenizedDataset, tokenize_dataset, tokenizing
from app.engine.adapter import add_adapter
from app.engine.assignment import make_plan
from app.engine.batches import Batches
from app.engine.calibration import measuring_activity
from app.engine.loading import BaseModel, load_base_model
from app.engine.lora import trainable
from app.engine.mlx_gateway import import_mlx
from app.engine.tiers import TierPlan, plan_from_data


@dataclass(frozen=True)
class QuestionSet:
    name: str
    batches: Batches
    count: int


@dataclass(frozen=True)
class Prepared:
    """A run, ready for its first step."""

    base: BaseModel
    plan: TierPlan
    train: Batches
    train_examples: int
    valid: Batches | None
    valid_examples: int
    questions: tuple[QuestionSet, ...]


class StoppedEarly(Exception):
    """`should_stop` said so before the first step; there is nothing to keep."""


def prepare(
    config: TrainingConfig, should_stop: Callable[[], bool], saved_plan: object = None
) -> Generator[Event, None, Prepared]:
    """Load, check and sort everything, reporting each stage. Raises AppError on bad input.

    `saved_plan` is the plan of a run that goes on, as its manifest holds it.
    """
    data = config.data
    if data is None:
        raise InputError("No dataset is chosen.", "Give a file, or a folder with a train file.")
    yield StageChanged("Reading the dataset")
    dataset = load_dataset(
        data,
        config.valid,
        config.validation_share,
        config.seed,
        parse_columns(config.map),
        config.bad_rows == "leave out",
    )
    if dataset.problems:
        yield LogMessage(_left_out(dataset))
    yield StageChanged("Loading the model")
    base = load_base_model(config.model)
    add_adapter(base.model, config)
    import_mlx().eval(base.model.parameters())
    plan = None if saved_plan is None else plan_from_data(config.tiers, saved_plan)
    if plan is not None:
        plan.check(trainable(base.model))
    elif config.assign != "importance":
        plan = make_plan(trainable(base.model), config)
    tokenized = yield from _tokenized(config, dataset, base.tokenizer, should_stop)
    for note in tokenized.notes:
        yield LogMessage(note)
    train = Batches(tokenized.train, config.batch_size)
    if plan is None:
        plan = yield from _plan_by_importance(config, base, train, should_stop)
    return _prepared(config, base, plan, train, tokenized)


def _left_out(dataset: Dataset) -> str:
    rows = "1 row is" if dataset.problem_count == 1 else f"{dataset.problem_count:,} rows are"
    return f"{rows} left out; the first: {dataset.problems[0]}."


def _plan_by_importance(
    config: TrainingConfig, base: BaseModel, train: Batches, should_stop: Callable[[], bool]
) -> Generator[Event, None, TierPlan]:
    measuring = measuring_activity(base.model, train, config.calibration_batches, config.seed)
    while True:
        try:
            share = next(measuring)
        except StopIteration as ended:
            return make_plan(trainable(base.model), config, ended.value)
        if should_stop():
            raise StoppedEarly
        yield StageChanged("Measuring importance", share)


def _tokenized(
    config: TrainingConfig, dataset: Dataset, tokenizer: Any, should_stop: Callable[[], bool]
) -> Generator[Event, None, TokenizedDataset]:
    progress = tokenizing(
        dataset,
        tokenizer,
        mask_prompt=config.mask_prompt,
        max_seq_length=config.max_seq_length,
        batch_size=config.batch_size,
    )
    while True:
        try:
            share = next(progress)
        except StopIteration as ended:
            return cast(TokenizedDataset, ended.value)
        if should_stop():
            raise StoppedEarly
        yield StageChanged("Turning text into tokens", share)


def _prepared(
    config: TrainingConfig,
    base: BaseModel,
    plan: TierPlan,
    train: Batches,
    tokenized: TokenizedDataset,
) -> Prepared:
    valid = Batches(tokenized.valid, config.batch_size) if tokenized.valid else None
    return Prepared(
        base=base,
        plan=plan,
        train=train,
        train_examples=len(tokenized.train),
        valid=valid,
        valid_examples=len(tokenized.valid),
        questions=tuple(_questions(path, base.tokenizer) for path in config.question_sets),
    )


def _questions(path: Path, tokenizer: Any) -> QuestionSet:
    dataset = load_dataset(path, None, 0.0, 0)
    tokenized = tokenize_dataset(
        dataset, tokenizer, mask_prompt=True, max_seq_length=1_000_000, batch_size=1
    )
    batches = Batches(tokenized.train, batch_size=32)
    return QuestionSet(path.stem.replace("_", " "), batches, len(tokenized.train))
