"""Each part of a chat is in the text that the model sees, or its kind is counted.

The oracle shares nothing with the program: every part has a word of its own, so that a part is in
the trained examples if its word is.
"""

import copy
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.core.progress import drain
from app.data.chat.tokenization import ExampleTokenizer
from app.data.files.dataset_files import find_files
from app.data.row_values import RowIssue, RowLocation
from app.data.rows.row_notes import RowNote
from app.data.rows.row_validation import validate_row
from app.data.tokenizing.token_store import RowSettings
from app.data.tokens.tokenized_examples import TokenizedExample
from app.data.training_set.token_report import statistics_of, tokenize_files
from app.data.training_set.training_data import DataSettings
from tests.at_once import open_data
from tests.data.conftest import build_tokenizer

TEMPLATES = ("qwen3", "llama31", "gemma3", "mistral", "smollm2", "chatml", "deepseek_r1")
KINDS = {
    "words": RowNote.WORDS_LEFT_OUT,
    "thought": RowNote.THOUGHTS_LEFT_OUT,
    "call": RowNote.CALLS_LEFT_OUT,
    "tools": RowNote.TOOLS_LEFT_OUT,
    "key": RowNote.UNUSED_KEY,
    "after": RowNote.NO_REPLY_FOLLOWS,
}
Parts = list[tuple[str, int, str]]
"""Of each part its kind, its turn and its word."""


class Writer:
    """Makes a chat, and notes the word of each of its parts."""

    def __init__(self, draw: Any) -> None:
        self._draw = draw
        self._numbers = count(10)
        self.turns: list[dict[str, Any]] = []
        self.parts: Parts = []

    def word(self, kind: str) -> str:
        word = f"q{next(self._numbers)}z"
        self.parts.append((kind, len(self.turns), word))
        return word

    def some(self, *choices: Any) -> Any:
        return self._draw(st.sampled_from(choices))

    def text(self, kind: str = "words") -> str:
        before, after = self.some("", " ", "\n", "the "), self.some("", "\n", " day", ' "fox"')
        return before + self.word(kind) + after

    def turn(self, role: str, **keys: Any) -> None:
        content = keys.pop("content", None)
        turn = {"role": role, "content": self.text() if content is None else content, **keys}
        if self.some(True, False, False, False):
            turn["mood"] = self.word("key")
        self.turns.append(turn)

    def reply(self, *, calls: int = 0) -> None:
        keys: dict[str, Any] = {}
        thought = self.some("none", "none", "in content", "key")
        if thought == "key":
            keys["reasoning_content"] = self.text("thought")
        content = (
            f"<think>\n{self.text('thought')}\n</think>\n\n" if thought == "in content" else ""
        )
        if not calls or self.some(True, False):
            content += self.text()
        if calls:
            keys["tool_calls"] = [self.call() for _ in range(calls)]
        self.turn("assistant", content=content, **keys)

    def call(self) -> dict[str, Any]:
        value = self.some(3, 2.5, True, "a list")
        value = [self.word("call")] if value == "a list" else value
        arguments = {self.word("call"): value}
        return {"type": "function", "function": {"name": self.word("call"), "arguments": arguments}}


@st.composite
def rows(draw: Any) -> tuple[dict[str, Any], Parts]:
    writer = Writer(draw)
    row: dict[str, Any] = {"messages": writer.turns}
    if writer.some(True, False):
        writer.turn("system")
    if writer.some(True, False, False, False):
        writer.reply()
    for _ in range(writer.some(1, 2, 3)):
        writer.turn("user")
        for _ in range(writer.some(0, 0, 1, 2)):
            writer.reply(calls=1)
            writer.turn("tool")
        writer.reply()
    if writer.some(True, False, False):
        writer.turn("user")
    if writer.some(True, False):
        described = writer.some("", "Looks for it in all places: ") + "q9z"
        function = {"name": "look", "description": described, "parameters": {"type": "object"}}
        row["tools"] = [{"type": "function", "function": function}]
        writer.parts.append(("tools", -1, "q9z"))
    return row, writer.parts


@cache
def tokenizer_of(template: str) -> Any:
    tokenizer = copy.deepcopy(build_tokenizer(template))
    ends = {"gemma3": "<end_of_turn>", "mistral": "</s>", "deepseek_r1": "<|end|>"}
    begins = ["<bos>", "<start_of_turn>", "<s>", "<|tool|>", "<|call|>"]
    tokenizer.add_special_tokens({"additional_special_tokens": [*begins, *ends.values()]})
    tokenizer.eos_token = ends.get(template, tokenizer.eos_token)
    return tokenizer


def made(row: dict[str, Any], template: str, replies: Any) -> list[TokenizedExample] | None:
    """The examples that a row becomes; None if the template refuses it, in a sentence."""
    checked = validate_row(row, RowLocation(1, 1), Path("rows.jsonl"))
    assert isinstance(checked, tuple)
    maker = ExampleTokenizer(tokenizer_of(template), replies != "no mask", replies)
    found = maker.tokenize(checked[0])
    assert maker.tokenize_batch([checked[0]]) == [found]
    if isinstance(found[0], RowIssue):
        assert "template" in found[0].reason
        return None
    return [one for one in found if isinstance(one, TokenizedExample)]


def absent(parts: Parts, turns: Sequence[Any], texts: Sequence[str]) -> Iterator[RowNote]:
    """The kinds of parts whose word no text has."""
    last = max(n for n, turn in enumerate(turns) if turn["role"] == "assistant")
    for kind, turn, word in parts:
        if not any(word in text for text in texts):
            yield KINDS["after" if turn > last else kind]


