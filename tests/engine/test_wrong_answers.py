"""A run records the questions that it answers incorrectly, with the model's own answers."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
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
        yield mlx_lm.generate(model, tokenizer, prompt, max_tokens=wrong_answers.MAX_TOKENS)


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
    found = {
        lapse.question: lapse.kind for lapse in answers_by_set([before, after])[0].wrong_questions
    }
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
    monkeypatch.setattr(wrong_answers, "MAX_WRONG", 5)
    monkeypatch.setattr(wrong_answers, "MAX_ANSWERS", 2)
    before, after = scores(list(train(config)))
    assert len(before.wrong) == len(after.wrong) == 5
    assert [bool(one.answer) for one in after.wrong[:3]] == [True, True, False]
    assert before.correct == KNOWN


def test_of_a_chat_the_last_reply_is_asked_for(config: TrainingConfig, tmp_path: Path) -> None:
    """An earlier reply that the model would not give makes no question wrong."""
    known = starter_dir() / "retention.jsonl"
    with known.open(encoding="utf-8") as file:
        question, reply = json.loads(file.readline())["messages"]
    odd = [{"role": "user", "content": "Hello."}, {"role": "assistant", "content": "Qwx zzt."}]
    rows = [[question, reply], [*odd, question, reply]]
    path = tmp_path / "mixed.jsonl"
    path.write_text("\n".join(json.dumps({"messages": row}) for row in rows), encoding="utf-8")
    before, _ = scores(list(train(replace(config, steps=1))))
    assert before.total == 2
    assert all(one.expected == reply["content"] for one in before.wrong)
    answered = {one.expected: one.answer for one in before.wrong}
    assert reply["content"] not in answered.values()
    assert before.correct >= 1


def test_a_question_of_several_lines_is_recorded_as_it_is() -> None:
    text = " def f():\n    return 1\n\nWhat does f return? "
    assert wrong_answers.recorded(text) == text.strip()
    cut = wrong_answers.recorded("a b " * 1000)
    assert len(cut) <= wrong_answers.MAX_CHARACTERS
    assert cut.endswith("…")


def test_after_a_long_prompt_the_models_own_answer_is_not_recorded(
    config: TrainingConfig, monkeypatch: pytest.MonkeyPatch, questions: dict[str, str]
) -> None:
    _, whole = scores(list(train(config)))
    lengths = sorted(len(one.question) for one in whole.wrong)
    assert config.output
    shutil.rmtree(config.output)
    monkeypatch.setattr(wrong_answers, "LONGEST_PROMPT", 0)
    _, after = scores(list(train(config)))
    assert sorted(len(one.question) for one in after.wrong) == lengths
    assert {one.answer for one in after.wrong} == {""}
