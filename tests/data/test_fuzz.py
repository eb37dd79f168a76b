"""Files of every format with bytes changed, lost, added and moved: never a crash, never a hang.

What stood before the first change is read as it was put in, or named; so is every untouched line of
JSON Lines. What a change made of the rest is an example with words in it, or named.
"""

import csv
import gzip
import io
import json
import signal
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.core.errors import InputError
from app.data.readers.text import encoding_of
from app.data.row_values import RowIssue, TextExample
from app.data.rows.row_notes import example_warnings
from app.data.rows.row_validation import read_validated_rows
from tests.at_once import inspect
from tests.patience import PATIENCE_SECONDS

WORDS = st.text(
    st.sampled_from("ab \"'\\{}[]:,;\n\r\t|#`~éß€🦊\u2028\ufeff\x1b")
    | st.characters(codec="utf-8"),
    min_size=1,
    max_size=12,
).filter(lambda text: text.strip() and "\x00" not in text)
ROWS = st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=6)
CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["set", "flip", "delete", "insert", "cut", "repeat"]),
        st.floats(0, 1, exclude_max=True),
        st.sampled_from([b'"', b"\n", b"\r", b",", b"\\", b"\x00", b"\xff", b"{", b"]", b"1f", b""])
        | st.binary(min_size=1, max_size=4),
    ),
    max_size=4,
)


def as_dicts(rows):
    return [{"prompt": prompt, "completion": completion} for prompt, completion in rows]


def as_lines(rows):
    return "\n".join(json.dumps(row, ensure_ascii=False) for row in as_dicts(rows)).encode()


def as_table(rows, delimiter):
    file = io.StringIO(newline="")
    writer = csv.writer(file, delimiter=delimiter)
    writer.writerows([("prompt", "completion"), *rows])
    return file.getvalue().encode()


def as_parquet(rows):
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(as_dicts(rows)), file, row_group_size=2)
    return file.getvalue()


def as_parts(rows):
    """Chats whose turns are lists of parts, as OpenAI writes them: each is cut in the middle."""

    def turn(role, text):
        halves = text[: len(text) // 2], text[len(text) // 2 :]
        return {"role": role, "content": [{"type": "text", "text": half} for half in halves]}

    return "\n".join(
        json.dumps({"messages": [turn("user", prompt), turn("assistant", completion)]})
        for prompt, completion in rows
    ).encode()


def as_arrow(rows, opening=pa.ipc.new_stream):
    file, table = io.BytesIO(), pa.Table.from_pylist(as_dicts(rows))
    with opening(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=2)
    return file.getvalue()


WRITERS = {
    "a.jsonl": as_lines,
    "a.json": lambda rows: json.dumps(as_dicts(rows), indent=1, ensure_ascii=False).encode(),
    "one_line.json": lambda rows: json.dumps(as_dicts(rows)).encode(),
    "wrapped.json": lambda rows: json.dumps({"data": as_dicts(rows)}, indent=1).encode(),
    "lines.json": as_lines,
    "parts.jsonl": as_parts,
    "a.csv": lambda rows: as_table(rows, ","),
    "a.tsv": lambda rows: as_table(rows, "\t"),
    "a.parquet": as_parquet,
    "a.arrow": as_arrow,
    "b.arrow": lambda rows: as_arrow(rows, pa.ipc.new_file),
    "wide.jsonl": lambda rows: as_lines(rows).decode().encode("utf-16"),
    "a.jsonl.gz": lambda rows: gzip.compress(as_lines(rows)),
    "a.parquet.gz": lambda rows: gzip.compress(as_parquet(rows)),
    "a.txt": lambda rows: "\n\n".join(prompt for prompt, _ in rows).encode(),
    "a.md": lambda rows: "\n# ".join(prompt for prompt, _ in rows).encode(),
}
CLOSINGS = {"a.json": len("\n]"), "one_line.json": len("]"), "wrapped.json": len("\n ]\n}")}
"""Bytes after the last row of a list."""
CAREFUL = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
}


def changed(content, changes):
    """The content with the changes made, and where the first of them is."""
    first = len(content)
    for what, where, new_bytes in changes:
        at = int(where * len(content))
        first = min(first, at)
        head, tail = content[:at], content[at:]
        match what:
            case "set":
                tail = new_bytes + tail[len(new_bytes) :]
            case "flip":
                tail = bytes([tail[0] ^ (1 << at % 8)]) + tail[1:] if tail else tail
            case "delete":
                tail = tail[1 + len(new_bytes) :]
            case "insert":
                tail = new_bytes + tail
            case "cut":
                tail = b""
            case "repeat":
                tail = tail[:20] + tail
        content = head + tail
    return content, first


