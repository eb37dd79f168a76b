"""Text files that are JSON, a table or rich text are named as such; prose stays prose."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import InputError
from app.data.readers import format_detection
from app.data.readers.format_detection import other_format
from app.data.row_values import TextExample
from tests.at_once import inspect

ROW = {"messages": [{"role": "user", "content": "Name a river."}]}
LINES = "\n".join(json.dumps(ROW) for _ in range(3))
RTF = r"{\rtf1\ansi\ansicpg1252\cocoartf2761" + "\n" + r"\f0\fs24 \cf0 Dear diary.}"
TABLE = 'prompt,completion\nName river 0,Aare 0\n"Name a town, please",Bern\n'
OTHERS = [
    (LINES, "JSON Lines, not plain text: give its name the ending .jsonl"),
    ("\ufeff\n" + LINES, "JSON Lines, not plain text: give its name the ending .jsonl"),
    (json.dumps(ROW), "JSON Lines, not plain text: give its name the ending .jsonl"),
    (json.dumps([ROW, ROW], indent=1), "JSON, not plain text: give its name the ending .json"),
    (json.dumps([ROW, ROW]), "JSON, not plain text: give its name the ending .json"),
    (json.dumps(ROW, indent=2), "JSON, not plain text: give its name the ending .json"),
    ('["Hi","Hello"]\n["Ho","Hallo"]', "JSON, not plain text: give its name the ending .json"),
    (TABLE, "a table, not plain text: give its name the ending .csv"),
    (TABLE.replace(",", "\t"), "a table, not plain text: give its name the ending .tsv"),
    ("id;name;age\n" + "1;Ann;40\n" * 5, "a table, not plain text: give its name the ending .csv"),
    (RTF, "rich text (RTF), not plain text: save it as plain text"),
]  # fmt: skip
PROSE = [
    "Dear diary, today was fine.\nTomorrow, I hope, too.",
    "[1] See the note.\n\n[2] And this one.",
    "[Scene: a forest]\n\nFox: Hello.",
    "{curly} brackets begin this line.",
    '{"a": 1} is an object in JSON.\n\nThis page explains it.',
    "roses are red, violets are blue\nsugar is sweet, and so are you\n",
    "milk, eggs, bread\ntea, rice, salt\noil, corn, figs\nnuts, peas, beans\nham, jam, lamb\n",
    "apple,pear\nplum,fig\n",
    "The prompt, the answer\nand so on, and so on",
    "a | b | c",
    "{\n  int main() { return 0; }\n}",
    "[]",
    "{}",
    "name: fox\nage: 3\n",
]


@pytest.mark.parametrize(("content", "what"), OTHERS)
def test_another_format_is_named_with_its_ending(tmp_path, content, what):
    path = tmp_path / "notes.txt"
    path.write_text(content)
    facts = inspect(path)
    assert facts.examples == 0
    assert [str(problem) for problem in facts.problems] == [f"notes.txt: is {what}"]


@pytest.mark.parametrize("content", PROSE)
def test_prose_stays_prose(tmp_path, content):
    path = tmp_path / "notes.txt"
    path.write_text(content)
    facts = inspect(path)
    assert facts.problem_count == 0
    assert isinstance(facts.preview[0], TextExample)
    assert facts.preview[0].text == content.strip()


@pytest.mark.parametrize(("content", "what"), OTHERS)
def test_a_row_longer_than_what_is_looked_at_is_named_all_the_same(monkeypatch, content, what):
    long = content.replace("Name", "Name " * 500)
    monkeypatch.setattr(format_detection, "LOOKED_AT", 1000)
    if "JSON" in what and "Name" in content:
        assert other_format(long[:1000], is_whole=False) == f"is {what}"


def test_markdown_that_shows_json_is_prose(tmp_path):
    path = tmp_path / "notes.md"
    path.write_text(LINES)
    assert inspect(path).problem_count == 0


@given(st.text('ab ,;|\t\n{}[]":1.\\', max_size=60), st.booleans())
def test_any_beginning_can_be_judged(head, is_whole):
    assert isinstance(other_format(head, is_whole), str)


@given(st.lists(st.text("ab ,.", min_size=1, max_size=12).filter(str.strip), max_size=9))
def test_a_file_with_a_line_of_another_count_of_commas_is_no_table(lines):
    if len({line.count(",") for line in lines}) > 1:
        assert other_format("\n".join(lines), is_whole=True) == ""


def test_a_run_says_so_too(tmp_path):
    from app.data.rows.row_validation import read_examples

    path = tmp_path / "notes.txt"
    path.write_text(LINES)
    with pytest.raises(InputError, match=r"notes.txt is JSON Lines, not plain text"):
        list(read_examples(path))