def refused_opening(row: dict[str, Any], template: str) -> range:
    """The replies that come first, if the template refuses them there."""
    turns = row["messages"]
    start = int(turns[0]["role"] == "system")
    if turns[start]["role"] != "assistant":
        return range(0)
    try:
        tokenizer_of(template).apply_chat_template(turns, tools=row.get("tools"))
    except Exception:  # whatever a template raises
        return range(start, start + 1)
    return range(0)


CHECKED = pytest.mark.parametrize("replies", ["every", "whole-chat", "last"])
CAREFUL: dict[str, Any] = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}


@CHECKED
@pytest.mark.parametrize("template", TEMPLATES)
@settings(max_examples=15, **CAREFUL)
@given(rows())
def test_every_part_of_a_chat_is_seen_or_counted(
    template: str, replies: str, drawn: tuple[dict[str, Any], Parts]
) -> None:
    check_every_part(template, replies, *drawn)


@pytest.mark.slow
@CHECKED
@pytest.mark.parametrize("template", TEMPLATES)
@settings(max_examples=300, **CAREFUL)
@given(rows())
def test_every_part_of_many_chats_is_seen_or_counted(
    template: str, replies: str, drawn: tuple[dict[str, Any], Parts]
) -> None:
    check_every_part(template, replies, *drawn)


def check_every_part(template: str, replies: str, row: dict[str, Any], parts: Parts) -> None:
    examples = made(row, template, replies)
    if examples is None:
        return
    tokenizer = tokenizer_of(template)
    texts = [tokenizer.decode(list(one.tokens)) for one in examples]
    turns, opening = row["messages"], refused_opening(row, template)
    wanted = RowNote.OPENING_LEFT_OUT if opening else RowNote(0)
    if turns[0]["role"] == "assistant" and not opening:
        wanted |= RowNote.OPENING_REPLY
    rest = [part for part in parts if part[1] not in opening]
    for note in absent(rest, turns, texts):
        wanted |= note
    known = RowNote.OPENING_REPLY | RowNote.OPENING_LEFT_OUT
    for note in KINDS.values():
        known |= note
    noted = RowNote(0)
    for one in examples:
        noted |= RowNote(one.notes)
    assert noted & known == wanted


def test_a_row_without_anything_left_out_has_no_note() -> None:
    turns = [{"role": "user", "content": "how?"}, {"role": "assistant", "content": "hello"}]
    for template in TEMPLATES:
        (one,) = made({"messages": turns}, template, "every") or ()
        assert one.notes == 0


def test_short_words_are_not_taken_for_others() -> None:
    turns = [
        {"role": "user", "content": "2+2?"},
        {"role": "assistant", "content": "4 is the answer", "reasoning_content": "4"},
        {"role": "user", "content": "sure?"},
        {"role": "assistant", "content": "<think>yes</think>yes, yes"},
    ]
    (first, *_) = made({"messages": turns}, "deepseek_r1", "every") or ()
    assert first.notes == RowNote.THOUGHTS_LEFT_OUT
    (first, *_) = made({"messages": turns}, "qwen3", "every") or ()
    assert first.notes == 0


@pytest.mark.parametrize("word", ["t", "start", "assistant"])
def test_words_of_the_templates_own_headers_prove_nothing(word: str) -> None:
    asked = {"role": "user", "content": "go?"}
    thought = {"role": "assistant", "content": "fine", "reasoning_content": word}
    (one,) = made({"messages": [asked, thought]}, "chatml", "every") or ()
    assert one.notes == RowNote.THOUGHTS_LEFT_OUT
    inline = {"role": "assistant", "content": f"<think>{word}</think>fine"}
    again = [asked, inline, {"role": "user", "content": "and?"}, inline]
    (one, *_) = made({"messages": again}, "deepseek_r1", "every") or ()
    assert one.notes == RowNote.THOUGHTS_LEFT_OUT
    function = {"name": word, "arguments": {}}
    call = {"role": "assistant", "content": "I look", "tool_calls": [{"function": function}]}
    rest = [{"role": "tool", "content": "7"}, {"role": "assistant", "content": "done"}]
    (one,) = made({"messages": [asked, call, *rest]}, "smollm2", "every") or ()
    assert one.notes == RowNote.CALLS_LEFT_OUT


def test_it_is_counted_by_kind_in_statistics_and_in_the_log(write_rows: Any) -> None:
    asked = {"role": "user", "content": "how?"}
    thought = {"role": "assistant", "content": "good", "reasoning_content": "they ask"}
    path = write_rows(
        {"messages": [asked, thought]},
        {"messages": [asked, thought, {"role": "user", "content": "bye"}]},
        {"messages": [asked, {"role": "assistant", "content": "well"}]},
    )
    files, tokenizer = find_files(path), tokenizer_of("chatml")
    made = drain(tokenize_files(files, tokenizer, RowSettings(True), 1000))
    (statistics,) = statistics_of([made], 0, 0)
    wanted = {"thoughts left out": 2, "no reply follows": 1}
    assert statistics.noted_counts == made.problems.counts() == wanted
    assert [str(one) for one in statistics.noted] == [
        "train.jsonl, line 1: has thoughts that the model's chat template leaves out",
        "train.jsonl, line 2: has thoughts that the model's chat template leaves out",
        "train.jsonl, line 2: has messages after the last trained reply, which are left out",
    ]
    data = open_data(files, tokenizer, DataSettings(RowSettings(mask_prompt=True), 1000, 1))
    assert data.notes == (
        "2 rows have thoughts that the model's chat template leaves out.",
        "1 row has messages after the last trained reply, which are left out.",
    )
