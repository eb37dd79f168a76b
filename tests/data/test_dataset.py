"""Finding, refusing, splitting and inspecting datasets."""

import os

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.core.column_mapping import ColumnMapping
from app.core.errors import InputError
from app.data.files.dataset_files import DatasetFiles, find_files
from app.data.tokenizing.token_store import RowSettings
from app.data.training_set.training_data import DataSettings
from app.data.training_set.validation_split import holdout_masks
from tests.at_once import inspect, open_data


def texts(count, start=0):
    return [{"text": f"row {i}"} for i in range(start, start + count)]


@pytest.fixture
def load_dataset(tokenizer_with):
    def load_dataset(data, valid, share, seed, leave_out_bad_rows=False):
        rows = RowSettings(False, leave_out_bad_rows=leave_out_bad_rows)
        settings_ = DataSettings(rows, 512, 1, share, seed)
        return open_data(find_files(data, valid), tokenizer_with("chatml"), settings_)

    return load_dataset


def lines_of(view):
    return [view[i].place.line for i in range(len(view))]


def rows_of(view):
    return {view[i].tokens for i in range(len(view))}


# -- which files -----------------------------------------------------------------------------


def test_a_file_is_a_dataset_without_validation(write_rows):
    path = write_rows(*texts(2))
    assert find_files(path) == DatasetFiles((path,))


def test_a_folder_gives_its_train_and_valid_files(write_rows, tmp_path):
    train, valid = write_rows(*texts(2)), write_rows(*texts(1), name="valid.jsonl")
    assert find_files(tmp_path) == DatasetFiles((train,), (valid,))


def test_a_chosen_validation_file_comes_before_the_folders_own(write_rows, tmp_path):
    train, other = write_rows(*texts(2)), write_rows(*texts(1), name="other.jsonl")
    write_rows(*texts(1), name="valid.jsonl")
    assert find_files(tmp_path, other) == DatasetFiles((train,), (other,))


def test_a_file_can_not_validate_itself(write_rows):
    path = write_rows(*texts(2))
    with pytest.raises(InputError, match="both the dataset and the validation set"):
        find_files(path, path)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("missing.jsonl", "isn't there"),
        ("folder", "has no train.jsonl"),
        ("data.zip", "can't be read as a dataset"),
        ("data.jsonl.zip", "can't be read as a dataset"),
        ("data", "can't be read as a dataset"),
        ("x" * 5000, "can't be read: File name too long"),
        ("data.zip/train.jsonl", "isn't there"),
        ("pipe.jsonl", "is not a file"),
        ("a\x00.jsonl", "isn't there"),
    ],
)
def test_paths_that_are_no_dataset_are_named(tmp_path, name, sentence):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe.jsonl")
    for existing in ("data.zip", "data.jsonl.zip", "data"):
        (tmp_path / existing).write_text("a")
    with pytest.raises(InputError, match=sentence):
        find_files(tmp_path / name)


def test_a_missing_validation_file_is_named(write_rows, tmp_path):
    with pytest.raises(InputError, match=r"validation set .*no\.jsonl isn't there"):
        find_files(write_rows(*texts(2)), tmp_path / "no.jsonl")


# -- bad rows --------------------------------------------------------------------------------


def test_the_first_bad_rows_are_shown_and_all_are_counted(load_dataset, write_rows):
    path = write_rows(*texts(2), b"{", {"text": ""}, [], {"a": 1}, 5)
    with pytest.raises(InputError) as error:
        load_dataset(path, None, 0.1, 0)
    assert error.value.message == (
        "train.jsonl has 5 bad rows: line 3: is not valid JSON at column 2: a key in double quotes "
        "is missing; line 4: text is empty; line 5: is a list, not an object in curly brackets; "
        "and 2 more."
    )
    assert error.value.hint == "Name its columns, like prompt=q, completion=a, or correct the file."


def test_a_bad_row_in_the_validation_file_stops_the_run_too(load_dataset, write_rows):
    train, valid = write_rows(*texts(3)), write_rows({"text": ""}, name="valid.jsonl")
    with pytest.raises(InputError, match=r"^valid\.jsonl has 1 bad row: line 1: text is empty\."):
        load_dataset(train, valid, 0.1, 0)


def test_bad_rows_can_be_left_out_and_are_kept_to_be_named(load_dataset, write_rows):
    path = write_rows(*texts(4), b"{", {"text": ""})
    dataset = load_dataset(path, None, 0.0, 0, leave_out_bad_rows=True)
    assert (len(dataset.train), dataset.left_out_count) == (4, 2)
    assert [problem.place.line for problem in dataset.left_out] == [5, 6]
    assert dataset.notes[0].startswith("2 rows are left out; the first: ")
    assert dataset.notes[1] == "Left out by kind: broken json 1, empty 1."


