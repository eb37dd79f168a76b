"""A row is named by what its format can know: its line, or its number."""

import json

import pytest

from app.core.progress import drain
from app.data.row_values import WHOLE_FILE, CorruptFileError, RowIssue, RowLocation
from app.data.rows.row_validation import read_examples
from app.data.tokenizing.token_store import RowSettings, open_or_build_store
from app.data.tokens.store_files import reopen_store
from tests.at_once import inspect
from tests.data.conftest import build_tokenizer

ROWS = [{"text": "a fox"}, {"text": ""}, {"text": "an ox"}, {"text": "a fox"}]


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (WHOLE_FILE, ""),
        (RowLocation(line=1), "line 1"),
        (RowLocation(line=1234), "line 1234"),
        (RowLocation(row=7), "row 7"),
        (RowLocation(line=1, row=7), "row 7"),
        (RowLocation(line=2, row=1), "row 1 (line 2)"),
    ],
)
def test_a_location_uses_the_words_of_its_format(place, words):
    assert str(place) == words
    assert place.is_whole_file == (place == WHOLE_FILE)


def test_large_numbers_can_be_grouped():
    assert f"{RowLocation(line=12_345, row=6_789):,}" == "row 6,789 (line 12,345)"


def written(tmp_path, name, **how):
    path = tmp_path / name
    path.write_text(json.dumps(ROWS, **how))
    return path


def test_rows_of_a_list_on_one_line_are_named_by_their_numbers(tmp_path):
    facts = inspect(written(tmp_path, "a.json"))
    assert [str(problem) for problem in (*facts.problems, *facts.warnings)] == [
        "a.json, row 2: text is empty",
        "a.json, row 4: is the same as row 1",
    ]


def test_rows_of_a_list_on_several_lines_are_named_by_number_and_line(tmp_path):
    facts = inspect(written(tmp_path, "a.json", indent=1))
    assert [str(problem) for problem in (*facts.problems, *facts.warnings)] == [
        "a.json, row 2 (line 5): text is empty",
        "a.json, row 4 (line 11): is the same as row 1 (line 2)",
    ]


def test_rows_in_both_sets_are_named_by_their_numbers(tmp_path):
    (tmp_path / "train.json").write_text(json.dumps(ROWS[::2]))
    (tmp_path / "valid.json").write_text(json.dumps(ROWS[2:3]))
    (warning,) = inspect(tmp_path).warnings
    assert str(warning) == "train.json, row 2: is the same as row 1 in valid.json"


def test_the_end_of_a_truncated_list_is_located_by_row(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(ROWS)[:-8])
    with pytest.raises(CorruptFileError, match=r"^a\.json, row 4, is not valid JSON"):
        list(read_examples(path))


def test_a_store_keeps_the_places_of_rows_and_problems(tmp_path):
    path = written(tmp_path, "a.json", indent=1)
    settings = RowSettings(True, leave_out_bad_rows=True)
    store = drain(open_or_build_store(path, build_tokenizer(), settings))
    again = reopen_store(store.folder)
    assert again is not None
    assert again.rows.places.tolist() == [[2, 1], [8, 3], [11, 4]]
    (problem,) = again.problems(path)
    assert isinstance(problem, RowIssue)
    assert problem.place == RowLocation(line=5, row=2)


def test_a_store_of_another_version_is_not_opened(tmp_path):
    path = written(tmp_path, "a.json")
    store = drain(
        open_or_build_store(path, build_tokenizer(), RowSettings(True, leave_out_bad_rows=True))
    )
    manifest = store.folder / "manifest.json"
    facts = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**facts, "version": facts["version"] - 1}))
    assert reopen_store(store.folder) is None
