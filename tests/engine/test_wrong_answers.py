"""A run records which of its questions it answers wrongly, and the model's own answers to them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlx_lm
import pytest

from app.core.config.training_config import TrainingConfig
from app.core.events import RunFinished, ScoreMeasured
from app.core.files.paths import starter_dir, starter_model_dir
from app.core.wording.results import FORGOTTEN, NOT_LEARNED, answers_by_set
from app.engine.evaluation import wrong_answers
from app.engine.training.trainer import resume, train
from app.library.reading.run_details import read_details

KNOWN, NEW = 14, 6


@pytest.fixture
def questions(tmp_path: Path) -> dict[str, str]:
    """Each question and its answer: the model knows some, and none of the others."""
    starter = starter_dir()
    files = ((starter / "retention.jsonl", KNOWN), (starter / "sample" / "new_facts.jsonl", NEW))
    lines = [
        line
        for path, count in files
        for line in path.read_text(encoding="utf-8").splitlines()[:count]
    ]
    (tmp_path / "mixed.jsonl").write_text("\n".join(lines), encoding="utf-8")
    turns = [json.loads(line)["messages"] for line in lines]
    return {asked["content"]: reply["content"] for asked, reply in turns}


@pytest.fixture
def config(tmp_path: Path, questions: dict[str, str]) -> TrainingConfig:
    return TrainingConfig(
        model=starter_model_dir(), data=starter_dir() / "sample", output=tmp_path / "run",
        eval_sets=(tmp_path / "mixed.jsonl",), steps=12, batch_size=8, learning_rate=5e-3,
        steps_per_eval=50, steps_per_save=6, validation_split=0.0, measure_forgetting=False,
    )  # fmt: skip


def scores(events: list[Any]) -> tuple[ScoreMeasured, ScoreMeasured]:
    before, after = (event for event in events if isinstance(event, ScoreMeasured))
    return before, after


def plain_answers(adapter: Path | None, questions: dict[str, str]) -> Iterator[str]:
    """By mlx-lm alone, one question after the other."""
    model, tokenizer = mlx_lm.load(
        str(starter_model_dir()), adapter_path=str(adapter) if adapter else None
    )[:2]
    for question in questions:
        chat = [{"role": "user", "content": question}]
        prompt = tokenizer.apply_chat_template(chat, add_generation_prompt=True)
        yield mlx_lm.generate(model, tokenizer, prompt, max_tokens=wrong_answers.MOST_TOKENS)


def test_what_is_recorded_is_what_mlx_lm_answers_with_the_saved_adapter(
    config: TrainingConfig, questions: dict[str, str]
) -> None:
    events = list(train(config))
    before, after = scores(events)
    assert [one.question for one in before.wrong] == list(questions)[KNOWN:]
    assert {one.answer for one in before.wrong} == {""}
    ended = events[-1]
    assert isinstance(ended, RunFinished)
    answers = dict(zip(questions, plain_answers(ended.adapter_dir, questions), strict=True))
    wrong = {q: a.strip() for q, a in answers.items() if a.strip() != questions[q]}
    assert {one.question: one.answer.rstrip("…") for one in after.wrong} == wrong
    assert all(one.expected == questions[one.question] for one in after.wrong)
    assert after.correct == after.total - len(wrong)
    found = {lapse.question: lapse.kind for lapse in answers_by_set([before, after])[0].lapses}
    assert set(found.values()) == {FORGOTTEN, NOT_LEARNED}
    for question, kind in found.items():
        is_known = question in list(questions)[:KNOWN]
        assert kind == (FORGOTTEN if is_known else NOT_LEARNED)


def test_a_run_that_resumed_tells_forgotten_from_never_learned(config: TrainingConfig) -> None:
    whole = answers_by_set(scores(list(train(config))))
    assert config.output
    list(resume(config.output, checkpoint="step-000006"))
    assert read_details(config.output).answers == whole


def test_long_lists_are_recorded_in_part(
    config: TrainingConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wrong_answers, "MOST_WRONG", 5)
    monkeypatch.setattr(wrong_answers, "MOST_ANSWERS", 2)
    before, after = scores(list(train(config)))
    assert len(before.wrong) == len(after.wrong) == 5
    assert [bool(one.answer) for one in after.wrong[:3]] == [True, True, False]
    assert before.correct == KNOWN
