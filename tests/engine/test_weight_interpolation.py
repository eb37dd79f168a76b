"""Interpolation at a run's end: the adapter goes back as far as it keeps what was learned."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import mlx.core as mx
import pytest

from app.core.config.training_config import TrainingConfig
from app.core.events import EvaluationFinished, Event, LogMessage, RunFinished, StageChanged
from app.core.progress import drain
from app.data.files.dataset_files import find_files
from app.data.training_set.training_data import open_data_stream
from app.engine.adapter.adapter import add_adapter
from app.engine.batches.batches import BatchLoader
from app.engine.evaluation.evaluation import Evaluator
from app.engine.model.adapter_parameters import write_parameters
from app.engine.model.language_model import LanguageModel
from app.engine.model.loading import load_base_model
from app.engine.model.model_structure import trainable_parameters
from app.engine.runtime.stopping import Work
from app.engine.training.checkpoints import last_checkpoint
from app.engine.training.dataset_opening import data_settings
from app.engine.training.trainer import resume, train
from app.engine.training.weight_interpolation import PARTS, interpolated, interpolating
from app.library.reading.run_details import read_details
from app.library.run.layout import ADAPTER_FILE
from app.library.run.manifest import read_manifest
from tests.conftest import write_chats

Adapter = dict[str, mx.array]


@pytest.fixture
def config(tiny_model: Path, tmp_path: Path) -> TrainingConfig:
    write_chats(tmp_path / "chats.jsonl", 40)
    return TrainingConfig(
        model=tiny_model, data=tmp_path / "chats.jsonl", output=tmp_path / "run", steps=6, rank=4,
        learning_rate=1e-2, steps_per_eval=3, steps_per_save=3, dropout=0.1, interpolation=0.9,
    )  # fmt: skip


def adapter(run: Path | None) -> Adapter:
    loaded = mx.load(str(last_checkpoint(run or Path()) / ADAPTER_FILE))
    assert isinstance(loaded, dict)
    return loaded


def share_of(config: TrainingConfig) -> float:
    return float(read_manifest(config.output or Path())["interpolated"])


def are_equal(one: Adapter, two: Adapter) -> bool:
    return one.keys() == two.keys() and all(mx.array_equal(one[k], two[k]).item() for k in one)


def test_the_runs_adapter_is_the_interpolated_one(config: TrainingConfig, tmp_path: Path) -> None:
    events = list(train(config))
    plain = replace(config, interpolation=0.0, output=tmp_path / "plain")
    plain_events = list(train(plain))
    share = share_of(config)
    assert share * PARTS == round(share * PARTS)
    assert 0 < share < 1
    base = load_base_model(config.model)
    mx.random.seed(config.seed)
    add_adapter(base.model, config)
    expected = interpolated(trainable_parameters(base.model), adapter(plain.output), share)
    assert are_equal(adapter(config.output), expected)
    assert losses(events) == losses(plain_events)
    details = read_details(config.output or Path())
    assert (details.summary.outcome, details.problem) == ("finished", "")


def losses(events: list[Event]) -> list[float]:
    return [e.val_loss for e in events if isinstance(e, EvaluationFinished) and not e.is_last]


def test_it_keeps_what_it_says_of_the_loss_and_a_part_less_would_not(
    config: TrainingConfig, tmp_path: Path
) -> None:
    write_chats(tmp_path / "valid.jsonl", 12)
    config = replace(config, valid=tmp_path / "valid.jsonl", validation_rows=12)
    list(train(config))
    plain = replace(config, interpolation=0.0, output=tmp_path / "plain")
    before, _, after = losses(list(train(plain)))
    base = load_base_model(config.model)
    mx.random.seed(config.seed)
    add_adapter(base.model, config)
    start, end = dict(trainable_parameters(base.model)), adapter(plain.output)
    settings = data_settings(config, base.limits, early_rows=0)
    files = find_files(config.data or Path(), config.valid)
    rows = drain(open_data_stream(files, base.tokenizer, settings)).valid
    share = share_of(config)
    values = []
    for at in (share, share - 1 / PARTS):
        write_parameters(base.model, interpolated(start, end, at))
        values.append(drain(Evaluator(base.model).mean_loss(BatchLoader(rows, 4))))
    most = before - 0.9 * (before - after)
    assert values[0] <= most + 1e-4
    assert values[1] > most - 1e-4


def test_a_resumed_run_ends_at_the_same_numbers(config: TrainingConfig, tmp_path: Path) -> None:
    list(train(config))
    other = replace(config, output=tmp_path / "other")
    list(train(other, stop_after=3))
    list(resume(other.output or Path()))
    assert are_equal(adapter(config.output), adapter(other.output))


def test_a_run_that_is_stopped_meanwhile_does_it_when_it_resumes(
    config: TrainingConfig, tmp_path: Path
) -> None:
    list(train(config))
    other = replace(config, output=tmp_path / "other")
    stage = ""

    def should_stop() -> bool:
        return stage == "Interpolating"

    for event in train(other, should_stop=should_stop):
        stage = event.stage if isinstance(event, StageChanged) else stage
    assert read_details(other.output or Path()).summary.outcome == "stopped"
    assert "interpolated" not in read_manifest(other.output or Path())
    ending = list(resume(other.output or Path()))[-1]
    assert isinstance(ending, RunFinished)
    assert ending.outcome == "finished"
    assert are_equal(adapter(config.output), adapter(other.output))


def test_a_run_that_was_killed_afterwards_does_it_only_once(
    config: TrainingConfig, tmp_path: Path
) -> None:
    list(train(config))
    other = replace(config, output=tmp_path / "other")
    with closing(train(other)) as events:  # type: ignore[type-var]
        for event in events:
            if isinstance(event, LogMessage) and "adapter was moved back" in event.text:
                next(events)  # the checkpoint
                break
    ending = list(resume(other.output or Path()))[-1]
    assert isinstance(ending, RunFinished)
    assert ending.outcome == "finished"
    assert are_equal(adapter(config.output), adapter(other.output))


def test_without_anything_to_go_by_the_log_says_so(config: TrainingConfig) -> None:
    events = list(train(replace(config, validation_split=0.0)))
    notes = [event.text for event in events if isinstance(event, LogMessage)]
    assert "There are no validation rows and no question set to interpolate by." in notes


@pytest.mark.parametrize(("keep", "share"), [(0.5, 0.5), (0.98, 1.0), (0.3, 5 / 16), (1.0, 1.0)])
def test_the_smallest_share_is_found(tiny_model: Path, keep: float, share: float) -> None:
    model, start, end = ready(tiny_model)
    name = next(iter(end))
    seen: list[float] = []

    def measure() -> Work[float]:
        yield 1.0
        now = trainable_parameters(model)[name]
        seen.append(float(mx.mean((now - start[name]) / (end[name] - start[name])).item()))
        return seen[-1]

    assert drain(interpolating(model, start, keep, measure)) == share
    assert len(seen) <= 6
    expected = interpolated(start, end, share) if share < 1 else end
    assert are_equal(dict(trainable_parameters(model)), expected)


def test_where_nothing_was_learned_it_stays_and_closed_early_too(tiny_model: Path) -> None:
    model, start, end = ready(tiny_model)

    def worse() -> Work[float]:
        yield 1.0
        return 0.0

    assert drain(interpolating(model, start, 0.5, worse)) == 1.0
    assert are_equal(dict(trainable_parameters(model)), end)
    work = interpolating(model, start, 0.5, worse)
    next(work)
    assert not are_equal(dict(trainable_parameters(model)), end)
    work.close()
    assert are_equal(dict(trainable_parameters(model)), end)


def ready(tiny_model: Path) -> tuple[LanguageModel, Adapter, Adapter]:
    """A model whose adapter is 1 away from where it started, in every number."""
    base = load_base_model(tiny_model)
    add_adapter(base.model, TrainingConfig(rank=2))
    start = dict(trainable_parameters(base.model))
    end = {path: array + 1 for path, array in start.items()}
    write_parameters(base.model, end)
    return base.model, start, dict(trainable_parameters(base.model))
