"""Rows that say the same are found, in one file and between two, whatever their number."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.data.inspection.duplicates import SeenRows
from app.data.row_values import ChatExample, RowLocation, TextExample
from tests.at_once import inspect


def seen(path, *texts):
    found = SeenRows(path)
    for line, text in enumerate(texts, start=1):
        found.add(TextExample(text, RowLocation(line)))
    return found


def summaries(problems):
    return [(problem.place.line, problem.reason, problem.kind) for problem in problems]


def test_a_repeated_row_is_named_with_the_first(tmp_path):
    rows = seen(tmp_path / "a.jsonl", "a", "b", "a", "c", "a")
    assert summaries(rows.duplicates()) == [
        (3, "is the same as line 1", "duplicate"),
        (5, "is the same as line 1", "duplicate"),
    ]


def test_case_and_white_space_make_no_difference(tmp_path):
    rows = seen(tmp_path / "a.jsonl", "The fox.", "the  FOX.\n", "The ox.")
    reason = "is the same as line 1, except for case and white space"
    assert summaries(rows.duplicates()) == [(2, reason, "duplicate")]


def test_rows_of_a_list_are_named_by_their_numbers_and_where_they_begin(tmp_path):
    rows = SeenRows(tmp_path / "train-0.json", tmp_path / "train-1.json")
    rows.add(TextExample("a", RowLocation(line=1, row=1)))
    rows.add(TextExample("a", RowLocation(line=1, row=2)))
    rows.add(TextExample("A", RowLocation(line=70_000, row=3)), file=1)
    assert list(map(str, rows.duplicates())) == [
        "train-0.json, row 2: is the same as row 1",
        "train-1.json, row 3 (line 70000): is the same as row 1 in train-0.json, except for case "
        "and white space",
    ]


def test_rows_of_the_validation_set_are_found_in_the_training_set(tmp_path):
    train, valid = seen(tmp_path / "a.jsonl", "x", "b", "A"), seen(tmp_path / "v.jsonl", "a", "b")
    assert summaries(train.also_in(valid)) == [
        (2, "is the same as line 2 in v.jsonl", "in both sets"),
        (3, "is the same as line 1 in v.jsonl, except for case and white space", "in both sets"),
    ]
    assert summaries(train.also_in(seen(tmp_path / "none.jsonl"))) == []
    assert summaries(seen(tmp_path / "none.jsonl").duplicates()) == []


def test_the_role_makes_a_difference(tmp_path):
    rows = SeenRows(tmp_path / "a.jsonl")
    for line, roles in enumerate([("user", "assistant"), ("assistant", "user")], start=1):
        turns = tuple({"role": role, "content": "a"} for role in roles)
        rows.add(ChatExample(turns, None, RowLocation(line)))
    turns = ({"role": "user", "content": "a"}, {"role": "assistant", "content": "a"})
    rows.add(ChatExample(turns, ({"name": "look"},), RowLocation(3)))
    assert summaries(rows.duplicates()) == []


@given(numbers=st.lists(st.integers(0, 6), max_size=30), others=st.lists(st.integers(0, 9)))
def test_exactly_the_later_rows_are_named(tmp_path_factory, numbers, others):
    path = tmp_path_factory.getbasetemp() / "a.jsonl"
    rows, valid = seen(path, *map(str, numbers)), seen(path, *map(str, others))
    later = [i for i, n in enumerate(numbers, start=1) if n in numbers[: i - 1]]
    assert [problem.place.line for problem in rows.duplicates()] == later
    both = [i for i, n in enumerate(numbers, start=1) if n in others]
    assert [problem.place.line for problem in rows.also_in(valid)] == both


def test_duplicates_are_warnings_and_all_are_counted(write_rows, tmp_path):
    texts = [{"text": f"row {random.Random(i).random()}"} for i in range(700)]
    write_rows(*texts * 3)
    write_rows(texts[5], {"text": "other"}, name="valid.jsonl")
    facts = inspect(tmp_path)
    assert (facts.problem_count, facts.examples, facts.valid_examples) == (0, 2100, 2)
    assert facts.counts == {"duplicate": 1400, "in both sets": 3}
    assert (len(facts.warnings), facts.warning_count) == (1000, 1403)


@pytest.mark.parametrize("odd", ["\x1b[0m", "a\x07", "\x9d", "\x7f"])
def test_control_characters_are_a_warning(write_rows, odd):
    facts = inspect(write_rows({"text": f"a\n{odd}"}, {"text": "tab\t\r\n\f"}))
    assert (facts.examples, facts.problem_count, facts.counts) == (2, 0, {"control characters": 1})
    assert "has the control character U+00" in facts.warnings[0].reason


def test_a_lost_character_is_a_warning(write_rows):
    facts = inspect(write_rows({"text": "F\ufffdchse"}))
    (warning,) = facts.warnings
    assert (warning.kind, warning.is_warning) == ("encoding", True)
    assert warning.reason.startswith("has a replacement character")


def test_rows_of_a_set_cut_into_files_are_named_with_theirs(tmp_path):
    rows = SeenRows(tmp_path / "train-0.jsonl", tmp_path / "train-1.jsonl")
    for file, line, text in [(0, 1, "a"), (0, 2, "b"), (1, 1, "b"), (1, 2, "b")]:
        rows.add(TextExample(text, RowLocation(line)), file)
    assert list(map(str, rows.duplicates())) == [
        "train-1.jsonl, line 1: is the same as line 2 in train-0.jsonl",
        "train-1.jsonl, line 2: is the same as line 2 in train-0.jsonl",
    ]
