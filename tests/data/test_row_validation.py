"""Which rows are examples, and the sentence for each that is not."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.column_mapping import ColumnMapping
from app.data.row_values import ChatExample, RowIssue, RowLocation, TextExample
from app.data.rows.row_validation import validate_row

PATH = Path("train.jsonl")


FIRST = RowLocation(1)


def example_of(row, place=FIRST):
    """The example alone, of a row that is one."""
    found = validate_row(row, place, PATH)
    assert not isinstance(found, RowIssue), found
    return found[0]


USER = {"role": "user", "content": "fox?"}
REPLY = {"role": "assistant", "content": "yes"}
CALL = {"type": "function", "function": {"name": "look", "arguments": "{}"}}


def chat(*messages, **more):
    return {"messages": list(messages), **more}


BAD_ROWS = [
    (None, "is null, not an object in curly brackets"),
    (True, "is true or false, not an object in curly brackets"),
    (3.5, "is a number, not an object in curly brackets"),
    ("text", "is text, not an object in curly brackets"),
    ([USER, "yes"], "is a list, not an object in curly brackets"),
    ([], "is a list, not an object in curly brackets"),
    (
        [{"text": "a"}, {"text": "b"}],
        "is a list of 2 objects, where each row must be one object: write one per line, or name "
        "the file .json if it is a single list",
    ),
    (
        USER,
        'is one turn of a chat: all turns of a chat must be in one row, as {"messages": [ … ]}',
    ),
    (
        {"version": 1, "items": [{"text": "a"}]},
        "is one object with a list of 1 object, 'items': if these are the rows, save the list "
        "alone as .json",
    ),
    (
        {"train": [{"text": "a"}], "test": [{"text": "a"}]},
        "is one object with several lists of objects (train, test): save each as its own "
        ".json file",
    ),
    ({}, "is an empty object"),
    ({"Texts": "a"}, "needs messages, prompt and completion, or text; found Texts"),
    (
        {"conversation_id": [], "id": 1},
        "needs messages, prompt and completion, or text; found conversation_id, id",
    ),
    (
        dict.fromkeys("abcdefgh"),
        "needs messages, prompt and completion, or text; found a, b, c, d, e, f, …",
    ),
    ({"prompt": "a"}, "has a prompt but no completion"),
    ({"completion": "a", "id": 7}, "has a completion but no prompt"),
    ({"text": ""}, "text is empty"),
    ({"text": " \n\t"}, "text is empty"),
    ({"text": None}, "text is null, not text"),
    ({"text": 5}, "text is a number, not text"),
    ({"text": ["a"]}, "text is a list, not text"),
    ({"text": {"a": 1}}, "text is an object, not text"),
    ({"prompt": "", "completion": "b"}, "prompt is empty"),
    ({"prompt": "a", "completion": ""}, "completion is empty"),
    ({"prompt": "a", "completion": None}, "completion is null, not text"),
    ({"prompt": ["fox?"], "completion": "yes"}, "prompt is a list, not text"),
    (
        {"prompt": [USER], "completion": [USER]},
        "completion has no assistant turn, so there is nothing to learn",
    ),
    ({"prompt": "a", "completion": False}, "completion is true or false, not text"),
    ({"prompt": "a", "completion": "b", "tools": "c"}, "tools is text, not a list"),
    (chat(), "messages is an empty list"),
    ({"messages": None}, "messages is null, not a list"),
    ({"messages": "hello"}, "messages is text, not a list"),
    ({"messages": USER}, "messages is an object, not a list"),
    (chat("hello", REPLY), "message 1 is text, not an object"),
    (chat(USER, None), "message 2 is null, not an object"),
    (chat(USER), "has no assistant turn, so there is nothing to learn"),
    (chat({"content": "a"}, REPLY), "message 1 has no role"),
    (
        chat({"role": "human", "content": "a"}, REPLY),
        "message 1 has an unknown role, 'human'; call it 'user'",
    ),
    (
        chat(USER, {"role": "ipython", "content": "a"}, REPLY),
        "message 2 has an unknown role, 'ipython'; call it 'tool'",
    ),
    (
        chat({"role": "Developer", "content": "a"}, USER, REPLY),
        "message 1 has an unknown role, 'Developer'; call it 'system'",
    ),
    (
        chat(USER, {"role": "gpt", "content": "a"}),
        "message 2 has an unknown role, 'gpt'; call it 'assistant'",
    ),
    (
        chat(USER, {"role": "Assistant", "content": "a"}),
        "message 2 has an unknown role, 'Assistant'; call it 'assistant'",
    ),
    (
        chat(USER, {"role": "narrator", "content": "a"}),
        "message 2 has an unknown role, 'narrator'; roles are system, user, assistant, tool",
    ),
    (
        chat({"role": None, "content": "a"}, REPLY),
        "message 1 has an unknown role, null; roles are system, user, assistant, tool",
    ),
    (
        chat({"role": ["user"], "content": "a"}, REPLY),
        "message 1 has an unknown role, a list; roles are system, user, assistant, tool",
    ),
    (chat({"role": "user"}, REPLY), "message 1 (user) has no content"),
    (chat(USER, {"role": "assistant"}), "message 2 (assistant) has no content"),
    (
        chat(USER, {"role": "assistant", "content": None}),
        "message 2 (assistant) has content that is null, not text",
    ),
    (
        chat({"role": "user", "content": None}, REPLY),
        "message 1 (user) has content that is null, not text",
    ),
    (
        chat(USER, {"role": "assistant", "content": ""}),
        "message 2 (assistant) has content that is empty",
    ),
    (
        chat({"role": "user", "content": 4}, REPLY),
        "message 1 (user) has content that is a number, not text",
    ),
    (
        chat({"role": "user", "content": [{"type": "file", "file": {}}]}, REPLY),
        "message 1 (user) has content whose part 1 is of type 'file'; only text can be trained",
    ),
    (
        chat(USER, {"role": "assistant", "content": None, "tool_calls": []}),
        "message 2 (assistant) has content that is null, not text",
    ),
    (
        chat(USER, {"role": "assistant", "content": None, "tool_calls": CALL}),
        "message 2 (assistant) has tool_calls that are an object, not a list",
    ),
    (
        chat(USER, {"role": "assistant", "content": None, "tool_calls": ["look"]}),
        "message 2 (assistant) has a tool call without a function name",
    ),
    (
        chat(USER, {"role": "assistant", "content": None, "tool_calls": [{"function": {}}]}),
        "message 2 (assistant) has a tool call without a function name",
    ),
    (
        chat({**USER, "tool_calls": [CALL]}, REPLY),
        "message 1 (user) has tool_calls, which only an assistant turn can have",
    ),
    (chat(USER, REPLY, tools={"name": "look"}), "tools is an object, not a list"),
    (chat(USER, REPLY, tools=["look"]), "tool 1 is text, not an object"),
]


@pytest.mark.parametrize(("row", "reason"), BAD_ROWS)
def test_a_bad_row_is_named_with_its_reason(row, reason):
    found = validate_row(row, RowLocation(7), PATH)
    assert isinstance(found, RowIssue)
    assert (found.path, found.place.line, found.reason) == (PATH, 7, reason)
    assert found.kind != "other"


def test_a_chat_is_kept_as_it_is():
    named = {**USER, "name": "Ann"}
    assert example_of(chat(named, REPLY, id=3), RowLocation(2)) == ChatExample(
        (named, REPLY), None, RowLocation(2)
    )


def test_prompt_and_completion_become_a_chat_of_two_turns():
    row = {"prompt": "fox?", "completion": "yes"}
    assert example_of(row, RowLocation(1)) == ChatExample((USER, REPLY), None, RowLocation(1))


def test_text_is_kept_with_its_white_space():
    assert example_of({"text": " a\n"}, RowLocation(1)) == TextExample(" a\n", RowLocation(1))


@pytest.mark.parametrize("content", [{"content": None}, {"content": ""}, {}])
def test_a_tool_call_may_come_without_content_and_never_trains_the_word_none(content):
    turn = {"role": "assistant", "tool_calls": [CALL], **content}
    example = example_of(chat(USER, turn))
    assert example.messages[1] == {"role": "assistant", "tool_calls": [CALL], "content": ""}


def test_tools_are_kept_and_an_empty_list_of_them_is_none():
    tool = {"type": "function", "function": {"name": "look"}}
    assert example_of(chat(USER, REPLY, tools=[tool])).tools == (tool,)
    assert example_of(chat(USER, REPLY, tools=[])).tools is None


def test_a_row_in_two_formats_is_read_as_mlx_lm_reads_it():
    row = {"prompt": "fox?", "completion": "yes", "messages": [], "text": "a"}
    assert example_of(row, RowLocation(1)) == ChatExample((USER, REPLY), None, RowLocation(1))
    assert example_of({**chat(USER, REPLY), "text": "a"}, RowLocation(1)) == ChatExample(
        (USER, REPLY), None, RowLocation(1)
    )


@pytest.mark.parametrize(
    ("row", "name"),
    [
        (chat(USER, REPLY), "chat"),
        (chat(USER, REPLY, tools=[{}]), "tools"),
        (chat(USER, {"role": "tool", "content": "a"}, REPLY), "tools"),
        ({"prompt": "a", "completion": "b"}, "prompt and completion"),
        ({"text": "a"}, "text"),
    ],
)
def test_a_format_is_detected_by_its_keys(row, name):
    found = validate_row(row, RowLocation(1), PATH)
    assert not isinstance(found, RowIssue)
    assert found[1] == name


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "messages",
                    "role",
                    "content",
                    "tools",
                    "tool_calls",
                    "prompt",
                    "completion",
                    "text",
                    "type",
                    "conversations",
                    "from",
                    "value",
                    "system",
                    "function_call",
                    "functions",
                    "label",
                    "chosen",
                    "rejected",
                    "weight",
                    "train",
                    "dialogue",
                ]
            ),
            inner | st.sampled_from(["user", "assistant", "system", "gpt", "text", "a"]),
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(row=VALUES)
def test_every_row_is_an_example_or_named_and_no_example_is_empty(row):
    found = validate_row(row, RowLocation(1), PATH)
    match found:
        case RowIssue():
            assert found.reason
        case TextExample(), _:
            assert found[0].text.strip()
        case ChatExample(), _:
            assert any(message["role"] == "assistant" for message in found[0].messages)
            for message in found[0].messages:
                assert isinstance(message["content"], str)
                assert message["content"].strip() or message["tool_calls"]


def test_a_bare_list_of_messages_is_a_chat():
    assert example_of([USER, REPLY]) == ChatExample((USER, REPLY), None, FIRST)
    turns = [{"from": "human", "value": "fox?"}, {"from": "gpt", "value": "yes"}]
    assert example_of(turns) == ChatExample((USER, REPLY), None, FIRST)
    mapped = validate_row([USER, REPLY], FIRST, PATH, ColumnMapping(text="body"))
    assert isinstance(mapped, RowIssue)
