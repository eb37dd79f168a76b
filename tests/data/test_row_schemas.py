"""Rows in every shape people keep them in, as the examples they mean."""

import json
from pathlib import Path

import pytest

from app.core.column_mapping import ColumnMapping
from app.data.row_values import ChatExample, RowIssue, RowLocation, TextExample
from app.data.rows.row_validation import validate_row

PATH = Path("train.jsonl")
SYSTEM = {"role": "system", "content": "Be brief."}
USER = {"role": "user", "content": "fox?"}
REPLY = {"role": "assistant", "content": "yes"}
HUMAN, GPT = {"from": "human", "value": "fox?"}, {"from": "gpt", "value": "yes"}
TOOL = {"type": "function", "function": {"name": "look"}}

CHATS = [
    ({"conversations": [HUMAN, GPT]}, "ShareGPT", [USER, REPLY]),
    ({"conversation": [HUMAN, GPT]}, "ShareGPT", [USER, REPLY]),
    ({"messages": [HUMAN, GPT]}, "ShareGPT", [USER, REPLY]),
    ({"conversations": [USER, REPLY]}, "chat", [USER, REPLY]),
    (
        {"conversations": [{"from": "system", "value": "Be brief."}, HUMAN, GPT]},
        "ShareGPT",
        [SYSTEM, USER, REPLY],
    ),
    ({"conversations": [HUMAN, GPT], "system": "Be brief."}, "ShareGPT", [SYSTEM, USER, REPLY]),
    (
        {"conversations": [{"from": "USER", "value": "fox?"}, {"from": "model", "value": "yes"}]},
        "ShareGPT",
        [USER, REPLY],
    ),
    (
        {"conversations": [HUMAN, {"from": "observation", "value": "42"}, GPT]},
        "ShareGPT",
        [USER, {"role": "tool", "content": "42"}, REPLY],
    ),
    ({"instruction": "fox?", "output": "yes"}, "Alpaca", [USER, REPLY]),
    ({"instruction": "fox?", "input": "", "output": "yes"}, "Alpaca", [USER, REPLY]),
    ({"instruction": "fox?", "input": None, "output": "yes"}, "Alpaca", [USER, REPLY]),
    (
        {"instruction": "fox?", "input": "a box", "output": "yes"},
        "Alpaca",
        [{"role": "user", "content": "fox?\n\na box"}, REPLY],
    ),
    (
        {"instruction": "fox?", "context": "a box", "response": "yes", "category": "qa"},
        "Alpaca",
        [{"role": "user", "content": "fox?\n\na box"}, REPLY],
    ),
    ({"instruction": "fox?", "output": "yes", "text": "### fox?"}, "Alpaca", [USER, REPLY]),
    (
        {"instruction": "fox?", "output": "yes", "system": "Be brief."},
        "Alpaca",
        [SYSTEM, USER, REPLY],
    ),
    (
        {"instruction": "fox?", "output": "yes", "history": [["a", "b"]]},
        "Alpaca",
        [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, USER, REPLY],
    ),
    ({"question": "fox?", "answer": "yes"}, "question and answer", [USER, REPLY]),
    ({"question": "fox?", "response": "yes", "id": 4}, "question and answer", [USER, REPLY]),
    ({"Question": "fox?", " Answer ": "yes"}, "question and answer", [USER, REPLY]),
    ({"prompt": "fox?", "response": "yes"}, "prompt and completion", [USER, REPLY]),
    ({"query": "fox?", "answer": "yes"}, "prompt and completion", [USER, REPLY]),
    ({"input": "fox?", "output": "yes"}, "prompt and completion", [USER, REPLY]),
    ({"input": "fox?", "target": "yes"}, "prompt and completion", [USER, REPLY]),
    ({"problem": "fox?", "solution": "yes"}, "prompt and completion", [USER, REPLY]),
    ({"user": "fox?", "assistant": "yes"}, "prompt and completion", [USER, REPLY]),
    (
        {"prompt": "fox?", "completion": "yes", "system": "Be brief."},
        "prompt and completion",
        [SYSTEM, USER, REPLY],
    ),
    (
        {"prompt": "fox?", "completion": "yes", "answer": "no"},
        "prompt and completion",
        [USER, REPLY],
    ),
    ({"messages": json.dumps([USER, REPLY])}, "chat", [USER, REPLY]),
]  # fmt: skip


