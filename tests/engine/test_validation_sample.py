"""A validation reads a fixed sample of the held-out rows, and the last one more of them."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.core.config.serialization import to_dict
from app.core.config.training_config import MixedDataset, TrainingConfig
from app.core.events import EvaluationFinished, Event, LogMessage, RunFinished
from app.data.row_values import RowLocation
from app.data.tokens.token_view import TokenView
from app.data.tokens.tokenized_examples import TokenizedExample
from app.data.training_set.validation_split import EARLY_ROWS
from app.engine.evaluation.validation_sample import SampleSizes, sampled
from app.engine.execution import batch_layout
from app.engine.execution.batch_layout import default_validation_share
from app.engine.training.dataset_opening import sampling_of
from app.engine.training.trainer import resume, train
from app.library.reading.run_details import read_details
from app.library.run import run_folder as run
from app.library.run.manifest import read_manifest

NEW_SETTINGS = {"validation_rows", "eval_questions", "replies"}
"""That a run of an older version has not."""


def view(rows: int, first: int = 0) -> TokenView:
    return TokenView.of(
        TokenizedExample((first + row, 1, 2), ((1, 3),), RowLocation(row + 1, row))
        for row in range(rows)
    )


def numbers(part: TokenView) -> list[int]:
    return [part[index].tokens[0] for index in range(len(part))]


def write_chats(path: Path, rows: int) -> Path:
    lines = [
        {"messages": [{"role": "user", "content": f"a {n}"}, {"role": "assistant", "content": "b"}]}
        for n in range(rows)
    ]
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return path


@pytest.fixture
def config(tiny_model: Path, tmp_path: Path) -> TrainingConfig:
    return config_in(tmp_path, tiny_model)


@pytest.fixture(scope="module")
def whole(
    tiny_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[TrainingConfig, list[Event]]:
    """A run with a sample of 20 from its start to its end."""
    config = replace(config_in(tmp_path_factory.mktemp("whole"), tiny_model), validation_rows=20)
    return config, list(train(config))


def config_in(folder: Path, model: Path) -> TrainingConfig:
    return TrainingConfig(
        model=model,
        data=write_chats(folder / "chats.jsonl", 200),
        output=folder / "run",
        steps=4,
        steps_per_eval=2,
        rank=2,
        validation_split=0.3,
    )


def evaluations(events: list[Event]) -> list[EvaluationFinished]:
    return [event for event in events if isinstance(event, EvaluationFinished)]


def test_the_larger_sample_contains_the_smaller_one_and_a_seed_decides() -> None:
    (few,), (more,) = sampled([view(100)], 10, seed=1), sampled([view(100)], 40, seed=1)
    assert len(few) == 10
    assert set(numbers(few)) < set(numbers(more))
    assert numbers(sampled([view(100)], 10, seed=1)[0]) == numbers(few)
    assert numbers(sampled([view(100)], 10, seed=2)[0]) != numbers(few)


def test_each_dataset_gives_rows_by_its_size_and_at_least_one() -> None:
    parts = sampled([view(900), view(100, 1000), view(3, 2000)], 50, seed=0)
    assert [len(part) for part in parts] == [45, 5, 1]


@pytest.mark.parametrize("steps", [100, 200, 1000, 100_000])
@pytest.mark.parametrize("held_out", [300, 60_000, 5_000_000])
@pytest.mark.parametrize("share", [0.03, 0.05])
def test_all_validations_read_few_of_the_rows_trained(
    steps: int, held_out: int, share: float
) -> None:
    """The share once along the run and once at its end, and one validation before it."""
    config = TrainingConfig(steps=steps)
    sizes = SampleSizes.of(config, held_out, share)
    read = (1 + steps // config.steps_per_eval) * sizes.each + sizes.last
    trained = steps * config.batch_size
    assert read <= 2 * share * trained + sizes.each + 1 + steps // config.steps_per_eval
    assert 200 * share <= sizes.each <= sizes.last <= held_out


@pytest.mark.parametrize(("compiles", "share"), [(True, 0.05), (False, 0.03)])
def test_a_cpu_validates_on_fewer_rows(
    compiles: bool, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_layout, "uses_compile", lambda: compiles)
    assert default_validation_share() == share


def test_a_run_that_began_with_larger_samples_keeps_them() -> None:
    assert sampling_of(None) == (EARLY_ROWS, default_validation_share())
    early = {"batch_size": 4, "is_packed": False, "has_free_shapes": True, "early_rows": 1024}
    assert sampling_of({"batching": early}) == (1024, 0.08)
    began = SampleSizes.of(TrainingConfig(steps=200), 600, 0.08)
    assert began == SampleSizes(16, 64)


def test_a_number_in_the_settings_is_the_sample_and_all_rows_are_read_at_the_end() -> None:
    assert SampleSizes.of(TrainingConfig(validation_rows=50), 600, 0.05) == SampleSizes(50, 600)
    assert SampleSizes.of(TrainingConfig(validation_rows=50), 30, 0.05) == SampleSizes(30, 30)


def test_a_run_reads_its_sample_and_all_rows_once_at_its_end(
    whole: tuple[TrainingConfig, list[Event]],
) -> None:
    config, events = whole
    found = evaluations(events)
    assert [(one.step, one.rows, one.is_last) for one in found] == [
        (0, 20, False), (2, 20, False), (4, 20, False), (4, 60, True)
    ]  # fmt: skip
    note = "Each validation reads 20 of 60 validation rows; the last one, when the run ends, all of"
    assert any(isinstance(e, LogMessage) and e.text.startswith(note) for e in events)
    details = read_details(config.output)
    assert [one.step for one in details.evaluations] == [0, 2, 4]
    assert details.last_validation == found[-1]
    assert "validation loss on 60 validation rows" in details.log


def test_where_the_sample_is_everything_nothing_is_read_twice(config: TrainingConfig) -> None:
    found = evaluations(list(train(replace(config, validation_rows=1000))))
    assert [(one.step, one.rows, one.is_last) for one in found] == [
        (0, 60, False), (2, 60, False), (4, 60, False)
    ]  # fmt: skip


def test_the_last_validation_is_no_candidate_for_the_best(config: TrainingConfig) -> None:
    *events, end = train(replace(config, validation_rows=20, early_stopping_patience=1))
    best = min((e for e in evaluations(events) if not e.is_last), key=lambda e: e.val_loss)
    assert isinstance(end, RunFinished)
    details = read_details(config.output)
    assert details.summary.best_val_loss == best.val_loss


def test_a_stop_within_the_last_validation_is_made_up_for(
    config: TrainingConfig, whole: tuple[TrainingConfig, list[Event]]
) -> None:
    config = replace(config, validation_rows=20)
    is_reached = False

    def is_in_the_last() -> bool:
        return is_reached

    events = []
    for event in train(config, should_stop=is_in_the_last):
        events.append(event)
        is_reached |= isinstance(event, EvaluationFinished) and event.step == 4
    assert events[-1].outcome == "stopped"
    assert events[-1].message == "Stopped after step 4, before the last validation was done."
    again = list(resume(config.output))
    assert again[-1].outcome == "finished"
    assert evaluations(again)[-1] == evaluations(whole[1])[-1]


def test_a_run_of_an_older_version_keeps_to_whole_validations(
    config: TrainingConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def older(config: TrainingConfig) -> dict[str, object]:
        return {k: v for k, v in to_dict(config).items() if k not in NEW_SETTINGS}

    with monkeypatch.context() as patch:
        patch.setattr(run, "to_dict", older)
        config = replace(config, validation_rows=10_000_000, replies="whole-chat")
        list(train(config, stop_after=2))
    assert not NEW_SETTINGS & read_manifest(config.output)["config"].keys()
    found = evaluations(list(resume(config.output)))
    assert [(one.step, one.rows, one.is_last) for one in found] == [(4, 60, False)]


def test_several_datasets_are_each_in_the_sample(config: TrainingConfig, tmp_path: Path) -> None:
    more = MixedDataset(write_chats(tmp_path / "more.jsonl", 40), 0.2)
    found = evaluations(list(train(replace(config, mix=(more,), validation_rows=24))))
    assert [[one.name for one in each.datasets] for each in found] == [
        ["chats.jsonl", "more.jsonl"]
    ] * 4
    assert np.isfinite([each.val_loss for each in found]).all()
