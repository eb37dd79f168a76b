"""A .jsonl file as it comes: every line is a row or is named."""

import json
import os

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from app.core.errors import InputError
from app.data.readers import read_rows, text
from app.data.readers.byte_source import GZIP_MAGIC
from app.data.readers.text import encoding_of
from app.data.row_values import RowIssue, RowLocation

GOOD = b'{"text": "fox"}'


def test_rows_come_with_their_line_numbers(write_rows):
    path = write_rows(GOOD, b'{"text": "dog"}')
    assert list(read_rows(path)) == [
        (RowLocation(1), {"text": "fox"}),
        (RowLocation(2), {"text": "dog"}),
    ]


def test_blank_lines_are_skipped_and_counted(write_rows):
    path = write_rows(b"", GOOD, b"  \t\r", GOOD)
    assert [place.line for place, _ in read_rows(path)] == [2, 4]


def test_a_byte_order_mark_and_windows_line_ends_are_no_problem(write_rows):
    path = write_rows(b"\xef\xbb\xbf" + GOOD + b"\r", GOOD + b"\r")
    assert list(read_rows(path)) == [
        (RowLocation(1), {"text": "fox"}),
        (RowLocation(2), {"text": "fox"}),
    ]


def test_a_last_line_without_a_line_break_is_read(tmp_path):
    path = tmp_path / "train.jsonl"
    path.write_bytes(GOOD + b"\n" + GOOD)
    assert len(list(read_rows(path))) == 2


def test_line_separators_inside_a_text_do_not_split_a_row(write_rows):
    path = write_rows('{"text": "a\u2028b\u0085c"}'.encode())
    assert list(read_rows(path)) == [(RowLocation(1), {"text": "a\u2028b\u0085c"})]


def test_reading_is_lazy(write_rows):
    rows = read_rows(write_rows(GOOD, b"broken"))
    assert next(rows) == (RowLocation(1), {"text": "fox"})


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (
            b'{"text": "a"',
            "is not valid JSON at column 13: a comma is missing, or the line is cut off",
        ),
        (b'{"text": "a', "is not valid JSON at column 10: a text begins and is not closed"),
        (b'{"text" "a"}', "is not valid JSON at column 9: a colon is missing after a key"),
        (b'{"text": }', "is not valid JSON at column 10: a value is missing or not quoted"),
        (b"{'text': 'a'}", "is not valid JSON at column 2: a key in double quotes is missing"),
        (b"hello", "is not valid JSON at column 1: a value is missing or not quoted"),
        (
            GOOD + GOOD,
            "is not valid JSON at column 16: there is more text after the end of the row",
        ),
        (
            b'{"text": "a\tb"}',
            "is not valid JSON at column 12: a text holds a raw tab or control character",
        ),
        (
            b'{"text": "\\x"}',
            "is not valid JSON at column 11: a backslash stands before a character it can't escape",
        ),
        (
            b'{"text": "\\u12"}',
            "is not valid JSON at column 12: a \\u is not followed by four hexadecimal digits",
        ),
        (b'{"text": NaN}', "has NaN, which is not valid JSON"),
        (b'{"text": -Infinity}', "has -Infinity, which is not valid JSON"),
        (b'{"text": "a", "text": "b"}', "has the key 'text' twice"),
        (b'{"text": "\\ud800"}', "has half of a \\u surrogate pair, which isn't a character"),
        (b'{"\\udc00": 1}', "has half of a \\u surrogate pair, which isn't a character"),
        (b'{"text": "\xff"}', "is not UTF-8 text at character 11"),
        (b'{"text": "\x00"}', "has a NUL byte, so it is not text; save the file again"),
        (b"[" * 100_000, "is nested too deeply to be an example"),
        (b"[" * 3_000 + b"]" * 3_000, "is nested too deeply to be an example"),
        (b"[" * 101 + b"]" * 101, "is nested too deeply to be an example"),
        (b'{"n": ' + b"1" * 5000 + b"}", "has a number with too many digits"),
    ],
)
def test_a_broken_line_is_named_by_its_number_and_reason(write_rows, raw, reason):
    utf8 = '{"text": "füchse, Füchse"}'.encode()
    path = write_rows(GOOD, raw, utf8)
    good, problem, _ = read_rows(path)
    assert good == (RowLocation(1), {"text": "fox"})
    assert (problem.path, problem.place.line, problem.reason) == (path, 2, reason)
    assert problem.kind != "other"


def test_a_problem_reads_as_a_sentence_that_begins_with_file_and_line(write_rows):
    (problem,) = read_rows(write_rows(b"[1,"))
    assert str(problem) == (
        "train.jsonl, line 1: is not valid JSON at column 4: a value is missing or not quoted"
    )


