"""Errors that leave a process."""

import pickle
from pathlib import Path

import pytest

from app.core.errors import AppError, InputError, RunError
from app.data.chat.template_process import RenderingTooCostly
from app.data.row_values import CorruptFileError, RowIssue, RowLocation


@pytest.mark.parametrize(
    "error",
    [
        InputError("The file is empty.", "Choose another."),
        RunError("It ended."),
        RenderingTooCostly("takes more than 1 GB of memory"),
        CorruptFileError(RowIssue(Path("a.gz"), RowLocation(line=3), "is cut off"), "Copy it."),
    ],
)
def test_an_error_stays_the_same_in_another_process(error: AppError) -> None:
    there = pickle.loads(pickle.dumps(error))
    assert type(there) is type(error)
    assert str(there) == str(error)
    assert there.args == error.args
    assert vars(there) == vars(error)
