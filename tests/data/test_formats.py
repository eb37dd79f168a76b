"""The same rows in every format are the same examples; what is huge is neither held nor awaited."""

import csv
import gzip
import io
import json
import os
import random
import threading
import tracemalloc

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from app.core.errors import InputError
from app.core.files.data_formats import FORMATS, bare_name
from app.data.files.dataset_files import DatasetFiles, find_files
from app.data.files.dataset_folders import has_train_file
from app.data.readers import byte_source, read_rows
from app.data.readers.text_passages import PASSAGE_CHARACTERS
from app.data.row_values import CorruptFileError, RowIssue, RowLocation, TextExample
from app.data.rows.row_validation import read_examples

ROWS = [
    {"prompt": "What, exactly?", "completion": 'He said "hi".'},
    {"prompt": "Two\nlines", "completion": "a\tb; c|d"},
    {"prompt": "Füchse 🦊", "completion": " spaces stay "},
]


def as_table(rows, delimiter=","):
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


def as_parquet(rows, **options):
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), file, **options)
    return file.getvalue()


def as_lines(rows):
    return "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)


WRITTEN = {
    "a.jsonl": as_lines(ROWS),
    "a.ndjson": as_lines(ROWS),
    "list.json": json.dumps(ROWS),
    "indented.json": json.dumps(ROWS, indent=4, ensure_ascii=False),
    "lines.json": as_lines(ROWS),
    "indented-rows.json": "\n".join(json.dumps(row, indent=1) for row in ROWS),
    "a.csv": as_table(ROWS),
    "semicolons.csv": as_table(ROWS, ";"),
    "sep.csv": "sep=|\r\n" + as_table(ROWS, "|"),
    "capitals.CSV": as_table(ROWS),
    "a.tsv": as_table(ROWS, "\t"),
    "a.parquet": as_parquet(ROWS),
    "plain.parquet": as_parquet(ROWS, use_dictionary=False, compression="zstd"),
    "many-groups.parquet": as_parquet(ROWS, row_group_size=1),
}


def pairs(path):
    return [tuple(m["content"] for m in example.messages) for example in read_examples(path)]


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize(("name", "content"), WRITTEN.items(), ids=WRITTEN)
def test_rows_are_the_same_in_every_format(tmp_path, name, content, packed):
    path = tmp_path / (f"{name}.gz" if packed else name)
    raw = content if isinstance(content, bytes) else content.encode()
    path.write_bytes(gzip.compress(raw) if packed else raw)
    assert pairs(path) == [tuple(row.values()) for row in ROWS]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("name", [n for n in WRITTEN if not n.endswith(".parquet")])
def test_rows_are_the_same_in_every_encoding(tmp_path, name, encoding):
    path = tmp_path / name
    path.write_bytes(WRITTEN[name].encode(encoding))
    assert pairs(path) == [tuple(row.values()) for row in ROWS]


def test_a_row_keeps_the_line_on_which_it_begins(tmp_path):
    table = tmp_path / "a.csv"
    table.write_text('prompt,completion\n\n"two\nlines",a\nb,c\n')
    assert [example.place.line for example in read_examples(table)] == [3, 5]
    values = tmp_path / "a.json"
    values.write_text('[\n\n {"text": "a"},\n {\n "text": "b"}, {"text": "c"}]')
    assert [example.place.line for example in read_examples(values)] == [3, 4, 5]


def test_a_list_longer_than_one_read_keeps_every_row(tmp_path):
    rows = [{"text": f"{i} " + "é\\n" * (i % 900)} for i in range(3000)]
    path = tmp_path / "a.json"
    path.write_text(json.dumps(rows, indent=1, ensure_ascii=False))
    assert [row.text for row in read_examples(path)] == [row["text"] for row in rows]


def test_a_row_of_a_megabyte_is_one_row(tmp_path):
    rows = [{"text": "a"}, {"text": "é" * 2**20}, {"text": "b"}]
    for name in ("a.json", "a.jsonl"):
        path = tmp_path / name
        path.write_text(json.dumps(rows) if name == "a.json" else as_lines(rows))
        assert [row.text for row in read_examples(path)] == [row["text"] for row in rows]


