"""Shipped questions that the base model answers correctly, asked again at the end of a run."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx_lm
import pytest

from app.core.config.training_config import TrainingConfig
from app.core.events import KNOWN_QUESTIONS, LogMessage, ScoreMeasured, StageChanged
from app.core.files.paths import known_questions_file, starter_dir, starter_model_dir
from app.core.progress import drain
from app.core.text.sanitize import single_line
from app.core.wording.results import score_sentence
from app.engine.adapter.adapter import add_adapter
from app.engine.evaluation import known_questions
from app.engine.evaluation.known_questions import Question, asking, open_known_questions
from app.engine.model.lm_head import split_model
from app.engine.model.loading import load_base_model
from app.engine.training.checkpoints import last_checkpoint
from app.engine.training.trainer import train
from app.library.run.layout import ADAPTER_FILE

WRONG = "A thing that nobody says."


def starter_facts(count: int) -> list[dict[str, Any]]:
    rows = (starter_dir() / "retention.jsonl").read_text(encoding="utf-8").splitlines()[:count]
    turns = [json.loads(row)["messages"] for row in rows]
    return [{"question": q["content"], "answers": [a["content"].rstrip(".")]} for q, a in turns]


@pytest.fixture
def pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Ten facts that the starter model has learned, and two that it has not."""
    rows = starter_facts(12)
    for row in rows[4:6]:
        row["answers"] = [WRONG]
    text = "".join(json.dumps(row | {"kind": "fact"}) + "\n" for row in rows)
    (tmp_path / "pool.jsonl").write_text(text, encoding="utf-8")
    monkeypatch.setattr(known_questions, "known_questions_file", lambda: tmp_path / "pool.jsonl")
    return rows


@pytest.fixture
def config(tmp_path: Path, pool: list[dict[str, Any]]) -> TrainingConfig:
    return TrainingConfig(
        model=starter_model_dir(), data=starter_dir() / "sample", output=tmp_path / "run",
        steps=2, batch_size=4, rank=4, learning_rate=1e-3, steps_per_eval=10,
        measure_forgetting=True, validation_split=0.0,
    )  # fmt: skip


def plain_answers(rows: list[dict[str, Any]]) -> Iterator[str]:
    """By mlx-lm alone, one question after the other."""
    model, tokenizer = mlx_lm.load(str(starter_model_dir()))[:2]
    for row in rows:
        chat = [{"role": "user", "content": row["question"]}]
        prompt = tokenizer.apply_chat_template(chat, add_generation_prompt=True)
        yield mlx_lm.generate(model, tokenizer, prompt, max_tokens=known_questions.MAX_TOKENS)


def right_ones(questions: Sequence[Question], answers: list[str]) -> list[bool]:
    return [q.is_answered_by(text) for q, text in zip(questions, answers, strict=True)]


def scores(events: list[Any]) -> list[tuple[str, int, int]]:
    found = [event for event in events if isinstance(event, ScoreMeasured)]
    return [(e.when, e.correct, e.total) for e in found if e.name == KNOWN_QUESTIONS]


def test_what_the_base_answers_is_what_mlx_lm_answers_one_by_one(
    pool: list[dict[str, Any]],
) -> None:
    questions = [Question(row["question"], tuple(row["answers"])) for row in pool]
    expected = [q.is_answered_by(a) for q, a in zip(questions, plain_answers(pool), strict=True)]
    assert 0 < sum(expected) < len(pool)
    answers = drain(asking(load_base_model(starter_model_dir()), questions))
    assert right_ones(questions, answers) == expected