@pytest.mark.parametrize(("row", "form", "messages"), CHATS)
def test_a_schema_is_detected_by_its_keys(row, form, messages):
    found = validate_row(row, RowLocation(3), PATH)
    assert not isinstance(found, RowIssue), found
    assert (list(found[0].messages), found[1], found[0].place.line) == (messages, form, 3)


@pytest.mark.parametrize("tools", [[TOOL], json.dumps([TOOL]), [json.dumps(TOOL)]])
@pytest.mark.parametrize(
    "row",
    [
        {"messages": [USER, REPLY]},
        {"conversations": [HUMAN, GPT]},
        {"prompt": "fox?", "completion": "yes"},
    ],
)
def test_tools_come_with_any_chat_as_a_list_or_as_json(row, tools):
    found = validate_row({**row, "tools": tools}, RowLocation(1), PATH)
    assert found[0].tools == (TOOL,)


@pytest.mark.parametrize("tools", [None, [], "", "[]", "null"])
def test_no_tools_are_none(tools):
    assert (
        validate_row({"messages": [USER, REPLY], "tools": tools}, RowLocation(1), PATH)[0].tools
        is None
    )


ROW = {"q": "fox?", "a": "yes", "s": "Be brief.", "t": [TOOL], "m": [HUMAN, GPT], "text": "no"}


@pytest.mark.parametrize(
    ("columns", "messages"),
    [
        (ColumnMapping(prompt="q", completion="a"), [USER, REPLY]),
        (ColumnMapping(prompt="q", completion="a", system="s"), [SYSTEM, USER, REPLY]),
        (ColumnMapping(prompt="q", completion="a", system="absent"), [USER, REPLY]),
        (ColumnMapping(messages="m"), [USER, REPLY]),
        (ColumnMapping(messages="m", system="s", tools="t"), [SYSTEM, USER, REPLY]),
    ],
)
def test_mapped_columns_decide_alone(columns, messages):
    found = validate_row(ROW, RowLocation(1), PATH, columns)
    assert list(found[0].messages) == messages
    assert (found[0].tools is not None) == (columns.tools is not None)


def test_a_mapped_text_is_text():
    found = validate_row(
        {"body": "fox", "prompt": "a", "completion": "b"},
        RowLocation(1),
        PATH,
        ColumnMapping(text="body"),
    )
    assert found == (TextExample("fox", RowLocation(1)), "text")


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        (ColumnMapping(text="absent"), "has no column 'absent', which is mapped to text"),
        (ColumnMapping(text="t"), "t is a list, not text"),
        (
            ColumnMapping(prompt="q", completion="x"),
            "has no column 'x', which is mapped to completion",
        ),
        (ColumnMapping(prompt="t", completion="a"), "t is a list, not text"),
        (ColumnMapping(messages="q"), "messages is text, not a list"),
    ],
)
def test_a_row_without_the_mapped_columns_is_named(columns, reason):
    assert validate_row(ROW, RowLocation(1), PATH, columns).reason == reason


@pytest.mark.parametrize(
    ("row", "unread"),
    [
        ({"prompt": "a?", "completion": "b", "context": "c", "cot": "d"}, ["context", "cot"]),
        ({"question": "a?", "answer": "b", "context": "c"}, []),
        ({"messages": [USER, REPLY], "images": ["a.png"], "text": "a"}, ["images"]),
        ({"messages": [USER, REPLY], "images": [], "reasoning": " "}, []),
        ({"prompt": "a?", "completion": "b", "messages": [USER, REPLY]}, ["messages"]),
        ({"conversations": [HUMAN, GPT], "conversation": [HUMAN, GPT]}, ["conversation"]),
        ({"dialog": [USER, REPLY], "thinking": "c"}, ["thinking"]),
    ],
)
def test_a_column_with_a_part_of_the_conversation_that_is_not_read_is_noted(
    row: dict[str, object], unread: list[str]
) -> None:
    found = validate_row(row, RowLocation(line=1), PATH)
    assert not isinstance(found, RowIssue)
    example, _ = found
    assert isinstance(example, ChatExample)
    reasons = [f"has {name} as a column, which is not read" for name in unread]
    assert [reason for kind, reason in example.notes if kind == "column not read"] == reasons


def test_a_mapped_column_is_read() -> None:
    row = {"context": "a?", "reasoning": "b"}
    columns = ColumnMapping(prompt="context", completion="reasoning")
    found = validate_row(row, RowLocation(line=1), PATH, columns)
    assert not isinstance(found, RowIssue)
    example, _ = found
    assert isinstance(example, ChatExample)
    assert not example.notes
