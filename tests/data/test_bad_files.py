"""Every bad file of the table is named as the table says, whichever way it is read."""

import pytest

from app.core.errors import InputError
from app.data.row_values import CorruptFileError, RowIssue
from app.data.rows.row_validation import read_examples
from tests.at_once import inspect
from tests.data.bad_files import BAD_FILES

NUMBERED = [pytest.param(*bad, id=f"{n}-{bad[0]}") for n, bad in enumerate(BAD_FILES)]


@pytest.mark.parametrize(("name", "content", "sentence"), NUMBERED)
def test_a_bad_file_is_named_with_place_and_reason(tmp_path, name, content, sentence):
    path = tmp_path / name
    path.write_bytes(content)
    try:
        facts = inspect(path)
    except InputError as error:
        message = error.message
    else:
        message = str(facts.problems[0])
        assert facts.problems[0].kind != "other"
        assert sum(facts.counts.values()) == facts.problem_count + facts.warning_count
    assert message == sentence
    assert first_problem(path) == sentence


def first_problem(path):
    """The first problem that a run would report."""
    try:
        return str(next(row for row in read_examples(path) if isinstance(row, RowIssue)))
    except CorruptFileError as broken:
        return str(broken.problem)
    except InputError as error:
        return error.message