def test_a_file_of_bad_rows_only_is_refused_all_the_same(load_dataset, write_rows):
    path = write_rows(b"{", b"}")
    with pytest.raises(InputError, match="No training row can be used"):
        load_dataset(path, None, 0.0, 0, leave_out_bad_rows=True)


def test_a_truncated_file_is_refused_even_when_bad_rows_are_left_out(load_dataset, tmp_path):
    path = tmp_path / "train.json"
    path.write_text('[{"text": "a"}, {"text": ')
    with pytest.raises(InputError, match=r"^train\.json, row 2, is not valid JSON"):
        load_dataset(path, None, 0.0, 0, leave_out_bad_rows=True)


def test_the_same_bytes_in_another_format_are_reread(load_dataset, tmp_path):
    content = "text\na passage of words\n\nanother one here\n"
    (tmp_path / "rows.csv").write_text(content)
    (tmp_path / "rows.txt").write_text(content)
    table = load_dataset(tmp_path / "rows.csv", None, 0.0, 0)
    passages = load_dataset(tmp_path / "rows.txt", None, 0.0, 0)
    assert [len(table.train), len(passages.train)] == [2, 1]


def test_one_json_list_is_recognised(load_dataset, tmp_path):
    path = tmp_path / "train.jsonl"
    path.write_text('[\n  {"text": "a"},\n  {"text": "b"}\n]\n')
    with pytest.raises(InputError, match=r"looks like a single JSON list: name the file \.json"):
        load_dataset(path, None, 0.1, 0)


@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(content=st.one_of(st.binary(max_size=60), st.text('{}[]":, text\n\\u0', max_size=60)))
def test_no_content_of_a_file_raises_anything_but_a_plain_sentence(load_dataset, tmp_path, content):
    path = tmp_path / "any.jsonl"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    try:
        facts = inspect(path)
    except InputError:
        with pytest.raises(InputError):
            load_dataset(path, None, 0.1, 0)
        return
    if facts.problem_count:
        with pytest.raises(InputError):
            load_dataset(path, None, 0.1, 0)
    else:
        dataset = load_dataset(path, None, 0.1, 0)
        used = len(dataset.train) + len(dataset.valid)
        assert used + dataset.left_out_count == facts.examples > 0


def test_an_empty_validation_file_is_named(load_dataset, write_rows):
    with pytest.raises(InputError, match=r"valid\.jsonl is empty"):
        load_dataset(write_rows(*texts(3)), write_rows(name="valid.jsonl"), 0.1, 0)


# -- what is held out ------------------------------------------------------------------------


def test_a_share_is_held_out_and_every_row_is_on_one_side(load_dataset, write_rows):
    path = write_rows(*texts(20))
    dataset = load_dataset(path, None, 0.1, 0)
    assert (len(dataset.train), len(dataset.valid)) == (18, 2)
    assert sorted(lines_of(dataset.train) + lines_of(dataset.valid)) == list(range(1, 21))


def test_a_validation_file_makes_the_share_irrelevant(load_dataset, write_rows):
    train, valid = write_rows(*texts(20)), write_rows(*texts(3, 50), name="valid.jsonl")
    dataset = load_dataset(train, valid, 0.5, 0)
    assert (len(dataset.train), len(dataset.valid)) == (20, 3)


def test_the_split_depends_on_the_seed_only(load_dataset, write_rows):
    path = write_rows(*texts(50))
    valid_lines = [lines_of(load_dataset(path, None, 0.2, seed).valid) for seed in (0, 0, 1)]
    assert valid_lines[0] == valid_lines[1]
    assert valid_lines[0] != valid_lines[2]


def test_a_row_put_in_front_moves_no_other_row_to_the_other_side(load_dataset, write_rows):
    before = load_dataset(write_rows(*texts(50)), None, 0.2, 0)
    after = load_dataset(write_rows({"text": "new"}, *texts(50)), None, 0.2, 0)
    assert len(rows_of(before.valid) ^ rows_of(after.valid)) <= 2


def test_a_share_of_nothing_holds_nothing_out(load_dataset, write_rows):
    assert load_dataset(write_rows(*texts(20)), None, 0.0, 0).valid.lengths.tolist() == []


def test_one_row_is_held_out_of_two(load_dataset, write_rows):
    dataset = load_dataset(write_rows(*texts(2)), None, 0.01, 0)
    assert (len(dataset.train), len(dataset.valid)) == (1, 1)


