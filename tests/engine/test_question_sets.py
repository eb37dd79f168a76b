"""A run asks a fixed sample of each question set, before its first step and after its last."""

from dataclasses import replace
from pathlib import Path

import pytest

from app.core.config.serialization import config_from_manifest, to_dict
from app.core.config.training_config import TrainingConfig
from app.core.events import Event, LogMessage, ScoreMeasured
from app.engine.batches.batches import BatchLoader
from app.engine.evaluation import wrong_answers
from app.engine.evaluation.question_sets import MIN_QUESTIONS, questions_asked
from app.engine.training.trainer import train
from tests.conftest import write_chats

QUESTIONS = 300


@pytest.fixture
def config(tiny_model: Path, tmp_path: Path) -> TrainingConfig:
    data, questions = tmp_path / "chats.jsonl", tmp_path / "sums.jsonl"
    write_chats(data, 20)
    write_chats(questions, QUESTIONS)
    return TrainingConfig(
        model=tiny_model,
        data=data,
        eval_sets=(questions,),
        output=tmp_path / "run",
        steps=2,
        rank=2,
        validation_split=0.0,
    )


def totals(events: list[Event]) -> list[int]:
    return [event.total for event in events if isinstance(event, ScoreMeasured)]


def messages(events: list[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, LogMessage)]


def test_a_large_set_is_asked_in_part_and_that_is_logged(config: TrainingConfig) -> None:
    events = list(train(config))
    assert totals(events) == [MIN_QUESTIONS, MIN_QUESTIONS]
    words = "“sums” has 300 questions. The same 128 of them are asked before and after the run."
    assert words in messages(events)


def test_both_times_the_same_questions_are_asked_and_another_seed_asks_others(
    config: TrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[bytes]] = []
    find = wrong_answers.find_wrong_answers

    def watched(model: object, batches: BatchLoader, *others: object) -> object:
        asked.append(sorted(row.tobytes() for one in batches.once() for row in one.tokens))
        return find(model, batches, *others)  # type: ignore[arg-type]

    monkeypatch.setattr(wrong_answers, "find_wrong_answers", watched)
    list(train(replace(config, eval_questions=9)))
    list(train(replace(config, eval_questions=9, seed=1, output=tmp_path / "other")))
    first, again, of_other_seed, _ = asked
    assert first == again
    assert first != of_other_seed


def test_so_many_questions_are_asked_as_the_setting_says(config: TrainingConfig) -> None:
    assert totals(list(train(replace(config, eval_questions=9)))) == [9, 9]


def test_a_set_with_fewer_questions_is_asked_whole_in_silence(
    config: TrainingConfig, tmp_path: Path
) -> None:
    few = tmp_path / "few.jsonl"
    write_chats(few, 30)
    events = list(train(replace(config, eval_sets=(few,), eval_questions=31)))
    assert totals(events) == [30, 30]
    assert not [text for text in messages(events) if "are asked" in text]


def test_a_longer_run_asks_more_and_several_sets_share(config: TrainingConfig) -> None:
    long = replace(config, steps=10_000, batch_size=4, grad_accumulation_steps=1)
    assert questions_asked(long, 100_000) == 0.04 * 3 * 40_000 / 2
    sets = (Path("a.jsonl"), Path("b.jsonl"))
    assert questions_asked(replace(long, eval_sets=sets), 100_000) == 1_200


def test_a_run_of_an_older_version_asks_all_when_it_resumes(config: TrainingConfig) -> None:
    settings = {k: v for k, v in to_dict(config).items() if k != "eval_questions"}
    assert questions_asked(config_from_manifest(settings, where="run.json"), 100_000) == 100_000
