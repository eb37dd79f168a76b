"""The starter model and its data, as shipped: size, origin, template, and what it knows."""

import importlib
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from app.engine.runtime.mlx_runtime import import_mlx_lm

STARTER = Path(__file__).parents[1] / "resources" / "starter"
MAKE = STARTER / "make"
DATA = (
    "sample/train.jsonl",
    "sample/valid.jsonl",
    "sample/new_facts.jsonl",
    "retention.jsonl",
    "rehearsal.jsonl",
)
Chat = list[dict[str, str]]


def chats(name: str) -> list[Chat]:
    lines = (STARTER / name).read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["messages"] for line in lines]


def asked(name: str) -> set[str]:
    """The user's messages in any row of the file."""
    return {m["content"] for chat in chats(name) for m in chat if m["role"] == "user"}


@pytest.fixture
def score(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script that counts right answers, imported after MLX came through its gateway."""
    monkeypatch.syspath_prepend(str(MAKE))
    return importlib.import_module("score")


@pytest.fixture(scope="module")
def starter() -> tuple[Any, Any]:
    """The shipped model and its tokenizer."""
    loaded = import_mlx_lm().load(str(STARTER / "model"))
    return loaded[0], loaded[1]


def test_the_model_folder_stays_within_12_mb() -> None:
    files = [path for path in (STARTER / "model").rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 12_000_000


def test_the_data_files_come_out_of_their_script_byte_for_byte(tmp_path: Path) -> None:
    script = MAKE / "make_data.py"
    subprocess.run(
        [sys.executable, "-B", str(script), str(tmp_path)], check=True, capture_output=True
    )
    for name in DATA:
        assert (tmp_path / name).read_bytes() == (STARTER / name).read_bytes(), name


def test_every_row_is_a_chat_that_ends_with_an_answer() -> None:
    for name in DATA:
        for chat in chats(name):
            assert chat[-1]["role"] == "assistant"
            assert all(message["content"].strip() for message in chat)


def test_no_question_stands_in_the_training_rows() -> None:
    train = asked("sample/train.jsonl")
    assert not train & asked("sample/new_facts.jsonl")
    assert not train & asked("sample/valid.jsonl")
    assert not asked("sample/valid.jsonl") & asked("sample/new_facts.jsonl")


def test_every_question_asks_for_something_the_training_rows_tell() -> None:
    replies = {chat[-1]["content"] for chat in chats("sample/train.jsonl")}
    assert {chat[-1]["content"] for chat in chats("sample/new_facts.jsonl")} <= replies


def test_rehearsal_and_retention_ask_about_different_facts() -> None:
    assert not asked("rehearsal.jsonl") & asked("retention.jsonl")


@pytest.mark.parametrize("system", ["", "Answer briefly."])
def test_the_prompt_is_a_token_prefix_of_the_whole_chat(
    starter: tuple[Any, Any], system: str
) -> None:
    tokenizer = starter[1]
    opening = [{"role": "system", "content": system}] if system else []
    for chat in chats("sample/train.jsonl") + chats("retention.jsonl"):
        messages = opening + chat
        whole = tokenizer.apply_chat_template(messages, tokenize=True, return_dict=False)
        for end, message in enumerate(messages):
            if message["role"] == "assistant":
                prompt = tokenizer.apply_chat_template(
                    messages[:end], tokenize=True, return_dict=False, add_generation_prompt=True
                )
                assert list(whole[: len(prompt)]) == list(prompt)


def test_the_starter_knows_its_old_world(starter: tuple[Any, Any], score: ModuleType) -> None:
    results = score.right(*starter, chats("retention.jsonl"))
    assert len(results) >= 60
    assert sum(results) >= 0.97 * len(results)


def test_the_starter_has_not_heard_the_news(starter: tuple[Any, Any], score: ModuleType) -> None:
    results = score.right(*starter, chats("sample/new_facts.jsonl"))
    assert len(results) >= 24
    assert sum(results) <= 0.1 * len(results)