def test_the_base_is_asked_without_its_adapter_and_once_for_all_runs(
    config: TrainingConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = load_base_model(config.model)
    fresh = drain(open_known_questions(config, base))
    adapted = load_base_model(config.model)
    add_adapter(adapted.model, config)
    for name, module in adapted.model.named_modules():
        if name.endswith("q_proj"):
            module["lora_b"] = module["lora_b"] + 1.0
    again = []
    real = known_questions.short_answers
    monkeypatch.setattr(
        known_questions, "short_answers", lambda *a: again.append(a) or real(*a)
    )  # fmt: skip
    remembered = drain(open_known_questions(config, adapted))
    assert fresh
    assert remembered
    assert not again
    assert remembered.questions == fresh.questions
    monkeypatch.setattr(known_questions, "_remembered", lambda *_: None)
    asked_anew = drain(open_known_questions(config, adapted))
    assert again
    assert asked_anew
    assert asked_anew.questions == fresh.questions
    assert drain(asked_anew.wrong_answers())


@pytest.mark.parametrize("has_head", [True, False])
def test_a_forward_pass_counts_what_generation_counts(
    config: TrainingConfig, monkeypatch: pytest.MonkeyPatch, has_head: bool
) -> None:
    """On a model that has forgotten some of them, in more than one batch."""
    monkeypatch.setattr(known_questions, "_PASS_ROWS", 3)
    base = load_base_model(config.model)
    add_adapter(base.model, config)
    head = split_model(base.model) if has_head else None
    known = drain(open_known_questions(config, base))
    assert known
    assert all(one.beginning for one in known.known)
    generated: list[int] = []
    real = known_questions.short_answers

    def counted(model: Any, prompts: Any, *rest: Any) -> Any:
        generated.append(len(prompts))
        return real(model, prompts, *rest)

    monkeypatch.setattr(known_questions, "short_answers", counted)
    assert drain(known.wrong_answers(head)) == ()
    assert not generated  # the base's own answers need none
    mx.random.seed(5)
    for name, module in base.model.named_modules():
        if name.endswith(("v_proj", "down_proj")):
            module["lora_b"] = 0.016 * mx.random.normal(module["lora_b"].shape)
    answers = drain(asking(base, known.questions))
    expected = right_ones(known.questions, answers)
    assert 0 < sum(expected) < len(known)
    generated.clear()
    wrong = drain(known.wrong_answers(head))
    lost = [place for place, is_right in enumerate(expected) if not is_right]
    assert [one.question for one in wrong] == [known.questions[place].question for place in lost]
    assert [one.answer for one in wrong] == [single_line(answers[place]) for place in lost]
    assert generated
    assert generated[0] < len(known)


@pytest.mark.parametrize(
    ("text", "is_sure"),
    [("Rome.", True), ("Rome", False), ("Romeo", False), ("Rome\ufffd", False), ("Rome ", True)],
)
def test_an_answer_is_sure_once_a_character_ends_the_words(text: str, is_sure: bool) -> None:
    assert Question("?", ("Rome",)).is_answered_before_the_end_of(text) == is_sure


def test_a_run_asks_before_and_after_and_its_weights_are_the_same_without(
    config: TrainingConfig, tmp_path: Path
) -> None:
    with_them = scores(list(train(config)))
    known = with_them[0][2]
    assert [(when, total) for when, _, total in with_them] == [("before", known), ("after", known)]
    assert with_them[0][1] == known >= 8
    without = replace(config, output=tmp_path / "without", measure_forgetting=False)
    assert not scores(list(train(without)))
    runs = (config.output or Path(), without.output or Path())
    one, two = (mx.load(str(last_checkpoint(run) / ADAPTER_FILE)) for run in runs)
    assert all(mx.array_equal(one[name], two[name]).item() for name in one)


def test_a_base_that_answers_none_is_asked_few_and_the_log_says_so(
    config: TrainingConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    real = known_questions.short_answers

    def counted(model: Any, prompts: Any, *rest: Any) -> Any:
        asked.append(len(prompts))
        return real(model, prompts, *rest)

    monkeypatch.setattr(known_questions, "short_answers", counted)
    monkeypatch.setattr(known_questions, "MIN_QUESTIONS", 2)
    never = [Question(q.question, (WRONG,)) for q in known_questions.shipped_questions()]
    monkeypatch.setattr(known_questions, "shipped_questions", lambda: tuple(never))
    events = list(train(config))
    assert asked == [2]
    notes = [event.text for event in events if isinstance(event, LogMessage)]
    assert "The base model answers none of the shipped questions." in notes


def test_a_stop_while_the_base_is_asked_ends_the_run(config: TrainingConfig) -> None:
    stage = ""

    def should_stop() -> bool:
        return stage.startswith("Asking the base")

    for event in train(config, should_stop=should_stop):
        if isinstance(event, StageChanged):
            stage = event.stage
    assert stage.startswith("Asking the base")
    assert not (config.output or Path()).exists()


@pytest.mark.parametrize(
    ("text", "is_right"),
    [("It is Rome.", True), ("rome", True), ("Romeo", False), ("ROMA", True), ("", False)],
)
def test_an_answer_is_right_if_it_has_the_words(text: str, is_right: bool) -> None:
    assert Question("?", ("Rome", "Roma")).is_answered_by(text) == is_right


def test_the_pool_begins_with_every_kind_and_has_no_question_twice() -> None:
    rows = [
        json.loads(line) for line in known_questions_file().read_text(encoding="utf-8").splitlines()
    ]
    kinds = {row["question"]: row["kind"] for row in rows}
    assert len(kinds) == len(rows) >= 200
    first = known_questions.shipped_questions()[: known_questions.MIN_QUESTIONS]
    assert {kinds[question.question] for question in first} == set(kinds.values())


def test_the_result_says_how_many_are_still_answered() -> None:
    sentence = score_sentence(KNOWN_QUESTIONS, 190, 181, 190)
    assert sentence == "Still answers 181 of 190 known questions."
