"""Questions to begin with come from the validation file, and are never a reason to fail."""

import json
from pathlib import Path

import pytest

from app.core.files.paths import starter_dir
from app.data.inspection.row_previews import MAX_CHARACTERS, sample_prompts


def write(path: Path, rows: list[object]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def pair(question: str) -> dict[str, str]:
    return {"prompt": question, "completion": "Yes."}


def test_the_sample_s_own_validation_questions_are_taken() -> None:
    found = sample_prompts({"data": str(starter_dir() / "sample")})
    assert found[0] == "Which creature waits at home for Taman Meadowwood?"
    assert len(found) == 3


def test_long_repeated_and_unusable_rows_are_passed_over(tmp_path: Path) -> None:
    train = write(tmp_path / "a.jsonl", [pair("A?")])
    long = "x" * (MAX_CHARACTERS + 1)
    rows = [pair(long), pair("B?"), {"prompt": "C?"}, {"text": "plain"}, pair("B?"), pair("D?")]
    valid = write(tmp_path / "b.jsonl", rows)
    assert sample_prompts({"data": str(train), "valid": str(valid)}) == ("B?", "D?")


def test_the_system_prompt_is_no_question(tmp_path: Path) -> None:
    turns = [("system", "Be kind."), ("user", "Who?"), ("assistant", "Me.")]
    row = {"messages": [{"role": role, "content": text} for role, text in turns]}
    train = write(tmp_path / "a.jsonl", [pair("A?")])
    valid = write(tmp_path / "b.jsonl", [row])
    assert sample_prompts({"data": str(train), "valid": str(valid)}) == ("Who?",)


@pytest.mark.parametrize(
    "settings",
    [{}, {"data": None}, {"data": "/nowhere"}, {"data": 3, "valid": 4}, {"columns": "x"}],
)
def test_a_dataset_that_is_gone_has_no_questions(settings: dict[str, object]) -> None:
    assert sample_prompts(settings) == ()


def test_columns_mapped_by_hand_are_followed(tmp_path: Path) -> None:
    train = write(tmp_path / "a.jsonl", [{"q": "A?", "a": "Yes."}])
    valid = write(tmp_path / "b.jsonl", [{"q": "B?", "a": "Yes."}])
    named = {"data": str(train), "valid": str(valid)}
    assert sample_prompts({**named, "columns": "prompt=q,completion=a"}) == ("B?",)
    assert sample_prompts(named) == ()