@pytest.mark.parametrize("rows", [texts(1), texts(1) * 5])
def test_a_dataset_of_identical_rows_holds_nothing_out(load_dataset, write_rows, rows):
    assert load_dataset(write_rows(*rows), None, 0.5, 0).valid.lengths.tolist() == []


@given(
    numbers=st.lists(st.integers(0, 8), min_size=1, max_size=30),
    share=st.floats(0.01, 1.0),
    seed=st.integers(0, 2**32 - 1),
)
def test_equal_rows_are_never_on_both_sides(numbers, share, seed):
    digests = np.array([number * 0x9E3779B97F4A7C15 % 2**64 for number in numbers], np.uint64)
    ((mask,),) = holdout_masks([[digests]], [share], seed)
    train, valid = digests[~mask], digests[mask]
    assert not set(train.tolist()) & set(valid.tolist())
    assert len(train)
    if len(set(numbers)) > 1:
        assert len(valid)
        smallest = min(numbers.count(number) for number in set(numbers))
        assert len(valid) <= max(round(len(numbers) * share), smallest)


# -- what the window shows -------------------------------------------------------------------


def test_inspecting_shows_format_counts_and_the_first_rows(write_rows):
    path = write_rows(*texts(7))
    facts = inspect(path)
    assert (facts.path, facts.format, facts.examples) == (path, "text", 7)
    assert [row.text for row in facts.preview] == [f"row {i}" for i in range(5)]
    assert facts.size_bytes == path.stat().st_size
    assert (facts.problems, facts.problem_count, facts.valid_examples) == ((), 0, 0)


def test_inspecting_shows_the_bad_rows_beside_the_good(write_rows):
    facts = inspect(write_rows({"text": "a"}, b"{", {"text": "b"}))
    assert (facts.examples, facts.problem_count) == (2, 1)
    assert facts.problems[0].place.line == 2


def test_inspecting_a_file_of_bad_rows_only_still_shows_them(write_rows):
    facts = inspect(write_rows(b"{", b"}"))
    assert (facts.format, facts.examples, facts.problem_count) == ("unknown", 0, 2)


def test_inspecting_keeps_the_first_thousand_problems_and_counts_all(write_rows):
    facts = inspect(write_rows(*[[]] * 1500))
    assert (len(facts.problems), facts.problem_count) == (1000, 1500)


@pytest.mark.parametrize(
    ("rows", "name"),
    [
        ([{"prompt": "a", "completion": "b"}], "prompt and completion"),
        ([{"messages": [{"role": "assistant", "content": "a"}]}], "chat"),
        ([{"messages": [{"role": "assistant", "content": "a"}], "tools": [{}]}], "tools"),
        ([{"text": "a"}, {"prompt": "a", "completion": "b"}], "mixed"),
    ],
)
def test_inspecting_names_the_format(write_rows, rows, name):
    assert inspect(write_rows(*rows)).format == name


def test_inspecting_lists_a_missing_validation_file_as_a_problem(write_rows, tmp_path):
    path = write_rows(*texts(3))
    facts = inspect(path, tmp_path / "no.jsonl")
    assert facts.examples == 3
    assert "isn't there" in str(facts.problems[0])
    empty = write_rows(name="empty.jsonl")
    facts = inspect(path, empty)
    assert str(facts.problems[0]) == "empty.jsonl: is empty"


def test_inspecting_counts_the_validation_rows(write_rows, tmp_path):
    write_rows(*texts(3))
    write_rows(*texts(2), name="valid.jsonl")
    assert inspect(tmp_path).valid_examples == 2


def test_inspecting_an_empty_file_has_nothing_to_show(write_rows):
    with pytest.raises(InputError, match="is empty"):
        inspect(write_rows())


def test_inspecting_a_truncated_file_shows_the_rows_before_the_cut(tmp_path):
    path = tmp_path / "train.json"
    path.write_text('[{"text": "a"},\n{"text": ')
    facts = inspect(path)
    assert (facts.examples, facts.problem_count) == (1, 1)
    assert (facts.problems[0].place.line, facts.counts) == (2, {"broken json": 1})


def test_inspecting_reads_mapped_columns_in_both_files(tmp_path):
    (tmp_path / "train.csv").write_text("body,n\na,1\n")
    (tmp_path / "valid.tsv").write_text("n\tbody\n1\tb\n")
    facts = inspect(tmp_path, columns=ColumnMapping(text="body"))
    assert (facts.examples, facts.valid_examples, facts.problem_count) == (1, 1, 0)
    assert inspect(tmp_path).counts == {"unknown shape": 2}