def test_a_missing_field_of_a_struct_is_absent(tmp_path):
    path = tmp_path / "a.parquet"
    user, reply = {"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}
    call = {"role": "assistant", "content": "b", "name": "Ann"}
    path.write_bytes(as_parquet([{"messages": [user, reply]}, {"messages": [user, call]}]))
    first, second = read_examples(path)
    assert first.messages == (user, reply)
    assert second.messages == (user, call)


# -- text ------------------------------------------------------------------------------------


def texts(path):
    return [(row.place.line, row.text) for row in read_examples(path)]


def test_short_paragraphs_share_a_passage_and_long_ones_have_their_own(tmp_path):
    path = tmp_path / "a.txt"
    long = "word " * (PASSAGE_CHARACTERS // 5 - 1)
    path.write_text(f"One.\r\n\r\nTwo,\ntwo.\n\n\n{long}\n\nThree.\n")
    assert texts(path) == [(1, "One.\n\nTwo,\ntwo."), (7, long.strip()), (9, "Three.")]


def test_a_long_paragraph_is_cut_at_line_ends_only(tmp_path):
    path = tmp_path / "a.txt"
    lines = [f"{i} " + "x" * 300 for i in range(20)]
    path.write_text("\n".join(lines))
    found = texts(path)
    assert len(found) == 4
    assert "\n".join(text for _, text in found).split("\n") == lines
    assert [line for line, _ in found] == [1, 7, 13, 19]


def test_a_line_longer_than_a_passage_is_whole(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("a\n" + "x" * 5000 + "\nb\n")
    assert texts(path) == [(1, "a"), (2, "x" * 5000), (3, "b")]


def test_in_markdown_a_heading_begins_a_passage_but_not_in_code(tmp_path):
    path = tmp_path / "a.md"
    path.write_text("# One\n\ntext\n```\n# no heading\n```\n## Two\ntext\n")
    assert texts(path) == [(1, "# One\n\ntext\n```\n# no heading\n```"), (7, "## Two\ntext")]
    plain = tmp_path / "a.txt"
    plain.write_text("# One\n\n## Two\n")
    assert texts(plain) == [(1, "# One\n\n## Two")]


# -- which files -----------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [*FORMATS, ".csv.gz", ".JSONL"])
@pytest.mark.parametrize("valid", ["valid", "validation", "val", "dev"])
def test_a_folder_may_have_its_files_in_any_format(tmp_path, ending, valid):
    for name in (f"train{ending}", f"{valid}.tsv", "test.jsonl", "notes.txt"):
        (tmp_path / name).write_text("a")
    assert find_files(tmp_path) == DatasetFiles(
        (tmp_path / f"train{ending}",), (tmp_path / f"{valid}.tsv",)
    )
    assert has_train_file(tmp_path)


@pytest.mark.parametrize(
    "names",
    [
        ["train-00000-of-00002.parquet", "train-00001-of-00002.parquet"],
        ["train-00000-of-00002-0123456789abcdef.parquet", "train-00001-of-00002.parquet"],
        ["train-2.jsonl", "train-10.jsonl"],
        ["train_01.csv.gz", "train_02.csv.gz"],
        ["train0.txt", "train1.txt"],
        ["train-0.jsonl"],
    ],
)
def test_a_set_may_be_cut_into_numbered_files(tmp_path, names):
    for name in (*reversed(names), "valid-0.jsonl", "test-0.jsonl", "README.md"):
        (tmp_path / name).write_text("a")
    files = find_files(tmp_path)
    assert [path.name for path in files.train_files] == names
    assert [path.name for path in files.valid_files] == ["valid-0.jsonl"]
    assert has_train_file(tmp_path)


def test_the_hubs_inner_folder_is_looked_into(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train-00000-of-00001.parquet").write_text("a")
    (tmp_path / "README.md").write_text("a card")
    assert find_files(tmp_path).train_files == (tmp_path / "data" / "train-00000-of-00001.parquet",)
    assert has_train_file(tmp_path)


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (["train-0-of-3.csv", "train-2-of-3.csv"], "has only 2 of the 3 shards"),
        (["train-1.csv", "train-01.csv"], "has train-01.csv and train-1.csv: which one is meant?"),
        (["train-1.csv", "train-2.tsv"], "has train-1.csv and train-2.tsv: which one is meant?"),
        (["train.csv", "train-2.csv"], "has train-2.csv and train.csv: which one is meant?"),
        ([f"train-{n}.{e}" for n in "123" for e in ("csv", "tsv")], "and 2 more: which one"),
    ],
)  # fmt: skip
def test_an_incomplete_or_ambiguous_set_is_refused(tmp_path, names, sentence):
    for name in names:
        (tmp_path / name).write_text("a")
    with pytest.raises(InputError) as refusal:
        find_files(tmp_path)
    assert sentence in str(refusal.value)


def test_two_train_files_are_refused(tmp_path):
    for name in ("train.jsonl", "train.csv"):
        (tmp_path / name).write_text("a")
    with pytest.raises(InputError, match=r"has train\.csv and train\.jsonl: which one is meant\?"):
        find_files(tmp_path)


def test_a_bare_name_has_no_extensions(tmp_path):
    names = ("a.jsonl", "a.csv.gz", "a.b.txt", "a.zip", "a")
    assert [bare_name(tmp_path / name) for name in names] == ["a", "a", "a.b", "a.zip", "a"]


# -- files made to fill memory, and files that change -----------------------------------------


def peak_bytes(read):
    tracemalloc.start()
    try:
        read()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def ending_of(path):
    """The last thing reading a file says."""
    try:
        return [row for row in read_rows(path) if isinstance(row, RowIssue)][-1].reason
    except CorruptFileError as broken:
        return broken.problem.reason


BOMBS = {
    "zeros.jsonl.gz": "is longer than 16 million characters",
    "zeros.json.gz": "is longer than 16 million characters",
    "zeros.csv.gz": "is longer than 16 million characters",
    "zeros.txt.gz": "is longer than 16 million characters",
}


@pytest.mark.parametrize(("name", "reason"), BOMBS.items(), ids=BOMBS)
def test_a_line_of_100_megabytes_is_reported_and_never_in_memory(tmp_path, name, reason):
    path = tmp_path / name
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(b"fox " if ".txt" in name else b'{"text": "')
        for _ in range(100):
            file.write(b"x" * 2**20)
    found = []
    assert peak_bytes(lambda: found.append(ending_of(path))) < 200 * 2**20
    assert found[0].startswith(reason)


def test_a_gzip_bomb_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(byte_source, "UNPACKED_IN_ANY_CASE", 2**20)
    path = tmp_path / "bomb.jsonl.gz"
    path.write_bytes(gzip.compress(b"\n" * 50_000_000))
    with pytest.raises(CorruptFileError, match="unpacks to more than 100 times its size"):
        list(read_rows(path))


def test_a_value_repeated_by_a_dictionary_is_not_copied(tmp_path):
    path = tmp_path / "bomb.parquet"
    values = pa.DictionaryArray.from_arrays(pa.array([0] * 500, pa.int32()), ["x" * 2**23])
    pq.write_table(pa.table({"text": values}), path, compression="zstd")
    rows = read_examples(path)
    before = pa.total_allocated_bytes()
    assert next(rows) == TextExample("x" * 2**23, RowLocation(row=1))
    assert pa.total_allocated_bytes() - before < 200 * 2**20


def test_a_parquet_file_that_unpacks_to_a_thousand_times_its_size_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("app.data.readers.parquet_and_arrow._UNPACKED_IN_ANY_CASE", 2**20)
    path = tmp_path / "bomb.parquet"
    table = pa.table({"text": ["x" * 8 * 2**20]})
    pq.write_table(table, path, compression="zstd", use_dictionary=False)
    with pytest.raises(CorruptFileError, match="unpacks to more than 1,000 times its size"):
        list(read_rows(path))


@pytest.mark.parametrize("seed", range(40))
def test_a_parquet_file_with_a_damaged_footer_ends_no_process(tmp_path, seed):
    path = tmp_path / "a.parquet"
    content = bytearray(as_parquet(ROWS, row_group_size=1))
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    for place in random.Random(seed).choices(range(footer, len(content) - 8), k=2):
        content[place] ^= 1 << seed % 8
    path.write_bytes(content)
    try:
        rows = list(read_rows(path))
    except InputError as error:
        assert "damaged" in str(error) or "too many" in str(error)  # noqa: PT017
    else:
        assert len(rows) <= 3


def test_a_parquet_file_that_claims_too_many_rows_is_named(tmp_path):
    path = tmp_path / "bomb.parquet"
    pq.write_table(pa.table({"text": pa.nulls(5_000_000, pa.string())}), path)
    with pytest.raises(CorruptFileError, match="claims to have 5,000,000 rows, too many"):
        list(read_rows(path))


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv", "a.txt", "a.parquet"])
@pytest.mark.parametrize("change", ["grows", "shrinks", "is replaced", "disappears"])
def test_a_file_that_changes_while_it_is_read_is_named(tmp_path, name, change):
    path = tmp_path / name
    text = {"text": "fox " * 2000}
    many = [text] * 400
    written = {
        ".jsonl": as_lines(many),
        ".json": json.dumps(many),
        ".csv": as_table(many),
        ".txt": "\n\n".join(["fox " * 500] * 2000),
    }
    if path.suffix == ".parquet":
        path.write_bytes(as_parquet(many, row_group_size=20, use_dictionary=False))
    else:
        path.write_text(written[path.suffix])
    rows = read_rows(path)
    next(rows)
    if change == "grows":
        with path.open("a") as file:
            file.write("\n" * 1000)
    elif change == "shrinks":
        os.truncate(path, path.stat().st_size // 2)
    elif change == "is replaced":
        (tmp_path / "other").write_text('{"text": "other"}')
        os.replace(tmp_path / "other", path)
    else:
        path.unlink()
    words = "disappeared while" if change == "disappears" else "changed while"
    with pytest.raises(CorruptFileError, match=words):
        list(rows)


def test_a_file_that_grows_as_fast_as_it_is_read_has_an_end(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "a"}\n')
    stop = threading.Event()

    def grow():
        with path.open("a") as file:
            while not stop.is_set():
                file.write('{"text": "b"}\n' * 100)
                file.flush()

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        with pytest.raises(CorruptFileError, match="changed while it was read"):
            for _ in range(1000):
                list(read_rows(path))
    finally:
        stop.set()
        writer.join()


def test_a_pipe_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "a.jsonl")
    with pytest.raises(InputError, match="is not a file"):
        list(read_rows(tmp_path / "a.jsonl"))
