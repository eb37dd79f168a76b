"""Looking at a dataset says how far it is, and stops when asked to."""

import gzip
import json
from random import Random

import pytest

from app.data.inspection.inspection import inspect_stream
from app.data.readers import ReadProgress, read_rows
from tests.at_once import inspect

RANDOM = Random(0)
ROWS = [{"text": f"row {number} {RANDOM.randbytes(100).hex()}"} for number in range(20_000)]


def listed(work):
    """What it yields and what it returns."""
    shares = []
    while True:
        try:
            shares.append(next(work))
        except StopIteration as ended:
            return shares, ended.value


@pytest.fixture
def large_file(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


def written(path, ending):
    if ending == ".csv":
        path.write_text("text\n" + "".join(row["text"] + "\n" for row in ROWS))
    elif ending == ".json":
        path.write_text(json.dumps(ROWS))
    elif ending == ".txt":
        path.write_text("\n\n".join(row["text"] for row in ROWS))
    elif ending == ".jsonl.gz":
        lines = "".join(json.dumps(row) + "\n" for row in ROWS)
        path.write_bytes(gzip.compress(lines.encode(), 1))
    else:
        import pyarrow as pa
        import pyarrow.parquet as parquet

        parquet.write_table(pa.Table.from_pylist(ROWS), path)


@pytest.mark.parametrize("ending", [".csv", ".json", ".txt", ".jsonl.gz", ".parquet"])
def test_a_file_of_any_format_says_how_much_of_it_is_read(tmp_path, ending):
    path = tmp_path / f"rows{ending}"
    written(path, ending)
    share, shares = ReadProgress(), []
    for _ in read_rows(path, share):
        shares.append(share.done)
    assert shares == sorted(shares)
    assert 0 <= shares[0] < 1
    assert share.done == 1


def test_the_share_read_rises_from_0_to_1(large_file):
    shares, facts = listed(inspect_stream(large_file))
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0, 1)
    assert len(shares) >= 4  # a step a megabyte
    assert facts == inspect(large_file)


def test_each_file_counts_by_its_size(tmp_path):
    (tmp_path / "train.jsonl").write_text('{"text": "a"}\n' * 3)
    (tmp_path / "valid.jsonl").write_text('{"text": "b"}\n')
    shares, _ = listed(inspect_stream(tmp_path))
    assert shares == [0, 0.75, 0.75, 1]


def test_closed_it_reads_no_further(large_file):
    work = inspect_stream(large_file)
    next(work)
    next(work)
    work.close()
    with pytest.raises(StopIteration):
        next(work)


def test_an_empty_file_ends_with_its_sentence(tmp_path):
    (tmp_path / "a.jsonl").touch()
    with pytest.raises(Exception, match=r"a\.jsonl is empty"):
        listed(inspect_stream(tmp_path / "a.jsonl"))


def test_the_files_of_a_set_are_one_dataset_in_the_order_of_their_numbers(tmp_path):
    for number in (10, 2, 1):
        row = json.dumps({"text": f"row of {number}"})
        (tmp_path / f"train-{number}.jsonl").write_text(row + "\n")
    facts = inspect(tmp_path)
    assert [example.text for example in facts.preview] == ["row of 1", "row of 2", "row of 10"]
    assert (facts.examples, facts.path.name) == (3, "train-1.jsonl")


def test_a_row_in_two_files_of_a_set_is_a_duplicate(tmp_path):
    for number in range(2):
        (tmp_path / f"train-{number}.jsonl").write_text('{"text": "same"}\n')
    (warning,) = inspect(tmp_path).warnings
    assert str(warning) == "train-1.jsonl, line 1: is the same as line 1 in train-0.jsonl"