@contextmanager
def within_limit():
    def late(*_):
        raise TimeoutError(f"not done after {PATIENCE_SECONDS} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(PATIENCE_SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def read(path):
    """A file's rows, line → example or problem; and the error that ended it, if any."""
    found, ended = [], None
    try:
        for row in read_validated_rows(path):
            found.append(row)
    except InputError as error:
        ended = error
    return found, ended


def check(tmp_path, name, rows, changes):
    path = tmp_path / name
    original = WRITERS[name](rows)
    content, first = changed(original, changes)
    path.write_bytes(content)
    with within_limit():
        found, ended = read(path)
        if ended is None:
            inspect(path)
    for row in found:
        assert_sound(row)
    assert_every_row_has_its_place(found)
    if content == original:
        assert_as_put_in(name, rows, found, ended)
    elif name in (*CLOSINGS, "a.jsonl", "lines.json", "a.csv", "a.tsv") and not is_wide(path):
        assert_untouched_beginning(first, rows, found, name)
    if name == "a.jsonl" and not is_wide(path):
        assert_untouched_lines(original, content, rows, found)


def assert_every_row_has_its_place(found):
    rows = [row if isinstance(row, RowIssue) else row[0] for row in found]
    places = [row.place for row in rows if not getattr(row, "is_warning", False)]
    assert not any(place.is_whole_file for place in places)
    assert places == sorted(set(places))


def assert_sound(row):
    if isinstance(row, RowIssue):
        assert row.reason
        assert row.kind != "other"
        return
    example, _ = row
    if isinstance(example, TextExample):
        assert example.text.strip()
    else:
        assert all(message["content"].strip() for message in example.messages)
    list(example_warnings(example, None))


def is_wide(path):
    if path.read_bytes()[:2] == b"\x1f\x8b":
        return True
    return encoding_of(path).name.startswith(("utf-16", "utf-32"))


def words_of(row):
    if isinstance(row, RowIssue):
        return None
    example = row[0]
    if isinstance(example, TextExample):
        return example.text
    return tuple(message["content"] for message in example.messages)


def assert_as_put_in(name, rows, found, ended):
    if name.endswith((".txt", ".md")):
        put_in = "".join(prompt for prompt, _ in rows)
        read_out = "".join(words_of(row) or "" for row in found)
        assert letters(read_out) == letters(put_in) or ended
        return
    assert ended is None
    rows_read = [row for row in found if not (isinstance(row, RowIssue) and row.is_warning)]
    assert [words_of(row) for row in rows_read] == rows


def letters(text):
    return [c for c in text if not c.isspace() and c not in "#\ufeff"]


def assert_untouched_beginning(first, rows, found, name):
    """Rows that were over before the first change, but for the last: it may have been joined."""
    closing = CLOSINGS.get(name, 0)
    ends = [len(WRITERS[name](rows[:count])) - closing for count in range(1, len(rows) + 1)]
    whole = sum(end <= first for end in ends)
    rows_read = [row for row in found if not (isinstance(row, RowIssue) and row.is_warning)]
    for put_in, row in zip(rows[: max(0, whole - 1)], rows_read, strict=False):
        assert isinstance(row, RowIssue) or words_of(row) == put_in


def assert_untouched_lines(original, content, rows, found):
    known = dict(zip(original.split(b"\n"), rows, strict=True))
    by_line = {}
    for row in found:
        line = row.place.line if isinstance(row, RowIssue) else row[0].place.line
        assert line == 0 or line not in by_line
        by_line[line] = row
    for number, raw in enumerate(content.split(b"\n"), start=1):
        if raw in known and not (number == 1 and raw.startswith(b"\xef\xbb\xbf")):
            row = by_line[number]
            assert isinstance(row, RowIssue) or words_of(row) == known[raw]


@pytest.mark.parametrize("name", WRITERS)
@settings(max_examples=80, **CAREFUL)
@given(rows=ROWS, changes=CHANGES)
def test_a_changed_file_is_read_or_named(tmp_path, name, rows, changes):
    check(tmp_path, name, rows, changes)


@pytest.mark.slow
@pytest.mark.parametrize("name", WRITERS)
@settings(max_examples=3000, **CAREFUL)
@given(rows=ROWS, changes=CHANGES)
def test_thousands_of_changed_files_are_read_or_named(tmp_path, name, rows, changes):
    check(tmp_path, name, rows, changes)
