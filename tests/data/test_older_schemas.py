"""Roles, calls and prompts as other tools and older files write them, as the chats they mean."""

import csv
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from app.core.column_mapping import ColumnMapping
from app.data.row_values import RowIssue, RowLocation
from app.data.rows.row_validation import read_validated_rows, validate_row
from tests.at_once import inspect

PATH = Path("train.jsonl")
SYSTEM = {"role": "system", "content": "Be brief."}
USER = {"role": "user", "content": "fox?"}
REPLY = {"role": "assistant", "content": "yes"}
HUMAN, GPT = {"from": "human", "value": "fox?"}, {"from": "gpt", "value": "yes"}
FUNCTION = {"name": "look", "arguments": '{"at": 1}'}
CALLED = {"role": "assistant", "content": "",
          "tool_calls": [{"type": "function", "function": FUNCTION}]}  # fmt: skip
RESULT = {"role": "tool", "content": "a fox"}


def example_of(row, columns=None):
    found = validate_row(row, RowLocation(1), PATH, columns)
    assert not isinstance(found, RowIssue), found
    return found[0]


def call(**turn):
    return {"from": "function_call", "value": json.dumps(turn)}


CHATS = [
    ({"messages": [{**SYSTEM, "role": "developer"}, USER, REPLY]}, [SYSTEM, USER, REPLY]),
    ({"messages": [{"role": "developer", "content": ""}, USER, REPLY]}, [USER, REPLY]),
    (
        {"messages": [USER, {**REPLY, "content": None, "function_call": FUNCTION},
                      {"role": "function", "name": "look", "content": "a fox"}, REPLY]},
        [USER, CALLED, {**RESULT, "name": "look"}, REPLY],
    ),
    (
        {"messages": [USER, {**CALLED, "tool_calls": json.dumps(CALLED["tool_calls"])}, RESULT,
                      REPLY]},
        [USER, CALLED, RESULT, REPLY],
    ),
    (
        {"conversations": [HUMAN, call(name="look", arguments='{"at": 1}'),
                           {"from": "observation", "value": "a fox"}, GPT]},
        [USER, CALLED, RESULT, REPLY],
    ),
    ({"prompt": [USER], "completion": [REPLY]}, [USER, REPLY]),
    ({"prompt": [SYSTEM, USER], "completion": [REPLY]}, [SYSTEM, USER, REPLY]),
    ({"prompt": [USER], "completion": "yes"}, [USER, REPLY]),
    ({"prompt": "fox?", "completion": [REPLY]}, [USER, REPLY]),
    ({"prompt": [HUMAN], "completion": [GPT], "system": "Be brief."}, [SYSTEM, USER, REPLY]),
    ({"dialogue": [USER, REPLY]}, [USER, REPLY]),
    ({"id": 3, "Turns": [HUMAN, GPT], "system": "Be brief."}, [SYSTEM, USER, REPLY]),
    ({"conversations": json.dumps([HUMAN, GPT])}, [USER, REPLY]),
    ({"messages": json.dumps([HUMAN, GPT]), "system": "Be brief."}, [SYSTEM, USER, REPLY]),
    ({"dialogue": json.dumps([HUMAN, GPT])}, [USER, REPLY]),
]  # fmt: skip


@pytest.mark.parametrize(("row", "messages"), CHATS)
def test_an_older_shape_is_the_chat_it_means(row, messages):
    assert list(example_of(row).messages) == messages


def test_several_calls_in_one_turn_of_sharegpt_stay_together():
    turn = {"from": "function_call", "value": json.dumps([FUNCTION, {"function": FUNCTION}])}
    example = example_of({"conversations": [HUMAN, turn, GPT]})
    calls = example.messages[1]["tool_calls"]
    assert [one["function"]["name"] for one in calls] == ["look", "look"]


@pytest.mark.parametrize("functions", [[{"name": "look"}], '[{"name": "look"}]'])
def test_older_functions_are_tools(functions):
    example = example_of({"messages": [USER, REPLY], "functions": functions})
    assert example.tools == ({"type": "function", "function": {"name": "look"}},)
    assert example_of({"messages": [USER, REPLY], "functions": []}).tools is None


@pytest.mark.parametrize(
    ("turn", "reason"),
    [
        ({**REPLY, "function_call": {"a": 1}}, "a function_call without a function name"),
        ({**REPLY, "function_call": "look"}, "a function_call without a function name"),
        ({**CALLED, "function_call": FUNCTION},
         "a function_call beside its tool_calls; keep one of them"),
    ],
)  # fmt: skip
def test_a_call_that_can_not_be_read_is_named(turn, reason):
    found = validate_row({"messages": [USER, turn]}, RowLocation(1), PATH)
    assert found.reason == f"message 2 (assistant) has {reason}"


def test_a_reply_in_a_prompt_is_read_and_not_trained_and_that_is_counted(write_rows):
    turns = [USER, {"role": "assistant", "content": "no"}, USER]
    row = {"prompt": turns, "completion": [REPLY]}
    assert example_of(row).untrained == (1,)
    marked = [USER, {"role": "assistant", "content": "no", "weight": 1}, USER]
    assert example_of({"prompt": marked, "completion": [REPLY]}).untrained == ()
    facts = inspect(write_rows(row))
    assert facts.counts == {"not trained": 1}
    reason = "has replies in its prompt, which are context only and not trained"
    assert facts.warnings[0].reason == reason


def test_mapped_columns_may_hold_turns():
    columns = ColumnMapping(prompt="q", completion="a", system="s")
    row = {"q": [USER], "a": [REPLY], "s": "Be brief."}
    assert list(example_of(row, columns).messages) == [SYSTEM, USER, REPLY]


def test_a_row_with_two_chats_under_other_names_is_named():
    found = validate_row({"one": [USER, REPLY], "two": [HUMAN, GPT]}, RowLocation(1), PATH)
    assert found.reason == "has several chats (one, two): map one of them to messages"


def test_a_chat_beside_a_part_of_another_shape_is_no_whole_row():
    found = validate_row({"turns": [USER, REPLY], "response": "no"}, RowLocation(1), PATH)
    assert isinstance(found, RowIssue)


def test_sharegpt_stands_in_the_cells_of_tables(tmp_path):
    cell = json.dumps([HUMAN, GPT])
    table, parquet = tmp_path / "train.csv", tmp_path / "train.parquet"
    with table.open("w", newline="") as file:
        csv.writer(file).writerows([["conversations"], [cell]])
    pq.write_table(pa.table({"conversations": [cell]}), parquet)
    for path in (table, parquet):
        ((example, form),) = read_validated_rows(path)
        assert (list(example.messages), form) == ([USER, REPLY], "ShareGPT")