def test_escaped_emoji_are_text(write_rows):
    path = write_rows(b'{"text": "\\ud83e\\udd8a"}')
    assert list(read_rows(path)) == [(RowLocation(1), {"text": "🦊"})]


def test_a_line_that_is_too_long_is_named_and_the_next_is_read(write_rows, monkeypatch):
    monkeypatch.setattr(text, "MAX_ROW", 2**20)
    long = json.dumps({"text": "x" * (3 * 2**20)}).encode()
    path = write_rows(GOOD, long, GOOD)
    reason = "is longer than 16 million characters; split it into several rows"
    assert list(read_rows(path)) == [
        (RowLocation(1), {"text": "fox"}),
        RowIssue(path, RowLocation(2), reason, "too big"),
        (RowLocation(3), {"text": "fox"}),
    ]


@pytest.mark.parametrize("content", [b"", b"\n\n \n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\r\n"])
def test_a_file_without_rows_is_empty(tmp_path, content):
    path = tmp_path / "train.jsonl"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"^train\.jsonl is empty\."):
        list(read_rows(path))


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]
)
def test_every_unicode_encoding_is_read_as_it_is(tmp_path, encoding):
    path = tmp_path / "train.jsonl"
    path.write_text('{"text": "Füchse 🦊"}\n{"text": "b"}\n', encoding=encoding)
    assert list(read_rows(path)) == [
        (RowLocation(1), {"text": "Füchse 🦊"}),
        (RowLocation(2), {"text": "b"}),
    ]


def test_latin_1_is_read_with_a_warning(tmp_path):
    path = tmp_path / "train.jsonl"
    path.write_text('{"text": "a"}\n{"text": "Füchse für “alle”"}\n', encoding="cp1252")
    warning, *rows = read_rows(path)
    assert rows == [
        (RowLocation(1), {"text": "a"}),
        (RowLocation(2), {"text": "Füchse für “alle”"}),
    ]
    assert (warning.place.line, warning.kind, warning.is_warning) == (0, "encoding", True)
    assert str(warning).startswith("train.jsonl: is not UTF-8 text; it is read as Windows-1252")


def test_a_row_in_utf_8_in_a_file_in_latin_1_is_named_and_not_garbled(tmp_path):
    path = tmp_path / "train.jsonl"
    rows = [f'{{"text": "Füchse {i}"}}'.encode("cp1252") for i in range(9)]
    path.write_bytes(b"\n".join([*rows, '{"text": "Füchse"}'.encode()]))
    problem = list(read_rows(path))[-1]
    assert (problem.place.line, problem.kind, problem.is_warning) == (10, "encoding", False)
    assert "is UTF-8 text, but the rest of the file is not" in problem.reason


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match="isn't there: put it back, or choose another"):
        list(read_rows(tmp_path / "no.jsonl"))


def test_a_folder_is_not_a_file(tmp_path):
    with pytest.raises(InputError, match="is a folder"):
        list(read_rows(tmp_path))


def test_a_path_that_no_disk_can_hold_is_an_input_error(tmp_path):
    for name in ("x" * 5000, "a\x00b"):
        with pytest.raises(InputError, match="can't be read"):
            list(read_rows(tmp_path / name))


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_named(write_rows):
    path = write_rows(GOOD)
    path.chmod(0)
    with pytest.raises(InputError, match="has no permission to read"):
        list(read_rows(path))


LINES = st.one_of(
    st.binary(max_size=40),
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["text", "messages", "role"]), inner, max_size=3)
        ),
        max_leaves=8,
    ).map(lambda value: json.dumps(value).encode()),
)


@settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(lines=st.lists(LINES, max_size=6))
@example(lines=[GZIP_MAGIC])
def test_any_bytes_give_rows_or_problems_for_exactly_the_lines_that_are_not_blank(tmp_path, lines):
    path = tmp_path / "any.jsonl"
    content = b"\n".join(lines)
    path.write_bytes(content)
    filled = [
        number
        for number, raw in enumerate(content.split(b"\n"), start=1)
        # What JSON calls white space: a line of a vertical tab alone is named.
        if (raw.removeprefix(b"\xef\xbb\xbf") if number == 1 else raw).strip(b" \t\r\n")
    ]
    try:
        rows = list(read_rows(path))
    except InputError:
        # What begins like gzip is unpacked, whatever its name.
        assert content.startswith(GZIP_MAGIC) or not filled or _is_wide(path)
        return
    lines_seen = [row.place.line if isinstance(row, RowIssue) else row[0].line for row in rows]
    assert _is_wide(path) or [line for line in lines_seen if line] == filled


def _is_wide(path):
    return encoding_of(path).name.startswith(("utf-16", "utf-32"))
