"""A system column is the first system turn, an empty one is none, and there are never two."""

from pathlib import Path

import pytest

from app.core.column_mapping import ColumnMapping
from app.data.row_values import RowIssue, RowLocation
from app.data.rows.row_validation import validate_row

PATH = Path("train.jsonl")
SYSTEM = {"role": "system", "content": "Answer like a pirate."}
USER = {"role": "user", "content": "Where is the key?"}
REPLY = {"role": "assistant", "content": "Under the mat, arr."}
HUMAN, GPT = {"from": "human", "value": USER["content"]}, {"from": "gpt", "value": REPLY["content"]}
WORDS = SYSTEM["content"]


def messages_of(row, columns=None):
    found = validate_row(row, RowLocation(1), PATH, columns)
    assert not isinstance(found, RowIssue), found
    return list(found[0].messages)


@pytest.mark.parametrize("name", ["system", "system_prompt", "System"])
@pytest.mark.parametrize(
    "chat",
    [
        {"messages": [USER, REPLY]},
        {"conversations": [HUMAN, GPT]},
        {"conversations": [USER, REPLY]},
        {"messages": [SYSTEM, USER, REPLY]},
        {"conversations": [{"from": "system", "value": f"{WORDS}\n"}, HUMAN, GPT]},
    ],
)
def test_a_system_column_and_an_equal_turn_are_one_first_turn(name, chat):
    if name == "System":
        chat = {key.title(): value for key, value in chat.items()}
    first, *rest = messages_of({name: WORDS, **chat})
    assert (first["role"], first["content"].strip()) == ("system", WORDS)
    assert rest == [USER, REPLY]


@pytest.mark.parametrize("turns", [[USER, REPLY], [HUMAN, GPT], [SYSTEM, USER, REPLY]])
def test_a_mapped_system_column_is_the_first_turn_of_a_mapped_chat(turns):
    columns = ColumnMapping(messages="m", system="s")
    assert messages_of({"m": turns, "s": WORDS}, columns) == [SYSTEM, USER, REPLY]


EMPTY = ["", None, " \n", [], [{"type": "text", "text": ""}]]


@pytest.mark.parametrize("content", [{}, *({"content": empty} for empty in EMPTY)])
@pytest.mark.parametrize("column", [{}, {"system": ""}, {"system": None}, {"system": WORDS}])
def test_an_empty_system_turn_is_none(content, column):
    turns = [{"role": "system", **content}, USER, REPLY]
    left = messages_of({"messages": turns, **column})
    assert left == ([SYSTEM] if column.get("system") else []) + [USER, REPLY]


def test_an_empty_system_turn_of_sharegpt_is_none():
    row = {"conversations": [{"from": "system", "value": ""}, HUMAN, GPT]}
    assert messages_of(row) == [USER, REPLY]


@pytest.mark.parametrize(
    "row",
    [
        {"messages": [SYSTEM, USER, REPLY]},
        {"conversations": [{"from": "system", "value": WORDS}, HUMAN, GPT]},
        {"messages": [USER, SYSTEM, REPLY]},
    ],
)
def test_other_words_in_column_and_turn_are_named(row):
    found = validate_row({"system": "Be kind.", **row}, RowLocation(1), PATH)
    assert isinstance(found, RowIssue)
    assert "a system column ('Be kind.')" in found.reason
    assert "'Answer like a pirate.'" in found.reason


def test_a_message_is_named_by_its_number_in_the_row():
    turns = [{"role": "system", "content": ""}, {"role": "user", "content": ""}, REPLY]
    found = validate_row({"system": WORDS, "messages": turns}, RowLocation(1), PATH)
    assert found.reason == "message 2 (user) has content that is empty"
