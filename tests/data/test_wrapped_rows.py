"""A .json file that is one object with the rows in a list of it."""

import json

import pytest

from app.data.readers.json_stream import _READ_CHARACTERS
from app.data.readers.json_values import LIST_NAMES
from app.data.readers.text import MAX_ROW
from app.data.row_values import CorruptFileError, RowIssue
from app.data.rows.row_validation import read_examples, read_validated_rows
from tests.at_once import inspect

ROWS = [{"text": "a fox"}, {"text": ""}, {"text": "an ox"}]
CHAT = [{"role": "user", "content": "fox?"}, {"role": "assistant", "content": "yes"}]


def written(tmp_path, value, indent=None):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(value, indent=indent))
    return path


@pytest.mark.parametrize("name", [*LIST_NAMES, "Data"])
@pytest.mark.parametrize("indent", [None, 1])
def test_rows_are_read_from_the_list_and_numbered_in_it(tmp_path, name, indent):
    path = written(tmp_path, {"version": "1.0", "of": {"a": [1]}, name: ROWS, "more": []}, indent)
    facts = inspect(path)
    assert (facts.examples, facts.problem_count) == (2, 1)
    place = "row 2 (line 12)" if indent else "row 2"
    assert str(facts.problems[0]) == f"a.json, {place}: text is empty"
    note = f"a.json: is one object; its rows are read from the list {name!r} in it"
    assert [str(warning) for warning in facts.warnings] == [note]
    assert [row.text for row in read_examples(path) if not isinstance(row, RowIssue)] == [
        "a fox", "an ox",
    ]  # fmt: skip


def test_a_list_longer_than_any_row_may_be_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr("app.data.readers.json_stream.MAX_ROW", _READ_CHARACTERS)
    texts = [f"{number} {'word ' * 200}" for number in range(2000)]
    path = written(tmp_path, {"test": ROWS * 9000, "train": [{"text": text} for text in texts]})
    assert path.stat().st_size > 4 * _READ_CHARACTERS
    assert MAX_ROW > _READ_CHARACTERS
    assert [row.text for row in read_examples(path)] == texts


def test_validation_and_test_lists_are_left_alone_and_reported(tmp_path):
    path = written(tmp_path, {"test": ROWS[:1], "train": ROWS[2:], "validation": ROWS[:1]})
    facts = inspect(path)
    assert (facts.examples, facts.problem_count, facts.warning_count) == (1, 0, 3)
    assert "has the list 'test' beside 'train', which is not read" in facts.warnings[1].reason


def test_two_candidate_lists_stop_the_run(tmp_path):
    path = written(tmp_path, {"data": ROWS, "more": ROWS})
    with pytest.raises(CorruptFileError, match="has the list 'more' beside 'data': save the one"):
        list(read_validated_rows(path))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (
            '{"data": [{"text": "a"}]} {"text": "b"}',
            "there is more text after the end of the object",
        ),
        ('{"data": [{"text": "a"}]', "a comma is missing, or the object is not closed"),
        ('{"data": [{"text": "a"}], "data": [{"text": "b"}]}', "the key 'data' comes twice"),
        ('{"data": [{"text": "a"}], }', "there is a comma too many before }"),
    ],
)
def test_a_truncated_object_is_corrupt(tmp_path, content, reason):
    path = tmp_path / "a.json"
    path.write_text(content)
    with pytest.raises(CorruptFileError, match=reason):
        list(read_validated_rows(path))


@pytest.mark.parametrize(
    "row",
    [
        {"messages": CHAT, "data": [{"id": 1}]},
        {"prompt": "a", "completion": "b", "examples": [{"id": 1}]},
        {"text": "a", "items": [{"id": 1}]},
    ],
)
def test_a_row_is_not_taken_for_an_object_with_rows_in_it(tmp_path, row):
    (example,) = read_examples(written(tmp_path, row))
    assert not isinstance(example, RowIssue)


def test_a_list_of_messages_under_such_a_name_is_no_list_of_rows(tmp_path):
    (example,) = read_examples(written(tmp_path, {"data": CHAT}))
    assert list(example.messages) == CHAT
